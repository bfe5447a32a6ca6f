"""What a story tells that the rules asked for: told, absent, or not recorded, and never guessed."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.bots.expression_names import NAMES, Type
from seawall.bots.expression_parse import Fault, parse
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, to_text
from seawall.bots.policy import DEFAULT_RULES, policy_text
from seawall.ids import SiteName
from seawall.limits import WHY_FACTS_PER_RULE_MAX
from seawall.model import BotAction, BotDo, BotMode, BotPolicy, BotRule, RouteClass
from seawall.telemetry.bot_facts import RuleFact, asked_in
from seawall.telemetry.bot_policy import read_policy
from seawall.telemetry.bot_story import KnownBots, bot_facts, bot_sentences
from seawall.telemetry.records import AccessRecord

MANY = BotAction(BotDo.RATE, requests=5, per_s=60)


def known(*rules: BotRule, route_class: RouteClass = RouteClass.PAGE) -> KnownBots:
    """What the release says, as it is read back from the text that Envoy has."""
    policy = BotPolicy(mode=BotMode.ENFORCE, rules=rules)
    return KnownBots(policy=read_policy(policy_text(policy, SiteName("shop"), route_class)))


def record(
    rules: str,
    /,
    *,
    proof: str = "-",
    clearance: str = "-",
    place: int = 5,
    headers: Mapping[str, str] | None = None,
    path: str = "/a",
    **codes: int,
) -> AccessRecord:
    vector = [0] * len(FEATURES)
    for name, code in codes.items():
        vector[INDEX[name.replace("_", "-")]] = code
    verdict = f"- block {rules} {proof} {clearance} - {to_text(tuple(vector))}"
    return AccessRecord(
        time="t",
        route="shop/all",
        method="GET",
        host="shop.test",
        path=path,
        protocol="HTTP/2",
        bots=f"{verdict} 6a3ab9e47dcda54b.{place}",
        details="lua_response",
        req_headers=headers or {},
    )


def block(name: str, when: str) -> BotRule:
    return BotRule(name, when, BotAction(BotDo.BLOCK))


def facts(seen: AccessRecord, bots: KnownBots) -> dict[str, tuple[str, int | str | None, str]]:
    return {f.name: (f.state.value, f.value, f.words) for f in bot_facts(seen, bots)}


def told(seen: AccessRecord, bots: KnownBots) -> str:
    return " ".join(bot_sentences(seen, bots))


def test_a_rule_without_a_score_is_told_with_what_it_asked_for() -> None:
    bots = known(block("many", 'arrivals >= 3 and path == "/a"'))
    assert "Rule many refused it (403)." in told(record("many", arrivals=3), bots)
    assert (
        "Rule many asked for path (/a) and arrivals (3: it came to 2 pages in a row from "
        "elsewhere, as by a typed address)." in told(record("many", arrivals=3), bots)
    )


def test_what_is_absent_is_said_to_be() -> None:
    bots = known(block("mute", "accept_language is absent or score <= 3 or not verified"))
    assert facts(record("mute"), bots) == {
        "accept_language": ("absent", None, "it sends no accept-language"),
        "score": ("absent", None, ""),
        "verified": ("absent", None, ""),
    }
    assert "accept_language (absent: it sends no accept-language)" in told(record("mute"), bots)


def test_rules_that_noted_it_are_told_before_the_one_that_decided() -> None:
    noted = BotRule("seen", "te", BotAction(BotDo.OBSERVE))
    bots = known(noted, block("low", 'method == "GET"'), block("other", "cookie"))
    found = bot_facts(record("seen+low", te=1), bots)
    assert [(fact.rule, fact.name, fact.value) for fact in found] == [
        ("seen", "te", 1),
        ("low", "method", "GET"),
    ]
    sentences = [*bot_sentences(record("seen+low", te=1), bots)]
    assert sentences[-2:] == [
        "Rule seen asked for te (1: it sends te).",
        "Rule low asked for method (GET).",
    ]


def test_a_rate_is_told_with_what_it_counts() -> None:
    bots = known(BotRule("slow", 'host == "shop.test"', MANY))
    seen = record("slow", requests_60s=12)
    assert facts(seen, bots)["requests_60s"] == ("told", 7, "it asked 7 times")
    often = record("slow", requests_60s=30)
    assert facts(often, bots)["requests_60s"] == ("told", 153, "it asked about 153 times")
    uncounted = facts(record("slow", place=-1, requests_60s=12), bots)["requests_60s"]
    assert uncounted[:2] == ("absent", None)


@pytest.mark.parametrize(
    ("seen", "name", "fact"),
    [
        (record("r", proof="verified:googlebot"), "verified", ("told", "googlebot", "")),
        (record("r", proof="verified:googlebot"), "impostor", ("absent", None, "")),
        (record("r", proof="unknown:googlebot"), "claims", ("told", "googlebot", "")),
        (record("r", proof="unknown:googlebot"), "verified", ("absent", None, "")),
        (record("r", clearance="ok:2"), "cleared", ("told", 2, "")),
        (record("r", clearance="expired"), "cleared", ("told", 0, "")),
        (record("r"), "protocol", ("told", "HTTP/2", "")),
        (record("r"), "route_class", ("told", "page", "")),
        (record("r"), "category", ("absent", None, "it names no known bot")),
        (
            record("r", proof="unknown:googlebot"),
            "category",
            ("not-recorded", None, "that of googlebot"),
        ),
    ],
)
def test_each_fact_of_a_record(
    seen: AccessRecord, name: str, fact: tuple[str, int | str | None, str]
) -> None:
    when = f"{name} == 2" if NAMES[name].type is Type.NUMBER else name
    assert facts(seen, known(block("r", when)))[name] == fact


def test_the_kind_is_told_only_where_the_record_settles_it() -> None:
    bots = known(block("r", 'kind == "page"'))
    page = {"accept": 2}
    assert facts(record("r", accept=1), bots)["kind"] == ("told", "data", "")
    assert facts(record("r", path="/robots.txt", **page), bots)["kind"][1] == "robots"
    unsettled = facts(record("r", **page), bots)["kind"]
    assert unsettled == ("not-recorded", None, "page, or feed if its accept header asked for one")
    headers = {"accept": "text/html, application/rss+xml"}
    assert facts(record("r", headers=headers, **page), bots)["kind"][1] == "feed"


def test_nothing_is_told_where_the_release_does_not_tell() -> None:
    assert bot_facts(record("gone"), known(block("low", "te"))) == ()
    assert bot_facts(record("low"), KnownBots()) == ()
    assert "asked for" not in told(record("category:seo"), known(block("low", "te")))


def test_no_text_of_a_rule_passes_for_a_name_and_no_path_breaks_a_terminal() -> None:
    rule = block("r", """path == 'T(s,"host") C(s,3) S(s)'""")
    seen = record("r", path="/\x1b[31m" + "a" * 999)
    found = bot_facts(seen, known(rule))
    assert [fact.name for fact in found] == ["path"]
    assert told(seen, known(rule)).isprintable()
    assert len(told(seen, known(rule))) < 999


@pytest.mark.parametrize("name", [n.text for n in NAMES.values() if n.type is not Type.FLAG])
def test_every_name_is_found_in_its_condition_and_has_a_fact(name: str) -> None:
    when = f"{name} >= 1" if NAMES[name].type is Type.NUMBER else name
    condition = parse(when)
    assert not isinstance(condition, Fault)
    assert asked_in(condition.lua()) == (name,)
    (fact,) = bot_facts(record("r"), known(block("r", when)))
    assert isinstance(fact, RuleFact)
    assert fact.name == name


def test_of_the_longest_rule_that_seawall_has_nothing_is_left_out() -> None:
    bots = known(*DEFAULT_RULES)
    found = facts(record("automated", page_probe=1, agent_family=1), bots)
    assert found["page_probe"][:2] == ("told", 1)
    assert found["agent_family"] == ("told", "chromium", "its user agent claims Chromium")
    assert " more." not in told(record("automated"), bots)


@given(st.lists(st.integers(0, CODE_MAX), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_a_rule_that_asks_for_everything_is_told_within_bounds(codes: list[int]) -> None:
    names = [feature.name.replace("-", "_") for feature in FEATURES]
    flags = [name for name in names if NAMES[name].type is Type.CODE]
    bots = known(block("all", " or ".join(flags)[:950].rpartition(" or ")[0]))
    seen = record("all", **dict(zip(names, codes, strict=True)))
    assert len(bot_facts(seen, bots)) == WHY_FACTS_PER_RULE_MAX
    assert " more." in told(seen, bots)
    assert all(fact.words or fact.value is not None for fact in bot_facts(seen, bots))
