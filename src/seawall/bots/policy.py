"""The bot policy of a site: its defaults, its text for Envoy, and the same decision in Python.

`policy_text` writes what `bots/lua/policy.lua` reads. `decide` is the twin of its `decide`, for
`seawall why` and for tests that hold the two together. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from seawall import limits
from seawall.bots.expression import Expression
from seawall.bots.expression_names import NAMES, Facts
from seawall.bots.expression_parse import Fault, parse
from seawall.bots.expression_reach import told_apart
from seawall.bots.kinds import EXEMPT_PRIVATE, asks_leave, exempt
from seawall.errors import InternalError, invariant
from seawall.ids import SiteName
from seawall.model import (
    BOT_WINDOWS_S,
    BotAction,
    BotCategory,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    RouteClass,
)

HEADER: Final = "seawall-bot-policy 1"
_EXPRESSIONS_REMEMBERED_MAX: Final = 4_096
_POLICIES_REMEMBERED_MAX: Final = 64
_OVER_ALL_LEVELS: Final = 4
_CATEGORY: Final = "category:"
_REFUSING: Final = (BotDo.BLOCK, BotDo.RATE, BotDo.PAYMENT)

DEFAULT_RULES: Final = (
    BotRule(
        "probes",
        "path_kind == 10 and errors_60s >= 4",
        BotAction(BotDo.RATE, requests=10, per_s=60),
    ),
    BotRule(
        "automated",
        "(score <= 2 and (requests_10m > 3 or family_agreement == 1 or agent_family not in "
        '["chromium", "firefox", "safari", "other-browser"]) or page_probe == 1) '
        'and route_class == "page" and path_kind == 1 and (kind == "page" and (method == "GET" '
        'or agent_family in ["chromium", "firefox", "safari", "headless", "other-browser", '
        '"text-browser"]) or kind == "data" '
        'and method in ["GET", "HEAD"] and (accept == 1 or accept is absent) '
        'and agent_family not in ["other-browser"] and not connection == 3) '
        'and not claims and agent_family not in ["monitor", "preview", "mobile-app", '
        '"media-player"] and not path.endswith(".ics") and not path.endswith(".txt")',
        BotAction(BotDo.CHALLENGE),
    ),
)
"""What a site in mode `enforce` does that writes no `rules`: nobody is blocked by a score alone.

The paths that scanners ask for are, on some sites, where their editors work all day: who is
answered there is no scanner. What a browser asks before it has loaded the parts of a page shows
little of it, least where a proxy ended TLS: without a contradiction the first three requests of a
client are not judged by their score. And a challenge refuses every program: those by which a site
lives (webhooks, checks of a load balancer, cards for shared links, apps, calendars) are not meant.
Nobody can pass one on a WebSocket, which a browser opens again and again with little to be told by.
"""

DEFAULT_CATEGORIES: Final = {
    **dict.fromkeys(BotCategory, BotAction(BotDo.ALLOW)),
    BotCategory.IMPOSTOR: BotAction(BotDo.BLOCK),
    BotCategory.UNVERIFIED: BotAction(BotDo.OBSERVE),
}
"""What holds for a category of which the site says nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a request.

    Attributes:
        rule: what the record names: rules that were noted and the one that decided, joined by `+`;
            empty when none held.
        level: of a challenge.
        would: in mode `observe`, what the policy would have done.
    """

    do: BotDo
    rule: str = ""
    level: int = 0
    would: BotDo | None = None


def policy_text(policy: BotPolicy, site: SiteName, route_class: RouteClass) -> str:
    """`policy` for the routes of one class of `site`, as `policy.lua` reads it.

    Raises:
        InternalError: a condition is faulty, which the site builder refuses before.
    """
    challenge = policy.challenge
    unavailable = "pass" if challenge.passes_unavailable else "refuse"
    times = f"{round(challenge.clearance_s)} {challenge.ipv4_bits} {challenge.ipv6_bits}"
    lines = [
        HEADER,
        f"site {site}",
        f"class {route_class.value}",
        f"mode {policy.mode.value}",
        f"static {'score' if policy.scores_static else 'skip'}",
        f"challenge {challenge.level} {unavailable} {times}",
    ]
    lines += [
        f"category {category.value} {_action(action, policy)}"
        for category, action in _categories(policy).items()
    ]
    lines += [_rule(rule, policy) for rule in policy.rules]
    text = "\n".join([*lines, f"end {len(lines) + 1}", ""])
    invariant(len(text) <= limits.BOT_POLICY_TEXT_SIZE_BYTES_MAX, "a bot policy fits its text")
    return text


def challenge_seconds(text: str) -> int:
    """How long a clearance is good, out of what `policy_text` wrote; 0 when it says nothing."""
    words = next((line.split() for line in text.splitlines() if line.startswith("challenge ")), [])
    return int(words[3]) if len(words) > 3 and words[3].isdecimal() else 0  # noqa: PLR2004 - fourth


def decide(policy: BotPolicy, facts: Facts) -> Decision:
    """What `policy` does with a request; the same as in Envoy."""
    if policy.mode is BotMode.OFF:
        return Decision(BotDo.OBSERVE)
    enforced = policy.mode is BotMode.ENFORCE
    if why := EXEMPT_PRIVATE if facts.private else exempt(facts.path):
        return Decision(BotDo.ALLOW if enforced else BotDo.OBSERVE, why)
    noted: list[str] = []
    for name, action in _holding(policy, facts):
        if _decides(action, policy, facts):
            return _finished(name, action, policy, noted)
        if action.do is BotDo.OBSERVE and len(noted) < limits.BOT_NOTED_MAX:
            noted.append(name)
    if noted or not enforced:
        return Decision(BotDo.OBSERVE, "+".join(noted))
    return Decision(BotDo.ALLOW)


def wants_score(policy: BotPolicy, facts: Facts) -> bool:
    """Whether Envoy asks for the score of a request; the same as there."""
    if policy.mode is BotMode.OFF or facts.verified:
        return False
    loaded = facts.route_class == RouteClass.STATIC or facts.kind == "asset"
    if loaded and not policy.scores_static:
        return False
    return policy.mode is BotMode.OBSERVE or facts.cleared < _scored_level(policy)


@lru_cache(maxsize=_POLICIES_REMEMBERED_MAX)
def scores_apart(policy: BotPolicy) -> tuple[int, ...]:
    """Scores, one for all that the rules cannot tell apart; none where no rule looks at them.

    The lowest and the highest come first. Of very many a part, evenly.
    """
    conditions = [_expression(rule.when) for rule in policy.rules if _is_scored(rule)]
    if not conditions:
        return ()
    found = told_apart(conditions, NAMES["score"])
    most = limits.REHEARSAL_SCORES_MAX
    if len(found) > most:
        found = tuple(found[place * (len(found) - 1) // (most - 1)] for place in range(most))
    return (*found[:1], *found[:0:-1])


@lru_cache(maxsize=_POLICIES_REMEMBERED_MAX)
def _scored_level(policy: BotPolicy) -> int:
    """Up to which clearance a score still decides something; over the highest where for all."""
    levels = (
        _level(rule.action, policy) if rule.action.do is BotDo.CHALLENGE else _OVER_ALL_LEVELS
        for rule in policy.rules
        if _is_scored(rule)
    )
    return max(levels, default=0)


def _is_scored(rule: BotRule) -> bool:
    return not _expression(rule.when).names().isdisjoint({"score", "has_score"})


def _holding(policy: BotPolicy, facts: Facts) -> Iterator[tuple[str, BotAction]]:
    """Rules whose condition holds, and then what holds for the category."""
    for rule in policy.rules:
        if _expression(rule.when).holds(facts):
            yield rule.name, rule.action
    found = _category_of(policy, facts)
    if found is not None:
        yield _CATEGORY + found[0], found[1]


def _finished(name: str, action: BotAction, policy: BotPolicy, noted: list[str]) -> Decision:
    rule = "+".join([*noted, name])
    if policy.mode is not BotMode.ENFORCE:
        return Decision(BotDo.OBSERVE, rule, would=action.do)
    level = _level(action, policy) if action.do is BotDo.CHALLENGE else 0
    return Decision(action.do, rule, level)


def _decides(action: BotAction, policy: BotPolicy, facts: Facts) -> bool:
    match action.do:
        case BotDo.CHALLENGE:
            proven = facts.verified or facts.cleared >= _level(action, policy)
            return not proven and not asks_leave(facts.method, facts.codes)
        case BotDo.RATE:
            count = facts.requests[BOT_WINDOWS_S.index(action.per_s)]
            return count is not None and count > action.requests
        case BotDo.OBSERVE:
            return False
        case _:
            return True


def _category_of(policy: BotPolicy, facts: Facts) -> tuple[BotCategory, BotAction] | None:
    """To be refused it is enough to name a bot; to be let in as one takes a proof."""
    if not (facts.impostor or facts.verified or facts.claims):
        return None
    categories = _categories(policy)
    if facts.impostor:
        return BotCategory.IMPOSTOR, categories[BotCategory.IMPOSTOR]
    known = facts.category in set(BotCategory)
    own = BotCategory(facts.category) if known else BotCategory.OTHER
    if facts.verified:
        return own, categories[own]
    if known and categories[own].do in _REFUSING:
        return own, categories[own]
    return BotCategory.UNVERIFIED, categories[BotCategory.UNVERIFIED]


def _categories(policy: BotPolicy) -> dict[BotCategory, BotAction]:
    return {**DEFAULT_CATEGORIES, **dict(policy.categories)}


def _level(action: BotAction, policy: BotPolicy) -> int:
    return action.level or policy.challenge.level


def _rule(rule: BotRule, policy: BotPolicy) -> str:
    flags = "s" if _is_scored(rule) else "-"
    condition = _expression(rule.when).lua()
    return f"rule {rule.name} {_action(rule.action, policy)} {flags} {condition}"


def _action(action: BotAction, policy: BotPolicy) -> str:
    level = _level(action, policy) if action.do is BotDo.CHALLENGE else 0
    return f"{action.do.value} {level} {action.requests} {action.per_s}"


@lru_cache(maxsize=_EXPRESSIONS_REMEMBERED_MAX)
def _expression(when: str) -> Expression:
    parsed = parse(when)
    if isinstance(parsed, Fault):
        raise InternalError(
            "bot-rule-faulty", f"Internal error: a faulty condition came this far: {parsed.what}"
        )
    return parsed
