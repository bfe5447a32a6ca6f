"""The language of rules: what holds, what is refused, and where the fault is."""

import pytest

from seawall import limits
from seawall.bots.expression import ALWAYS
from seawall.bots.expression_names import NAMES, Facts, Type
from seawall.bots.expression_parse import Fault, parse
from seawall.bots.features import FEATURES, INDEX

CODES = tuple(4 if f.name == "agent-family" else 0 for f in FEATURES)
REQUEST = Facts(
    path="/shop/item",
    method="GET",
    host="shop.example.com",
    protocol="HTTP/2",
    score=30,
    codes=CODES,
    claims="googlebot",
    category="search",
    cleared=1,
    requests=(3, 20, None),
)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("", True),
        ("   \n ", True),
        ("true", True),
        ("True", True),
        ("false", False),
        ("score == 30", True),
        ("30 == score", True),
        ("10 < score <= 30", True),
        ("10 < score < 30", False),
        ("not score > 30", True),
        ("score is absent", False),
        ("score is not absent and has_score", True),
        ("requests_10m is absent", True),
        ("requests_10m < 5 or requests_10m >= 5", False),
        ("not requests_10m < 5", True),
        ("requests_60s > requests_10s", True),
        ("requests_60s in [1, 20]", True),
        ('path.startswith("/shop")', True),
        ('path.endswith("/item")', True),
        ('"op/it" in path', True),
        ('"x" not in path', True),
        ('"op/it" not in path', False),
        ('method in ["GET", "HEAD"]', True),
        ('method not in ("GET", "HEAD")', False),
        ('host == "shop.example.com"', True),
        ('host != "shop.example.com"', False),
        ("verified", False),
        ("claims and not verified and not impostor", True),
        ("verified is absent", True),
        ('category == "search"', True),
        ("cleared", True),
        ("cleared >= 2", False),
        ('agent_family == "curl"', True),
        ('agent_family in ["wget", "curl"]', True),
        ('agent_family != "curl"', False),
        ("agent_family", True),
        ("tls_family", False),
        ('tls_family != "curl"', False),
        ('route_class == "page"', True),
        ('protocol == "HTTP/2"', True),
        ('kind == "data"', True),
        ("score <= 2\nor path\n== '/shop/item'", True),
        ("(score <= 2\n or path\n == '/shop/item')", True),
    ],
)
def test_conditions(when: str, holds: bool) -> None:
    found = parse(when)
    assert not isinstance(found, Fault), found
    assert found.holds(REQUEST) is holds


@pytest.mark.parametrize(
    ("when", "column", "words"),
    [
        ("scor <= 2", 1, "Did you mean `score`?"),
        ("score <= 2 and pth == '/'", 16, "Did you mean `path`?"),
        ("  scor <= 2", 3, "Did you mean `score`?"),
        ('path == "/caf\u00e9"', 14, "`%C3%A9`"),
        ("Score <= 2", 1, "Did you mean `score`?"),
        ("score = 2", 7, "Write it as"),
        ("score <= 2 && path", 13, "Write `and` and `or`."),
        ("!verified", 1, "Write `not`."),
        ("score", 1, "`score` is a number"),
        ("score == 0", 10, "Write `score is absent`."),
        ("score > 100", 9, "`score` is 1 to 99"),
        ("score == absent", 10, "Write `score is absent`."),
        ("accept_language != absent", 20, "Write `accept_language is not absent`."),
        ("absent == path", 1, "Write `path is absent`."),
        ("absent == absent", 11, "`score is absent`"),
        ("cleared == absent", 1, "never absent"),
        ("cleared is absent", 1, "never absent"),
        ("has_score == 1", 14, "true or false"),
        ("tls_ciphers == 0", 16, "Write `tls_ciphers is absent`."),
        ("tls_ciphers > 91", 15, "1 to 90"),
        ('score == "low"', 10, "Compare it with a number."),
        ("path == 5", 9, "Write it in quotes"),
        ('path < "/b"', 1, "Use `==` or `!=`."),
        ('category == "ai-traning"', 13, "Did you mean `ai-training`?"),
        ('category in ["search", "serch"]', 24, "Did you mean `search`?"),
        ('agent_family == "crul"', 17, "Did you mean `curl`?"),
        ('route_class == "pages"', 16, "Did you mean `page`?"),
        ('protocol == "h2"', 13, "Known are `HTTP/1.0`"),
        ('path.contains("/a")', 1, 'Write `"text" in path`.'),
        ('path.startwith("/a")', 1, "Did you mean `startswith`?"),
        ('path.startswith("")', 17, "not empty"),
        ('path.startswith("/a", "/b")', 1, "takes one text"),
        ('score.startswith("1")', 1, "is not text"),
        ("path in 'abc'", 9, "A list must follow `in`."),
        ("method in []", 11, "The list is empty."),
        ("score is 5", 10, "Only `absent` may follow `is`."),
        ("path is 5", 9, "Write `path is absent`"),
        ("score in [1] in [2]", 1, "cannot be chained"),
        ("1 < 2", 1, "Two fixed values"),
        ("score == path", 10, "cannot be compared"),
        ("score + 1 > 2", 1, "a number or a text is needed"),
        ("score == -1", 10, "a number or a text is needed"),
        ("score == 1.5", 10, "a number or a text is needed"),
        ("score == 99999999999999", 10, "The number is too large."),
        ("path == f'{score}'", 9, "a number or a text is needed"),
        ("path == b'x'", 9, "a number or a text is needed"),
        ("__import__('os').system('x')", 1, "no functions"),
        ("(lambda: true)()", 1, "no functions"),
        ("[score for score in path]", 1, "not a condition"),
        ("score if true else path", 1, "not a condition"),
        ("(score := 5)", 2, "not a condition"),
        ("path[0] == '/'", 1, "a number or a text is needed"),
        ("path.upper() == '/'", 1, "a number or a text is needed"),
        (r'path == "\n"', 10, "`\\` is not allowed"),
        ("a" * 1001, 1, "1,001 characters"),
        ("not " * 40 + "true", 69, "nested too deeply"),
        ("(" * 250 + "true" + ")" * 250, 0, ""),
        ("-" * 990 + "1", 1, ""),
        ("path == '" + "x" * 201 + "'", 9, "The text is too long."),
        (" or ".join(["true"] * 60) + " or score in [" + "1," * 249 + "1]", 0, "too many parts"),
        ("score <= 2;", 11, ""),
        ("score <= 2 # low\n and path == '/'", 12, "`#` is not allowed"),
        ("path == '\x00'", 10, "U+0000"),
        ("path == '\ud800'", 10, "U+D800"),
    ],
)  # fmt: skip
def test_a_fault_names_its_column_and_a_remedy(when: str, column: int, words: str) -> None:
    found = parse(when)
    assert isinstance(found, Fault), found
    assert words in f"{found.what} {found.remedy}"
    assert column in (0, found.column)


def test_every_feature_has_a_name_unless_the_request_says_more() -> None:
    hidden = {"protocol", "method", "requests-10s", "requests-60s", "requests-10m"}
    codes = {n.text for n in NAMES.values() if n.type is Type.CODE}
    assert codes == {f.name.replace("-", "_") for f in FEATURES if f.name not in hidden}
    for name in codes:
        assert NAMES[name].lua == f"C(s,{INDEX[name.replace('_', '-')] + 1})"
    assert hidden <= {n.replace("_", "-") for n in NAMES}


def test_every_name_is_explained() -> None:
    assert all(name.meaning for name in NAMES.values())


def test_a_condition_of_the_longest_kind_is_read() -> None:
    when = " or ".join(["score == 1"] * 70)
    assert len(when) < limits.BOT_EXPRESSION_LENGTH_CHARS_MAX
    assert not isinstance(parse(when), Fault)


def test_an_older_vector_lacks_what_it_did_not_know() -> None:
    found = parse("path_depth is absent")
    assert not isinstance(found, Fault)
    assert found.holds(Facts(codes=(1, 2)))
    assert found.holds(Facts(codes=()))


def test_nought_requests_are_known() -> None:
    found = parse("requests_10s is absent")
    assert not isinstance(found, Fault)
    assert not found.holds(Facts(requests=(0, None, None)))


def test_an_empty_condition_always_holds() -> None:
    assert parse("") == ALWAYS == parse("true")
