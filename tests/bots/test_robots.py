"""A generated robots.txt says what the policy does, to readers of either kind.

Python's reader takes the first rule that fits; RFC 9309 the longest. Both are asked.
"""

from collections.abc import Callable
from itertools import product
from urllib.robotparser import RobotFileParser

import pytest
from pydantic import ValidationError

from seawall import limits
from seawall.bots.robots import CONTROL_TOKENS, robots_txt
from seawall.model import BotAction, BotCategory, BotDo
from seawall.site.build_bots import bot_tokens
from seawall.site.schema.bots import BotsSection
from seawall.verify.catalogue import catalogue

TOKENS = {
    BotCategory.AI_TRAINING: ("GPTBot", "CCBot"),
    BotCategory.AI_SEARCH: ("OAI-SearchBot",),
    BotCategory.SEARCH: ("Googlebot",),
    BotCategory.SEO: (),
}


def written(
    extra: tuple[str, ...] = (),
    sitemaps: tuple[str, ...] = (),
    **categories: BotDo,
) -> str:
    actions = {BotCategory(n.replace("_", "-")): BotAction(do) for n, do in categories.items()}
    return robots_txt(actions, TOKENS, extra=extra, sitemaps=sitemaps)


def stock_reader(text: str, agent: str, path: str) -> bool:
    reader = RobotFileParser()
    reader.parse(text.splitlines())
    return reader.can_fetch(agent, path)


def rfc_reader(text: str, agent: str, path: str) -> bool:
    """RFC 9309 section 2.2: groups of one agent are joined; the longest rule wins, allow on a tie.

    Patterns with `*` and `$` are not needed here.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    current: list[str] = []
    in_rules = False
    for raw in text.splitlines():
        key, _, value = (part.strip() for part in raw.partition("#")[0].partition(":"))
        if key.lower() == "user-agent":
            current = [] if in_rules else current
            in_rules = False
            current.append(value.lower())
            groups.setdefault(value.lower(), [])
        elif key.lower() in ("allow", "disallow"):
            in_rules = True
            for name in current:
                groups[name].append((key.lower(), value))
    rules = groups.get(agent.lower(), groups.get("*", []))
    fitting = [(len(p), kind == "allow") for kind, p in rules if p and path.startswith(p)]
    return max(fitting)[1] if fitting else True


Reader = Callable[[str, str, str], bool]
READERS = pytest.mark.parametrize("may", [stock_reader, rfc_reader])


@READERS
def test_a_refused_category_is_asked_to_stay_away_and_others_are_not(may: Reader) -> None:
    text = written(ai_training=BotDo.BLOCK, ai_search=BotDo.PAYMENT)
    for agent, path in product(
        ("GPTBot", "CCBot", "OAI-SearchBot", "Google-Extended"), ("/", "/a")
    ):
        assert not may(text, agent, path), agent
    for agent in ("Googlebot", "SomebodyElse", "curl"):
        assert may(text, agent, "/")


@READERS
def test_without_refused_categories_everybody_may_come(may: Reader) -> None:
    text = written()
    assert "Disallow" not in text
    for agent in ("GPTBot", "Googlebot", "Google-Extended", "x"):
        assert may(text, agent, "/private")


@READERS
def test_extra_lines_hold_for_everybody_who_has_no_group(may: Reader) -> None:
    text = written(
        extra=("Disallow: /cart", "User-agent: Slow", "Disallow: /"), ai_training=BotDo.BLOCK
    )
    assert not may(text, "Googlebot", "/cart/1")
    assert may(text, "Googlebot", "/")
    assert not may(text, "Slow", "/")
    assert not may(text, "GPTBot", "/")


@READERS
@pytest.mark.parametrize("first", [(), ("Crawl-delay: 5",), ("# nobody else",)], ids=str)
@pytest.mark.parametrize("search", [None, BotDo.ALLOW])
def test_a_group_of_extra_lines_refuses_nobody_else(
    may: Reader, first: tuple[str, ...], search: BotDo | None
) -> None:
    categories = {"search": search} if search else {}
    text = written(extra=(*first, "user-agent : Slow", "Disallow: /"), **categories)
    assert not may(text, "Slow", "/")
    assert may(text, "Googlebot", "/")


def test_the_longest_rule_wins_for_readers_of_the_rfc() -> None:
    text = written(extra=("Disallow: /a", "Allow: /a/public", "Disallow: /a/public/not"))
    assert not rfc_reader(text, "x", "/a/b")
    assert rfc_reader(text, "x", "/a/public/1")
    assert not rfc_reader(text, "x", "/a/public/not/1")


@pytest.mark.parametrize(
    ("categories", "line"),
    [
        ({"ai_training": BotDo.BLOCK}, "ai-train=no"),
        ({"ai_training": BotDo.PAYMENT}, "ai-train=no"),
        ({"ai_training": BotDo.ALLOW}, "ai-train=yes"),
        ({"ai_user": BotDo.BLOCK}, "ai-input=no"),
        ({"ai_search": BotDo.BLOCK, "ai_user": BotDo.ALLOW}, "ai-input=no"),
        ({"ai_search": BotDo.ALLOW, "ai_user": BotDo.ALLOW}, "ai-input=yes"),
        ({"search": BotDo.BLOCK}, "search=no"),
        ({"search": BotDo.RATE, "ai_training": BotDo.BLOCK}, "search=yes, ai-train=no"),
    ],
)
def test_content_signals_follow_the_categories(categories: dict[str, BotDo], line: str) -> None:
    lines = written(**categories).splitlines()
    assert lines[lines.index("User-agent: *") + 1] == f"Content-Signal: {line}"


@pytest.mark.parametrize(
    "categories",
    [{}, {"seo": BotDo.BLOCK}, {"ai_user": BotDo.ALLOW}, {"ai_training": BotDo.OBSERVE}],
    ids=["none", "other", "half", "observed"],
)
def test_no_consent_is_given_that_nobody_wrote(categories: dict[str, BotDo]) -> None:
    assert "Content-Signal" not in written(**categories)


def test_sitemaps_stand_at_the_end_in_order() -> None:
    text = written(sitemaps=("https://a.example/1.xml", "https://a.example/2.xml"))
    assert text.endswith("\nSitemap: https://a.example/1.xml\nSitemap: https://a.example/2.xml\n")
    reader = RobotFileParser()
    reader.parse(text.splitlines())
    assert reader.site_maps() == ["https://a.example/1.xml", "https://a.example/2.xml"]


def test_a_category_without_a_known_bot_makes_no_group() -> None:
    assert "# seo" not in written(seo=BotDo.BLOCK)
    assert "Disallow" not in written(seo=BotDo.BLOCK, impostor=BotDo.BLOCK)


def test_the_real_catalogue_can_be_refused_whole() -> None:
    tokens: dict[BotCategory, tuple[str, ...]] = {}
    for bot in catalogue().bots:
        category = BotCategory(bot.category)
        tokens[category] = tokens.get(category, ()) + bot.tokens
    everything = dict.fromkeys(BotCategory, BotAction(BotDo.BLOCK))
    text = robots_txt(everything, tokens)
    named = {line.partition(": ")[2] for line in text.splitlines() if "User-agent" in line}
    for category, names in tokens.items():
        assert named >= {n for n in names if n != "Yahoo! Slurp"} | {
            *CONTROL_TOKENS.get(category, ())
        }
    assert "Slurp" in named
    for agent in named - {"*"}:
        assert not rfc_reader(text, agent, "/"), agent
    assert text.isascii()


def test_the_longest_robots_txt_that_can_be_written_fits_a_fixed_response() -> None:
    line, url = "D" * 500, "https://" + "a" * 1000
    size = 0
    extra: list[str] = []
    sitemaps: list[str] = []
    for lines, text in ((extra, line), (sitemaps, url)) * limits.ROBOTS_LINES_MAX:
        size += len(text) + len("Sitemap: \n")
        if size <= limits.ROBOTS_WRITTEN_SIZE_BYTES_MAX and len(lines) < limits.ROBOTS_LINES_MAX:
            lines.append(text)
    section = BotsSection.model_validate({"robots": {"extra": extra, "sitemaps": sitemaps}})
    assert section.robots
    text = robots_txt(
        dict.fromkeys(BotCategory, BotAction(BotDo.BLOCK)),
        bot_tokens(),
        extra=section.robots.extra,
        sitemaps=section.robots.sitemaps,
    )
    assert len(text) > limits.ROBOTS_WRITTEN_SIZE_BYTES_MAX - 2_000
    assert len(text) < limits.ROBOTS_TXT_SIZE_BYTES_MAX


def test_more_lines_than_fit_a_fixed_response_are_refused_with_their_size() -> None:
    extra = ["D" * 500] * limits.ROBOTS_LINES_MAX
    with pytest.raises(ValidationError, match="102,000 bytes together; at most 49,152 fit"):
        BotsSection.model_validate({"robots": {"extra": extra}})
