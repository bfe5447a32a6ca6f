"""Conditions that never hold are found, and only such."""

import random

import pytest

from seawall.bots.expression import Expression
from seawall.bots.expression_names import NAMES, Facts, Type
from seawall.bots.expression_parse import Fault, parse
from seawall.bots.expression_reach import never_by
from seawall.bots.features import FEATURES, Kind
from seawall.bots.policy import DEFAULT_RULES, scores_apart
from seawall.learn.explain import cases
from seawall.model import BotAction, BotDo, BotPolicy, BotRule

BLOCK = BotAction(BotDo.BLOCK)


def parsed(text: str) -> Expression:
    found = parse(text)
    assert not isinstance(found, Fault), found
    return found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("score > 99", "score"),
        ("score < 1", "score"),
        ("score <= 5 and score >= 10", "score"),
        ("score is absent and score <= 5", "score"),
        ("score != 5 and score == 5", "score"),
        ("(score <= 2 or score <= 4) and (cleared or score > 90) and score in [5, 6]", "score"),
        ("cleared > 3", "cleared"),
        ("requests_10s < 1", "requests_10s"),
        ("requests_10s > 5 and not requests_10s > 3", "requests_10s"),
        ("errors_60s >= 50", "errors_60s"),
        ("errors_60s == 12", "errors_60s"),
        ("path_kind == 11", "path_kind"),
        ("page_probe > 3", "page_probe"),
        ("cookie == 2", "cookie"),
        ("paths_10m >= 35", "paths_10m"),
        ("agent_family > 40", "agent_family"),
        ('path == "login"', "path"),
        ('path == "/a?b=c"', "path"),
        ('path in ["a", "b"] and score <= 5', "path"),
        ('"?" in path', "path"),
        ('path.startswith("login")', "path"),
        ('path == "/a" and path == "/b"', "path"),
        ('path == "/a" and path.endswith("b")', "path"),
        ('path == "/robots.txt"', "path"),
        ('path.startswith("/.well-known/seawall/")', "path"),
        ('kind == "robots"', "kind"),
        ('kind == "page" and kind == "data"', "kind"),
        ('method == "get"', "method"),
        ('host == "Shop.example"', "host"),
        ('host == "shop.example:8080"', "host"),
        ('host.endswith(":443")', "host"),
        ("false", "false"),
        ("cookie and cookie is absent", "cookie"),
        ("not (score >= 1 or score is absent)", "score"),
    ],
)
def test_what_never_holds_is_found_with_the_name(text: str, name: str) -> None:
    found = never_by(parsed(text))
    assert found is not None
    assert found.text == name


@pytest.mark.parametrize(
    "text",
    [
        *(rule.when for rule in DEFAULT_RULES),
        "",
        "true",
        "not score <= 5",
        "score <= 1",
        "score >= 99",
        "score != 5",
        "score <= 5 or path == 'x'",
        "errors_60s >= 11",
        "path_kind >= 10",
        "paths_10m >= 34",
        "arrivals >= 90",
        "agent_major == 90",
        "paths_60s >= 25",
        "requests_60s == 1",
        "requests_10m > 100000",
        'path == "/a" and path.startswith("/")',
        'path.startswith("/a") and path.endswith(".php") and "b" in path and path != "/ab.php"',
        'not path.startswith("login")',
        'path != "/a"',
        'path.startswith("/robots.txt")',
        'path.startswith("/.well-known/")',
        'path.endswith("login")',
        'path == "*"',
        'not path == "login"',
        'host != "Shop.example"',
        'host == "[::1]"',
        'not host.endswith(".example")',
        'method in ["GET", "get"]',
        'kind != "robots"',
        'verified == ""',
        "not verified",
        'claims != ""',
        'protocol != "HTTP/2"',
        "score <= requests_10s",
        "score <= cleared",
        'agent_family not in ["curl", "wget"]',
    ],
)
def test_what_may_hold_is_left_alone(text: str) -> None:
    assert never_by(parsed(text)) is None


@pytest.mark.parametrize(
    ("conditions", "scores"),
    [
        ((), ()),
        (('path == "/"', "cleared >= 1"), ()),
        (("score <= 30",), (1, 31)),
        (("score <= 30", "not (score == 37 and cookie)"), (1, 37, 31)),
        (("has_score",), (1,)),
        (("score <= requests_10s",), (1, 99, 85, 71, 57, 43, 29, 15)),
    ],
)
def test_one_score_stands_for_all_that_rules_cannot_tell_apart(
    conditions: tuple[str, ...], scores: tuple[int, ...]
) -> None:
    rules = tuple(BotRule(f"r{n}", when, BLOCK) for n, when in enumerate(conditions))
    assert scores_apart(BotPolicy(rules=rules)) == scores


def test_the_largest_code_of_a_feature_is_the_last_case_that_it_lists() -> None:
    listed = {feature.name: max(cases(feature)) for feature in FEATURES if cases(feature)}
    open_ended = {"accept-language", "arrivals"}
    most = {feature.name: feature.most for feature in FEATURES if feature.name in listed}
    assert {name: most[name] for name in listed.keys() - open_ended} == {
        name: listed[name] for name in listed.keys() - open_ended
    }
    assert all(feature.most == 1 for feature in FEATURES if feature.kind is Kind.FLAG)


def test_no_condition_that_holds_for_a_request_is_said_never_to_hold() -> None:
    chance = random.Random(5)
    held = 0
    for _ in range(3_000):
        condition = parsed(_text(chance, 3))
        facts = Facts(
            path=chance.choice(["/", "/a", "/a/b.php", "/robots.tx"]),
            method=chance.choice(["GET", "POST"]),
            host=chance.choice(["shop.example", "a.test"]),
            score=chance.choice([None, 1, 2, 50, 99]),
            codes=tuple(chance.randrange(12) for _ in FEATURES),
            cleared=chance.randrange(4),
            requests=(1, chance.randrange(1, 9), None),
            verified=chance.choice(["", "googlebot"]),
        )
        if condition.holds(facts):
            held += 1
            assert never_by(condition) is None, (condition, facts)
    assert held > 500


def _text(chance: random.Random, depth: int) -> str:
    if depth and chance.random() < 0.6:
        join = chance.choice([" and ", " or "])
        parts = join.join(_text(chance, depth - 1) for _ in range(chance.randrange(2, 4)))
        return chance.choice([f"({parts})", f"not ({parts})"])
    number = chance.choice(["score", "cleared", "requests_10s", "errors_60s", "tls_version"])
    assert NAMES[number].type is not Type.TEXT
    value = max(NAMES[number].least, chance.randrange(4))
    compare = f"{number} {chance.choice(['==', '!=', '<', '<=', '>', '>='])} {value}"
    text = chance.choice(['path == "/a"', 'path.startswith("/a")', '"b" in path', "verified"])
    other = chance.choice(['host == "a.test"', 'method != "GET"', 'host.endswith("e")'])
    return chance.choice([compare, compare, text, other, "has_score", "score is absent"])
