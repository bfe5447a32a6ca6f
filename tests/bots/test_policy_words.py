"""`seawall diff` says in words what a change does with bots."""

from dataclasses import replace

from compiler.build import edge, route, site
from seawall.bots.policy import DEFAULT_RULES
from seawall.compiler.compile import compile_edge
from seawall.compiler.diff import diff
from seawall.model import (
    BotAction,
    BotCategory,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    PathPrefix,
    RouteClass,
)

ENFORCED = BotPolicy(BotMode.ENFORCE, DEFAULT_RULES)
BLOCK = BotAction(BotDo.BLOCK)


def changes(old: BotPolicy, new: BotPolicy) -> list[str]:
    before, after = (
        compile_edge(edge(replace(site("shop"), bots=policy), site("blog")))
        for policy in (old, new)
    )
    return [change.text for change in diff(before, after)]


def told(old: BotPolicy, new: BotPolicy) -> list[str]:
    """Of the site itself; that the bot service is asked for now is told of other subjects."""
    own = "site shop: "
    return [text.removeprefix(own) for text in changes(old, new) if text.startswith(own)]


def test_nothing_changed() -> None:
    assert changes(ENFORCED, ENFORCED) == []


def test_the_defaults_are_shown_when_they_begin_to_hold() -> None:
    assert told(BotPolicy(), ENFORCED) == [
        "bots observe -> enforce",
        "bots: rule probes added, rate 10 in 60 s",
        "bots: rule automated added, challenge at level 1",
    ]


def test_a_mode_alone() -> None:
    off, observing = (replace(ENFORCED, mode=m) for m in (BotMode.OFF, BotMode.OBSERVE))
    assert told(ENFORCED, observing) == ["bots enforce -> observe"]
    assert told(ENFORCED, off) == ["bots enforce -> off"]
    assert told(off, observing) == ["bots off -> observe"]


def test_rules_categories_and_settings() -> None:
    rules = (
        BotRule("automated", "score <= 5", BotAction(BotDo.CHALLENGE, level=3)),
        BotRule("probes", DEFAULT_RULES[0].when, DEFAULT_RULES[0].action),
        BotRule("new", "", BotAction(BotDo.OBSERVE)),
    )
    new = replace(
        ENFORCED,
        rules=rules,
        categories=((BotCategory.SEO, BLOCK),),
        challenge=BotChallenge(passes_unavailable=False, clearance_s=60, ipv4_bits=32),
        scores_static=True,
    )
    assert told(ENFORCED, new) == [
        "bots: what a page loads is scored: no -> yes",
        "bots: while the bot service is down pass -> refuse",
        "bots: a clearance lasts 21600 s -> 60 s",
        "bots: a clearance is valid within /24, /48 -> /32, /48",
        "bots: category seo allow -> block",
        "bots: rule automated challenge at level 1 -> challenge at level 3",
        "bots: condition of rule automated changed",
        "bots: rule new added, observe",
        "bots: order of the rules changed",
    ]
    assert told(new, replace(new, rules=rules[:2])) == ["bots: rule new removed"]


def test_a_robots_txt_and_its_text() -> None:
    with_one = replace(ENFORCED, robots_txt="User-agent: *\n")
    assert changes(ENFORCED, with_one) == ["route =/robots.txt of shop: added, answer 200"]
    other = replace(with_one, robots_txt="User-agent: *\nDisallow: /\n")
    assert changes(with_one, other) == ["route =/robots.txt of shop: body of the answer changed"]


def test_a_route_that_is_left_alone() -> None:
    watched = route("shop/a", PathPrefix("/a"))
    before, after = (
        compile_edge(edge(replace(site("shop", one), bots=ENFORCED)))
        for one in (watched, replace(watched, bots=False))
    )
    assert [c.text for c in diff(before, after)] == ["route /a of shop: bots as the site -> off"]


def test_the_class_of_a_route_is_told_once() -> None:
    page = route("shop/a", PathPrefix("/a"))
    before, after = (
        compile_edge(edge(replace(site("shop", one), bots=ENFORCED)))
        for one in (page, replace(page, route_class=RouteClass.API))
    )
    assert [c.text for c in diff(before, after)] == ["route /a of shop: class page -> api"]
