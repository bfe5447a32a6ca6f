"""What a policy does, asked of the Lua that Envoy runs."""

import time
from typing import Any

import pytest
from hypothesis import given, settings

from bot_policies import LuaPolicy, facts_of_requests, policies
from seawall import limits
from seawall.bots.expression_names import Facts
from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES, INDEX
from seawall.bots.policy import DEFAULT_CATEGORIES, DEFAULT_RULES, Decision, decide, policy_text
from seawall.errors import InternalError
from seawall.ids import SiteName
from seawall.model import (
    OBSERVING,
    BotAction,
    BotCategory,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    RouteClass,
)

LUA = LuaPolicy()
ENFORCED = BotPolicy(BotMode.ENFORCE, DEFAULT_RULES)
CHALLENGE, BLOCK = BotAction(BotDo.CHALLENGE), BotAction(BotDo.BLOCK)
NAVIGATION = {"fetch-mode": 1, "fetch-dest": 1, "accept": 2, "path-kind": 1}


def vector(**given: int) -> tuple[int, ...]:
    codes = [0] * len(FEATURES)
    for name, code in given.items():
        codes[INDEX[name.replace("_", "-")]] = code
    return tuple(codes)


def facts(codes: dict[str, int] | None = None, **more: Any) -> Facts:
    """A browser's navigation, unless said otherwise."""
    return Facts(codes=vector(**(NAVIGATION if codes is None else codes)), **more)


def compiled(policy: BotPolicy, route_class: str = "page") -> Any:
    found, reason = LUA.compile(policy_text(policy, SiteName("shop"), RouteClass(route_class)))
    assert found is not None, reason
    return found


def decided(policy: BotPolicy, request: Facts) -> tuple[str, str, Any]:
    """By the Lua; the Python twin must agree."""
    found = LUA.decide(compiled(policy, request.route_class), request)
    twin = decide(policy, request)
    assert found[:2] == (twin.do.value, twin.rule)
    return found


def enforced(*rules: BotRule, **more: Any) -> BotPolicy:
    return BotPolicy(BotMode.ENFORCE, rules, **more)


# --- Modes ----------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(policy=policies, request=facts_of_requests)
def test_a_site_that_observes_or_looks_at_nothing_never_does_anything(
    policy: BotPolicy, request: Facts
) -> None:
    if policy.mode is BotMode.ENFORCE:
        return
    assert decided(policy, request)[0] == "observe"


def test_a_site_without_a_policy_observes() -> None:
    for request in (
        facts(score=1),
        facts(score=1, impostor="googlebot", category="search"),
        facts(score=None, requests=(10**6, 10**6, 10**6)),
    ):
        assert decided(OBSERVING, request)[0] == "observe"


def test_what_an_observing_site_would_do_is_told() -> None:
    policy = BotPolicy(BotMode.OBSERVE, DEFAULT_RULES)
    action, rule, detail = decided(policy, facts(score=2))
    assert (action, rule, detail.would) == ("observe", "automated", "challenge")


# --- Defaults -------------------------------------------------------------------------------------

PLAIN_PAGE = {"path-kind": 1, "accept": 1}
BROWSER = PLAIN_PAGE | {"accept": 2, "agent-family": ClientFamily.CHROMIUM, "family-agreement": 2}
TOOL = {"accept": 1, "path-kind": 1}
NETSURF = {"agent-family": ClientFamily.OTHER_BROWSER}
OBSERVED = ("observe", "category:unverified")
PROBING = {"path-kind": 10, "errors-60s": 4}
ELINKS = {"agent-family": ClientFamily.TEXT_BROWSER}
FEED_READER = {"agent-family": ClientFamily.FEED_READER}
GIT = {"agent-family": ClientFamily.GIT}
PACKAGE_MANAGER = {"agent-family": ClientFamily.PACKAGE_MANAGER}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (facts(score=2), ("challenge", "automated")),
        (facts(BROWSER, score=1, requests=(3, 3, 3)), ("allow", "")),
        (facts(BROWSER, score=1, requests=(1, 1, 4)), ("challenge", "automated")),
        (facts(BROWSER | {"family-agreement": 1}, score=1), ("challenge", "automated")),
        (facts(BROWSER | {"page-probe": 1}, score=50), ("challenge", "automated")),
        (facts(TOOL, score=1), ("challenge", "automated")),
        (facts(TOOL, score=1, method="HEAD"), ("challenge", "automated")),
        (facts(TOOL, score=1, method="POST"), ("allow", "")),
        (facts(TOOL | {"accept": 6}, score=1), ("allow", "")),
        (facts(TOOL | {"connection": 3}, score=1), ("allow", "")),
        (facts(PLAIN_PAGE | {"accept": 2, "connection": 3}, score=1), ("challenge", "automated")),
        (facts(TOOL | NETSURF, score=1, requests=(9, 9, 9)), ("allow", "")),
        (facts(PLAIN_PAGE | NETSURF | {"accept": 2}, score=1), ("allow", "")),
        (facts(TOOL | {"agent-family": ClientFamily.MONITOR}, score=1), ("allow", "")),
        (facts(TOOL | {"agent-family": ClientFamily.PREVIEW}, score=1), ("allow", "")),
        (facts(TOOL | {"agent-family": ClientFamily.MOBILE_APP}, score=1), ("allow", "")),
        (facts(TOOL, score=1, path="/team.ics"), ("allow", "")),
        (facts(TOOL, score=1, claims="slackbot", category="preview"), OBSERVED),
        (facts(score=1, claims="googlebot", category="search"), OBSERVED),
        (facts(score=3), ("allow", "")),
        (facts(score=None), ("allow", "")),
        (facts(PLAIN_PAGE, score=1), ("challenge", "automated")),
        (facts(PLAIN_PAGE | {"path-kind": 5}, score=1), ("allow", "")),
        (facts(score=1, route_class="api"), ("allow", "")),
        (facts(score=1, route_class="feed"), ("allow", "")),
        (facts({"path-kind": 4}, score=1, path="/feed.xml"), ("allow", "")),
        (facts(PLAIN_PAGE | FEED_READER, score=1), ("allow", "")),
        (facts(PLAIN_PAGE | GIT, score=1), ("allow", "")),
        (facts(PLAIN_PAGE | PACKAGE_MANAGER, score=1), ("allow", "")),
        (facts(score=1, verified="bingbot", category="search"), ("allow", "category:search")),
        (facts(score=1, impostor="bingbot", cleared=3), ("block", "category:impostor")),
        (facts(score=50, claims="bingbot"), ("observe", "category:unverified")),
        (facts(score=1, cleared=1), ("allow", "")),
        (facts(PROBING, path="/.env", requests=(1, 10, 10)), ("allow", "")),
        (facts(PROBING, path="/.env", requests=(1, 11, 11)), ("rate", "probes")),
        (facts(PROBING | {"errors-60s": 3}, requests=(1, 11, 11)), ("allow", "")),
        (facts(PROBING | {"errors-60s": 0}, requests=(1, 11, 11)), ("allow", "")),
        (facts(PROBING, path="/.env"), ("allow", "")),
    ],
)  # fmt: skip
def test_defaults(request_: Facts, expected: tuple[str, str]) -> None:
    assert decided(ENFORCED, request_)[:2] == expected


def test_defaults_block_nobody_by_a_score() -> None:
    assert all(rule.action.do is not BotDo.BLOCK for rule in DEFAULT_RULES)
    assert [c for c, a in DEFAULT_CATEGORIES.items() if a.do is BotDo.BLOCK] == [
        BotCategory.IMPOSTOR
    ]


# --- Whom a challenge is shown --------------------------------------------------------------------

EVERYBODY = enforced(BotRule("all", "", CHALLENGE))


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (facts(), "page"),
        (facts(method="POST"), "page"),
        (facts({"accept": 2}), "page"),
        (facts({"fetch-mode": 1, "fetch-dest": 7}), "page"),
        (facts({}), "data"),
        (facts({"accept": 1}), "data"),
        (facts({"accept": 4}), "data"),
        (facts({"fetch-mode": 1, "fetch-dest": 5, "accept": 2}), "page"),
        (facts({"fetch-mode": 4, "fetch-dest": 5, "accept": 2}), "page"),
        (facts({"fetch-mode": 4, "fetch-dest": 5, "accept": 1}), "data"),
        (facts({"fetch-mode": 4, "fetch-dest": 8, "accept": 2}), "data"),
        (facts({"fetch-mode": 3, "fetch-dest": 5, "accept": 2}), "data"),
        (facts({"fetch-mode": 2, "fetch-dest": 2, "accept": 3}), "data"),
        (facts({"fetch-mode": 1, "fetch-dest": 2, "accept": 2}), "data"),
        (facts({"fetch-mode": 5}), "data"),
        (facts(method="HEAD"), "data"),
        (facts(method="PUT"), "data"),
        (facts(method="DELETE"), "data"),
        (facts(method="OPTIONS"), "preflight"),
        (facts(route_class="api"), "data"),
        (facts(route_class="feed"), "feed"),
        (facts(route_class="static"), "asset"),
        (facts(NAVIGATION | {"path-kind": 2}), "asset"),
        (facts(NAVIGATION | {"path-kind": 3}), "asset"),
        (facts(NAVIGATION | {"path-kind": 7}), "asset"),
        (facts(NAVIGATION | {"path-kind": 4}, path="/blog/feed"), "feed"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/feed.xml"), "feed"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/en/Index.XML"), "feed"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/feeds/all.atom.xml"), "feed"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/feed.json"), "feed"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/feed.xml/x"), "page"),
        (facts(TOOL | ELINKS), "page"),
        (facts(TOOL | ELINKS | {"path-kind": 5}, path="/data.json"), "data"),
        (facts(TOOL), "data"),
        (facts(TOOL | FEED_READER), "feed"),
        (facts(accept="text/html, Application/RSS+XML"), "feed"),
        (facts(accept="application/rdf+xml, text/html"), "feed"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/wp-sitemap.xml"), "sitemap"),
        (facts(NAVIGATION | {"path-kind": 1}, path="/blog/sitemap-2.xml.gz"), "sitemap"),
        (facts(NAVIGATION | {"path-kind": 1}, path="/sitemap"), "page"),
        (facts(NAVIGATION | {"path-kind": 5}, path="/data.json"), "page"),
        (facts({"accept": 2, "path-kind": 5}, path="/api/x"), "data"),
        (facts(TOOL, accept="application/atom+xml, */*;q=0.1"), "feed"),
        (facts(accept="text/html,application/rss+xml"), "feed"),
        (facts(NAVIGATION | {"path-kind": 9}, path="/sitemap.xml"), "sitemap"),
        (facts(TOOL, path="/repo.git/info/refs"), "git"),
        (facts(TOOL, path="/repo.git/git-upload-pack", method="POST"), "git"),
        (facts(TOOL | GIT), "git"),
        (facts(TOOL | PACKAGE_MANAGER, path="/simple/"), "package"),
        (facts(TOOL, path="/example.com/mod/@v/list"), "package"),
        (facts(TOOL, path="/example.com/mod/@latest"), "package"),
        (facts(TOOL, path="/v2/library/app/manifests/1.2"), "package"),
        (facts(TOOL, path="/v2/library/app/blobs/sha256:00"), "package"),
        (facts(TOOL, path="/v2/library/app/tags/list"), "package"),
        (facts(NAVIGATION | {"path-kind": 1}, path="/plan.pdf"), "page"),
        (facts(TOOL, path="/files/app-1.2.tar.GZ"), "download"),
        (facts(TOOL, path="/app.webmanifest"), "download"),
        (facts(TOOL, path="/app.zip/list"), "data"),
        (facts(NAVIGATION | {"path-kind": 1}, path="/v2/"), "page"),
        (facts(NAVIGATION | {"path-kind": 1}, path="/@latest"), "page"),
        (facts(NAVIGATION | {"path-kind": 1}, path="/v1/app/manifests/1"), "page"),
        (facts(path="/.well-known/security.txt"), "well-known"),
        (facts(path="/.well-known/openid-configuration"), "well-known"),
    ],
)
def test_a_challenge_is_a_page_for_navigations_and_typed_json_for_all_others(
    request_: Facts, kind: str
) -> None:
    assert request_.kind == kind
    action, _, detail = decided(EVERYBODY, request_)
    assert (action, detail.page) == ("challenge", kind == "page")
    if kind == "page":
        return
    table = LUA.table(request_, route_class=request_.route_class)
    status, headers, body = LUA.module.response(action, detail, table)
    assert status == 403
    assert headers["content-type"] == "application/json"
    assert headers["retry-after"] == "600"
    assert headers["cache-control"] == "no-store"
    expected = (
        '{"error":"challenge-required","request_id":"3f9c0d1e-0000-4000-8000-000000000001"}\n'
    )
    assert body == expected


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/robots.txt", "exempt:robots"),
        ("/robots.txt?x=1", "exempt:robots"),
        ("/.well-known/acme-challenge/token", "exempt:acme"),
        ("/.well-known/seawall/challenge/solve", "exempt:seawall"),
    ],
)
def test_some_paths_are_never_turned_away(path: str, why: str) -> None:
    policy = enforced(BotRule("all", "", BLOCK), categories=((BotCategory.IMPOSTOR, BLOCK),))
    request = facts(path=path.partition("?")[0], impostor="googlebot", requests=(9999, 9999, 9999))
    action, rule, detail = LUA.decide(compiled(policy), request, path=path)
    assert (action, rule, detail) == ("allow", why, None)
    assert decide(policy, request) == Decision(BotDo.ALLOW, why)


def test_probes_of_the_node_itself_are_never_turned_away() -> None:
    policy = enforced(BotRule("all", "", BLOCK))
    assert decided(policy, facts(private=True, score=1))[:2] == ("allow", "exempt:private")
    assert decided(policy, facts(score=1))[:2] == ("block", "all")


@pytest.mark.parametrize(
    "path",
    ["/robots.txt/", "/ROBOTS.TXT", "/.well-known/acme-challenge", "/x/.well-known/seawall/",
     "/.well-known/", "//robots.txt"],
)  # fmt: skip
def test_what_only_looks_like_such_a_path_is_not_exempt(path: str) -> None:
    assert decided(enforced(BotRule("all", "", BLOCK)), facts(path=path))[0] == "block"


# --- Rules ----------------------------------------------------------------------------------------


def test_the_first_rule_that_holds_and_decides_wins() -> None:
    policy = enforced(
        BotRule("seen", "score <= 50", BotAction(BotDo.OBSERVE)),
        BotRule("seen-too", 'path == "/"', BotAction(BotDo.OBSERVE)),
        BotRule("few", "score <= 5", BotAction(BotDo.RATE, requests=5, per_s=10)),
        BotRule("low", "score <= 10", BLOCK),
        BotRule("never", "score <= 10", BotAction(BotDo.ALLOW)),
    )
    assert decided(policy, facts(score=60))[:2] == ("observe", "seen-too")
    assert decided(policy, facts(score=20, path="/a"))[:2] == ("observe", "seen")
    assert decided(policy, facts(score=5, requests=(5, 5, 5)))[:2] == ("block", "seen+seen-too+low")
    over = decided(policy, facts(score=5, path="/a", requests=(6, 6, 6)))
    assert over[:2] == ("rate", "seen+few")
    assert over[2].retry_after_s == 10


def test_no_more_rules_are_noted_than_a_record_should_hold() -> None:
    seen = (BotRule(f"r{n}", "", BotAction(BotDo.OBSERVE)) for n in range(10))
    rule = decided(enforced(*seen, BotRule("last", "", BLOCK)), facts())[1]
    assert rule.count("+") == limits.BOT_NOTED_MAX


def test_a_cleared_client_passes_challenges_of_its_level_and_a_verified_bot_all() -> None:
    policy = enforced(
        BotRule("two", 'path == "/two"', BotAction(BotDo.CHALLENGE, level=2)),
        BotRule("site", "", CHALLENGE),
        challenge=BotChallenge(level=3),
    )
    assert decided(policy, facts(path="/two", cleared=1))[2].level == 2
    assert decided(policy, facts(path="/two", cleared=2))[2].level == 3
    assert decided(policy, facts(path="/two", cleared=3))[:2] == ("allow", "")
    verified = facts(path="/two", verified="bingbot", category="search", score=1)
    assert decided(policy, verified)[:2] == ("allow", "category:search")


def test_a_verified_bot_has_no_score() -> None:
    policy = enforced(
        BotRule("low", "score <= 99", BLOCK), BotRule("none", "score is absent", BLOCK)
    )
    bot = facts(verified="bingbot", category="search", score=5)
    assert decided(policy, bot)[:2] == ("block", "none")
    assert decided(policy, facts(score=5))[:2] == ("block", "low")


@pytest.mark.parametrize("score", [None, False, 0, -1, 100, float("nan"), float("inf"), "50", {}])
def test_a_score_that_is_none_is_absent_and_never_low(score: object) -> None:
    policy = enforced(
        BotRule("low", "score <= 50 or score != 50 or score >= 1", BLOCK),
        BotRule("absent", "not has_score", BotAction(BotDo.ALLOW)),
    )
    table = {} if score is None else {"score": score}
    assert LUA.decide(compiled(policy), facts(), **table)[:2] == ("allow", "absent")


def test_counts_and_codes_that_are_absent_compare_with_nothing() -> None:
    rules = [
        "requests_10s < 5", "requests_60s != 5", "tls_ciphers < 10", "tls_version != 2",
        "requests_10m >= 0", "tls_ciphers not in [5] and tls_ciphers in [1]",
    ]  # fmt: skip
    policy = enforced(*(BotRule(f"r{n}", when, BLOCK) for n, when in enumerate(rules)))
    assert decided(policy, facts())[0] == "allow"


# --- Categories -----------------------------------------------------------------------------------

NO_TRAINING = enforced(
    categories=(
        (BotCategory.AI_TRAINING, BLOCK),
        (BotCategory.AI_USER, BotAction(BotDo.PAYMENT)),
        (BotCategory.SEO, BotAction(BotDo.RATE, requests=10, per_s=600)),
        (BotCategory.MONITOR, BotAction(BotDo.OBSERVE)),
    )
)


@pytest.mark.parametrize(
    ("state", "category", "expected"),
    [
        ("verified", "ai-training", ("block", "category:ai-training")),
        ("claims", "ai-training", ("block", "category:ai-training")),
        ("impostor", "ai-training", ("block", "category:impostor")),
        ("verified", "ai-user", ("payment", "category:ai-user")),
        ("claims", "ai-user", ("payment", "category:ai-user")),
        ("verified", "seo", ("rate", "category:seo")),
        ("claims", "seo", ("rate", "category:seo")),
        ("verified", "monitor", ("observe", "category:monitor")),
        ("verified", "search", ("allow", "category:search")),
        ("claims", "search", ("observe", "category:unverified")),
        ("verified", "", ("allow", "category:other")),
        ("verified", "no-such", ("allow", "category:other")),
    ],
)
def test_naming_a_bot_is_enough_to_be_refused_and_not_to_be_let_in(
    state: str, category: str, expected: tuple[str, str]
) -> None:
    request = facts(**{state: "some-bot"}, category=category, requests=(11, 11, 11))
    assert decided(NO_TRAINING, request)[:2] == expected


def test_a_rule_stands_before_the_categories() -> None:
    policy = enforced(
        BotRule("ours", 'verified == "gptbot"', BotAction(BotDo.ALLOW)),
        categories=((BotCategory.AI_TRAINING, BLOCK),),
    )
    assert decided(policy, facts(verified="gptbot", category="ai-training"))[:2] == (
        "allow",
        "ours",
    )
    other = facts(verified="ccbot", category="ai-training")
    assert decided(policy, other)[:2] == ("block", "category:ai-training")


# --- What the filter asks beforehand --------------------------------------------------------------


def test_a_score_is_asked_for_only_where_it_can_decide() -> None:
    by_path = enforced(BotRule("a", 'path == "/"', BLOCK))
    assert not compiled(by_path).needs_score
    assert not compiled(BotPolicy(BotMode.OFF, DEFAULT_RULES)).needs_score
    low = compiled(enforced(BotRule("low", "score <= 2", BotAction(BotDo.CHALLENGE, level=2))))
    assert low.needs_score

    def wants(policy: Any, request: Facts) -> bool:
        return bool(policy.wants_score(policy, LUA.table(request)))

    assert wants(low, facts())
    assert wants(low, facts(cleared=1))
    assert not wants(low, facts(cleared=2))
    assert not wants(low, facts(verified="bingbot"))
    assert not wants(low, facts(NAVIGATION | {"path-kind": 3}))
    blocked = compiled(enforced(BotRule("low", "score <= 2", BLOCK)))
    assert wants(blocked, facts(cleared=3))
    observing = compiled(OBSERVING)
    assert wants(observing, facts(cleared=3))
    assert not wants(observing, facts({"path-kind": 2}))
    scoring = compiled(BotPolicy(scores_static=True))
    assert wants(scoring, facts({"path-kind": 2}))
    assert not wants(compiled(OBSERVING, "static"), facts())


def test_what_is_costly_is_asked_once_and_only_when_needed() -> None:
    asked: list[str] = []

    def score(_table: Any) -> int:
        asked.append("score")
        return 1

    in_lua = LUA.runtime.eval("function(f) return function(s) return f(s) end end")
    lazy = in_lua(score)
    rules = (
        BotRule("path", 'path == "/a"', BLOCK),
        BotRule("low", "score < 1", BLOCK),
        BotRule("lower", "score == 1", BLOCK),
    )
    policy = compiled(enforced(*rules))
    assert LUA.decide(policy, facts(path="/a"), score=lazy)[1] == "path"
    assert asked == []
    assert LUA.decide(policy, facts(), score=lazy)[1] == "lower"
    assert asked == ["score"]


def test_the_settings_of_a_challenge_are_told() -> None:
    policy = compiled(
        BotPolicy(
            challenge=BotChallenge(2, passes_unavailable=False, clearance_s=60.0, ipv4_bits=20)
        )
    )
    assert dict(policy.challenge) == {
        "level": 2, "unavailable": "refuse", "clearance_s": 60, "ipv4": 20, "ipv6": 48,
    }  # fmt: skip


# --- Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "error"),
    [("block", 403, "blocked"), ("rate", 429, "rate-limited"), ("payment", 402, "payment-required"),
     ("nonsense", 403, "blocked")],
)  # fmt: skip
def test_answers_are_typed_for_programs_and_plain_for_people(
    action: str, status: int, error: str
) -> None:
    detail = LUA.runtime.table_from({"retry_after_s": 60, "page": False, "level": 0})
    program = LUA.table(facts({}), route_class="page")
    found, headers, body = LUA.module.response(action, detail, program)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert f'"error":"{error}"' in body
    assert (headers["retry-after"] == "60") == (action == "rate")
    person = LUA.table(facts(), route_class="page")
    found, headers, body = LUA.module.response(action, detail, person)
    assert (found, headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert "Reference: 3f9c0d1e-" in body


def test_a_request_id_cannot_leave_its_quotes() -> None:
    table = LUA.table(facts({}), request_id='x","a":"<b>\r\n' + "y" * 500)
    _, _, body = LUA.module.response("block", None, table)
    assert body.startswith('{"error":"blocked","request_id":"xa:by')
    assert len(body) < 150


# --- Reading a policy -----------------------------------------------------------------------------

TEXT = policy_text(
    enforced(BotRule("low", "score <= 2", CHALLENGE), BotRule("p", 'path == "/"', BLOCK)),
    SiteName("shop"),
    RouteClass.PAGE,
)


@pytest.mark.parametrize(
    "text",
    [
        None, 5, "", "x", "seawall-bot-policy 1\n", "seawall-bot-policy 2" + TEXT[20:],
        TEXT[:-1], TEXT[: len(TEXT) // 2], TEXT + "mode off\n", TEXT + TEXT,
        TEXT.replace("mode enforce\n", ""), TEXT.replace("mode enforce", "mode whatever"),
        TEXT.replace("challenge 1 0 0", "challenge 9 0 0"), TEXT.replace("block", "explode"),
        TEXT.replace("le(S(s),2)", "le(S(s),2"), TEXT.replace("le(S(s),2)", ") end end os.exit()"),
        TEXT.replace("category search", "category seo", 1), "\x1bLJ\x02" + TEXT,
    ],
)  # fmt: skip
def test_a_text_that_is_not_a_whole_policy_is_refused_with_a_reason(text: object) -> None:
    policy, reason = LUA.compile(text)
    assert policy is None
    assert reason


@pytest.mark.parametrize("code", ["os.exit(1)", 'require("os")', "_G", "io.open('/etc/passwd')"])
def test_a_condition_reaches_nothing_but_its_helpers(code: str) -> None:
    lines = TEXT.replace("le(S(s),2)", code)
    policy, _ = LUA.compile(lines)
    if policy is None:
        return
    if code == "_G":
        assert LUA.decide(policy, facts(score=1))[1] == "p"
        return
    with pytest.raises(Exception, match="attempt to"):
        LUA.decide(policy, facts(score=1))


def test_every_cut_of_a_policy_is_refused() -> None:
    for length in range(len(TEXT)):
        assert LUA.compile(TEXT[:length])[0] is None, length


def test_a_policy_that_lost_a_line_or_has_one_twice_is_refused() -> None:
    lines = TEXT.splitlines(keepends=True)
    for index in range(len(lines)):
        assert LUA.compile("".join(lines[:index] + lines[index + 1 :]))[0] is None
        assert LUA.compile("".join(lines[: index + 1] + lines[index:]))[0] is None


def test_the_largest_policy_compiles_and_decides() -> None:
    numbers, text = "1000000000," * 40, "^" * 180
    for when in (
        f"score in[{'9,' * 280}]",
        f"requests_10s in[{numbers}]or requests_60s in[{numbers}]or score==9",
        " or ".join([f'path=="{text}"'] * 5),
        " or ".join(["not(not(not(not(not(not(not has_score))))))"] * 20 + ["score==9"]),
    ):
        rules = [BotRule(f"{'r' * 60}{n:03d}", when, BLOCK) for n in range(limits.BOT_RULES_MAX)]
        policy = enforced(*rules)
        assert len(policy_text(policy, SiteName("s" * 63), RouteClass.STATIC)) < (
            limits.BOT_POLICY_TEXT_SIZE_BYTES_MAX
        )
        assert decided(policy, facts(score=9, path=text))[0] == "block"


def test_a_faulty_condition_is_a_defect_and_never_compiled() -> None:
    with pytest.raises(InternalError, match="faulty condition"):
        policy_text(enforced(BotRule("x", "scor < 2", BLOCK)), SiteName("shop"), RouteClass.PAGE)


LONG_CHARS = 60_000
SLOW_S = 1.0
"""A walk over such a path takes 1 ms; anew from each letter takes minutes."""


@pytest.mark.parametrize("folder", ["a", ".", "%", "a."])
@pytest.mark.parametrize("name", ["/x.xml", "/feed.xml", ".xml", "/a.b/"])
def test_no_long_path_holds_up_a_worker(folder: str, name: str) -> None:
    path = "/" + folder * (LONG_CHARS // len(folder)) + name
    asked = LUA.table(facts(path=path))
    begun = time.thread_time()
    kind = LUA.module.kind(asked, "page")
    assert time.thread_time() - begun < SLOW_S
    assert kind == ("feed" if name == "/feed.xml" else "page")
