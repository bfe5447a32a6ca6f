"""The policy that a release gives to a route, read back from what the compiler made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import build
from seawall.bots.policy import DEFAULT_RULES, policy_text
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.ids import SiteName
from seawall.model import (
    BotAction,
    BotCategory,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    PathPrefix,
    RouteClass,
    Site,
)
from seawall.telemetry.bot_policy import policies_in, policy_of, read_policy
from seawall.telemetry.bot_story import KnownPolicy

RULES = (
    BotRule("slow", "score <= 10", BotAction(BotDo.CHALLENGE)),
    BotRule("probes", "path_kind == 10", BotAction(BotDo.RATE, requests=10, per_s=60)),
)
CATEGORIES = ((BotCategory.AI_TRAINING, BotAction(BotDo.PAYMENT)),)


def _site(policy: BotPolicy) -> Site:
    return build.site(
        "shop",
        build.route("shop/api", PathPrefix("/api"), route_class=RouteClass.API),
        build.route("shop/quiet", PathPrefix("/quiet"), bots=False),
        build.route("shop/all"),
        bots=policy,
    )


def _policy(policy: BotPolicy, route: str, *others: Site) -> KnownPolicy | None:
    snapshot = compile_edge(build.edge(_site(policy), *others))
    return policy_of(snapshot, route, tls=False)


@pytest.mark.parametrize("route", ["shop/all", "shop/api"])
@pytest.mark.parametrize("mode", [BotMode.OBSERVE, BotMode.ENFORCE])
def test_what_a_site_writes_is_read_back_for_each_class_of_route(route: str, mode: BotMode) -> None:
    found = _policy(BotPolicy(mode=mode, rules=RULES, categories=CATEGORIES), route)
    assert found is not None
    assert (found.watched, found.enforced) == (True, mode is BotMode.ENFORCE)
    assert found.action_of("slow") is BotDo.CHALLENGE
    assert found.action_of("probes") is BotDo.RATE
    assert found.action_of("category:ai-training") is BotDo.PAYMENT
    assert found.action_of("category:impostor") is BotDo.BLOCK
    assert found.action_of("other") is None


def test_every_route_is_read_back_and_whether_it_asks_for_scores() -> None:
    rated = BotPolicy(BotMode.ENFORCE, RULES[1:])
    whole = compile_edge(build.edge(_site(rated), build.site("other", build.route("other/all"))))
    found = policies_in(whole, tls=False)
    asked = {name: found[name].scores for name in ("shop/api", "shop/all", "other/all")}
    assert asked == {"shop/api": False, "shop/all": False, "other/all": True}
    assert not found["shop/quiet"].watched
    both = _policy(BotPolicy(BotMode.ENFORCE, RULES), "shop/all")
    assert both is not None
    assert both.scores


def test_a_site_that_says_nothing_observes() -> None:
    assert _policy(BotPolicy(), "shop/all") == KnownPolicy(watched=True)


def test_a_route_or_site_without_bots_is_not_watched() -> None:
    assert _policy(BotPolicy(), "shop/quiet") == KnownPolicy(watched=False)
    watched = build.site("other")
    assert _policy(BotPolicy(mode=BotMode.OFF), "shop/all", watched) == KnownPolicy(watched=False)
    assert _policy(BotPolicy(mode=BotMode.OFF), "shop/all") == KnownPolicy(watched=False)


def test_what_is_not_there_is_unknown() -> None:
    assert _policy(BotPolicy(), "shop/gone") is None
    assert _policy(BotPolicy(), "_unknown_host/gone") is None
    assert policy_of(Snapshot(()), "shop/all", tls=False) is None
    torn = Snapshot.of([Resource(TypeUrl.ROUTES, "https", b"\xff\xff", "edge")])
    assert policy_of(torn, "shop/all", tls=True) is None


@given(st.text() | st.lists(st.text(max_size=20)).map("\n".join))
def test_no_text_breaks_it(text: str) -> None:
    assert read_policy(text).watched
    assert read_policy(f"seawall-bot-policy 1\n{text}").watched


def test_the_default_rules_are_read_back() -> None:
    text = policy_text(BotPolicy(rules=DEFAULT_RULES), SiteName("shop"), RouteClass.PAGE)
    found = dict(read_policy(text).actions)
    assert {rule.name: rule.action.do for rule in DEFAULT_RULES}.items() <= found.items()
