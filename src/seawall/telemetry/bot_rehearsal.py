"""Whom the bot rules of a release would meet: its policies, tried on requests that were recorded.

Policies are decided by the twin of the decision in Envoy, on what the records of real requests
hold. A record does not hold everything: of many requests of a client only about how many, and not
every header. Where the answer hangs on what it does not hold, the request is counted as unsure, and
not guessed. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Final

from seawall import limits
from seawall.bots.expression_names import WINDOW_NAMES, Facts
from seawall.bots.policy import Decision, decide
from seawall.ids import SiteName
from seawall.model import OBSERVING, BotDo, BotMode, BotPolicy, RouteClass, Site
from seawall.telemetry.bot_facts import ACCEPT_FEED, REQUESTS
from seawall.telemetry.bot_words import bucket_least
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.rehearsal import Rehearsal, RehearsalState, RuleTurns
from seawall.verify.catalogue import catalogue

_TURNS_AWAY: Final = frozenset({BotDo.BLOCK, BotDo.PAYMENT, BotDo.CHALLENGE, BotDo.RATE})
_TIME_CHARS_MAX: Final = 30
_MAY_ASK_FOR_FEED: Final = frozenset({4, 6})
"""Sorts of `accept`, JSON and other. Who asks for a page, an image or a style is taken to ask for
no feed beside it: readers of feeds that do are known by their names."""


@dataclass(frozen=True, slots=True)
class SiteRules:
    """How a site treats bots.

    Attributes:
        classes: of the routes on which anybody is looked at, by `SITE/ROUTE`.
    """

    policy: BotPolicy
    classes: Mapping[str, RouteClass]


def rules_of(sites: Iterable[Site]) -> dict[SiteName, SiteRules]:
    """The rules of each site on which anybody is looked at."""
    return {
        site.name: SiteRules(
            site.bots, {route.id: route.route_class for route in site.routes if route.bots}
        )
        for site in sites
        if site.bots.mode is not BotMode.OFF
    }


@dataclass
class _Rule:
    requests: int = 0
    new_requests: int = 0
    clients: set[str] = field(default_factory=set)
    new_clients: set[str] = field(default_factory=set)
    example: str = ""


@dataclass
class _Count:
    """What is added up for one site; bounded by what is read."""

    requests: int = 0
    unsure: int = 0
    freed: int = 0
    since: str = ""
    clients: set[str] = field(default_factory=set)
    new_clients: set[str] = field(default_factory=set)
    new_requests: int = 0
    rules: dict[tuple[str, BotDo], _Rule] = field(default_factory=dict)

    def add(self, record: AccessRecord, client: str, turn: "_Turn") -> None:
        """A request of which it is sure what becomes of it."""
        self.requests += 1
        self.clients.add(client)
        time = record.time[:_TIME_CHARS_MAX]
        self.since = min(self.since or time, time)
        self.freed += turn.was_away and not turn.away
        if not turn.away:
            return
        rule = self.rules.setdefault((turn.rule, turn.do), _Rule())
        rule.requests += 1
        rule.clients.add(client)
        if turn.was_away:
            rule.example = rule.example or record.request_id
            return
        if not rule.new_requests:
            rule.example = record.request_id
        rule.new_requests += 1
        rule.new_clients.add(client)
        self.new_requests += 1
        self.new_clients.add(client)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What becomes of a request, and became of it before."""

    rule: str
    do: BotDo
    was_away: bool

    @property
    def away(self) -> bool:
        return self.do in _TURNS_AWAY


def rehearse(
    records: Iterable[AccessRecord],
    old: Mapping[SiteName, SiteRules],
    new: Mapping[SiteName, SiteRules],
) -> tuple[Rehearsal, ...]:
    """Try the rules of each site that are others than before.

    Args:
        records: in any order.
        old: rules of the current release.
        new: of the one that shall be.

    Returns:
        One for each site whose rules changed, by name; bounded.
    """
    counts = {name: _Count() for name in sorted(new) if _changed(old.get(name), new[name])}
    for record in records:
        name = SiteName(record.site)
        count = counts.get(name)
        verdict = parse_verdict(record.bots) if count is not None and record.bots else None
        if count is None or verdict is None or record.route not in new[name].classes:
            continue
        turns = set(_turns(record, verdict, old.get(name), new[name]))
        if len(turns) == 1:
            count.add(record, verdict.client, turns.pop())
        else:
            count.unsure += 1
    told = (_told(name, new[name].policy, count) for name, count in counts.items())
    return tuple(told)[: limits.BOT_REHEARSAL_SITES_MAX]


def _changed(old: SiteRules | None, new: SiteRules) -> bool:
    """Whether anybody that was recorded may be treated otherwise."""
    if new.policy == OBSERVING:
        return False
    if old is None or old.policy != new.policy:
        return True
    return any(new.classes.get(route, each) is not each for route, each in old.classes.items())


def _turns(
    record: AccessRecord, verdict: BotVerdict, old: SiteRules | None, new: SiteRules
) -> Iterator[_Turn]:
    """What may become of a request; several when its record does not tell which."""
    now_class = new.classes[record.route]
    was_class = old.classes.get(record.route) if old is not None else None
    for now in _possible(record, verdict, now_class):
        decision = decide(new.policy, now)
        was_away = False
        if old is not None and was_class is not None and old.policy.mode is BotMode.ENFORCE:
            then = now if was_class is now_class else replace(now, route_class=was_class.value)
            was_away = _done(decide(old.policy, then)) in _TURNS_AWAY
        do = _done(decision)
        rule = decision.rule.rpartition("+")[2] if do in _TURNS_AWAY else ""
        yield _Turn(rule, do if do in _TURNS_AWAY else BotDo.ALLOW, was_away)


def _done(decision: Decision) -> BotDo:
    return decision.would or decision.do


def _possible(
    record: AccessRecord, verdict: BotVerdict, route_class: RouteClass
) -> Iterator[Facts]:
    """What the request was, in every way that its record leaves open."""
    category = _categories().get(verdict.bot, "")
    accept = record.req_headers.get("accept", "")
    feed = not accept and verdict.code("accept") in _MAY_ASK_FOR_FEED
    accepts = ("", ACCEPT_FEED) if feed else (accept,)
    spans = [_span(verdict, name) for name in WINDOW_NAMES]
    ends = ({low for low, _ in spans}, {high for _, high in spans})
    counted = [tuple(low for low, _ in spans)]
    if ends[0] != ends[1]:
        counted.append(tuple(high for _, high in spans))
    for kind, requests in product(accepts, counted):
        yield Facts(
            path=record.path,
            method=record.method,
            host=record.host,
            route_class=route_class.value,
            protocol=record.protocol,
            score=verdict.score,
            codes=verdict.codes,
            verified=verdict.bot if verdict.proof == "verified" else "",
            impostor=verdict.bot if verdict.proof == "impostor" else "",
            claims=verdict.bot,
            category=category,
            cleared=verdict.level,
            requests=(requests[0], requests[1], requests[2]),
            accept=kind,
        )


@cache
def _categories() -> Mapping[str, str]:
    return {bot.name: bot.category.value for bot in catalogue().bots}


def _span(verdict: BotVerdict, window: str) -> tuple[int | None, int | None]:
    """How many requests a client made, at least and at most; None when nobody counted."""
    code = verdict.code(f"{REQUESTS}{window}".replace("_", "-")) if verdict.counted else 0
    if not code:
        return None, None
    least = bucket_least(code)
    return least, max(least, bucket_least(code + 1) - 1)


def _told(name: SiteName, policy: BotPolicy, count: _Count) -> Rehearsal:
    clients = len(count.clients)
    enough = (
        count.requests >= limits.BOT_REHEARSAL_REQUESTS_MIN
        and clients >= limits.BOT_REHEARSAL_CLIENTS_MIN
    )
    share = len(count.new_clients) / clients if enough else None
    few = RehearsalState.TOO_FEW if count.requests or count.unsure else RehearsalState.NO_RECORDS
    turned = Counter({key: len(rule.clients) for key, rule in count.rules.items()})
    return Rehearsal(
        site=name,
        mode=policy.mode.value,
        state=few if share is None else RehearsalState.MEASURED,
        requests=count.requests,
        clients=clients,
        unsure=count.unsure,
        new_requests=count.new_requests,
        new_clients=len(count.new_clients),
        freed_requests=count.freed,
        share=share,
        over=policy.mode is BotMode.ENFORCE
        and share is not None
        and share > limits.BOT_REHEARSAL_TURNED_SHARE_MAX,
        since=count.since,
        rules=tuple(
            RuleTurns(
                rule=rule,
                do=do.value,
                requests=count.rules[rule, do].requests,
                clients=found,
                new_requests=count.rules[rule, do].new_requests,
                new_clients=len(count.rules[rule, do].new_clients),
                example=count.rules[rule, do].example,
            )
            for (rule, do), found in turned.most_common(limits.BOT_REHEARSAL_RULES_MAX)
        ),
    )
