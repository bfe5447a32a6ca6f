"""Whom a release would turn away: its bot rules and address lists, tried on recorded requests.

Policies are decided by the twin of the decision in Envoy, on what the records of real requests
hold. A record does not hold everything: of many requests of a client only about how many, and not
every header. Where the answer hangs on what it does not hold, the request is counted as unsure, and
not guessed. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Final

from seawall import limits
from seawall.bots.expression_names import WINDOW_NAMES, Facts
from seawall.bots.kinds import EXEMPT_PRIVATE
from seawall.bots.policy import Decision, decide, scores_apart, wants_score
from seawall.challenge.binding import bound_host
from seawall.ids import SiteName
from seawall.model import OBSERVING, BotDo, BotMode, BotPolicy, Edge, IpList, RouteClass
from seawall.telemetry.addresses import Addresses
from seawall.telemetry.bot_facts import ACCEPT_FEED, REQUESTS
from seawall.telemetry.bot_words import bucket_least
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.rehearsal import (
    DENY,
    Rehearsal,
    RehearsalState,
)
from seawall.telemetry.samples import Wanted
from seawall.telemetry.turned import TURNS_AWAY, Count, Turn, node_turns, rules_counted, weighed
from seawall.verify.catalogue import catalogue

_MAY_ASK_FOR_FEED: Final = frozenset({4, 6})
"""Sorts of `accept`, JSON and other. Who asks for a page, an image or a style is taken to ask for
no feed beside it: readers of feeds that do are known by their names."""


@dataclass(frozen=True, slots=True)
class SiteRules:
    """Whom a site turns away.

    Attributes:
        policy: on bots.
        classes: of the routes on which anybody is looked at, by `SITE/ROUTE`.
        deny: address lists whose clients are turned away.
    """

    policy: BotPolicy
    classes: Mapping[str, RouteClass]
    deny: tuple[IpList, ...] = ()

    @property
    def asks_bots(self) -> bool:
        """Whether a bot rule may hold for anybody."""
        return self.policy.mode is not BotMode.OFF and self.policy != OBSERVING

    @property
    def turns_away(self) -> bool:
        """Whether a rule or a list may turn anybody away, or would in mode `enforce`."""
        return self.asks_bots or bool(self.deny)


def rules_of(edge: Edge) -> dict[SiteName, SiteRules]:
    """The rules of each site."""
    lists = {each.name: each for each in edge.lists}
    return {
        site.name: SiteRules(
            site.bots,
            {r.id: r.route_class for r in site.routes if r.bots and site.bots.mode != BotMode.OFF},
            tuple(lists[name] for name in site.deny),
        )
        for site in edge.sites
    }


def rehearse(
    records: Iterable[AccessRecord],
    old: Mapping[SiteName, SiteRules],
    new: Mapping[SiteName, SiteRules],
) -> tuple[Rehearsal, ...]:
    """Try the rules of each site that are others than before.

    Args:
        records: of one machine, in any order.
        old: rules of the current release.
        new: of the one that shall be.

    Returns:
        One for each site whose rules changed; those over the bound first, and then those that
        turn away most; bounded.
    """
    return _rehearsed((("", record) for record in records), old, new)


def rehearse_fleet(
    samples: Mapping[str, Sequence[AccessRecord]],
    old: Mapping[SiteName, SiteRules],
    new: Mapping[SiteName, SiteRules],
) -> tuple[Rehearsal, ...]:
    """The same on what each node has seen; a site is over the bound when it is on one node.

    Args:
        samples: records by the node's name.
        old: as for `rehearse`.
        new: likewise.
    """
    seen = ((node, record) for node, records in samples.items() for record in records)
    return _rehearsed(seen, old, new)


def wanted_of(
    old: Mapping[SiteName, SiteRules], new: Mapping[SiteName, SiteRules]
) -> Wanted | None:
    """What has to be known of requests to try these rules; None when there is nothing to try."""
    names = _changed_sites(old, new)
    if not names:
        return None
    addresses = any(new[name].deny or (name in old and bool(old[name].deny)) for name in names)
    return Wanted(tuple(names) if len(names) <= limits.SAMPLE_SITES_NAMED_MAX else (), addresses)


def _rehearsed(
    seen: Iterable[tuple[str, AccessRecord]],
    old: Mapping[SiteName, SiteRules],
    new: Mapping[SiteName, SiteRules],
) -> tuple[Rehearsal, ...]:
    trials = {name: _Trial(old.get(name), new[name]) for name in _changed_sites(old, new)}
    for node, record in seen:
        trial = trials.get(SiteName(record.site))
        if trial is not None:
            trial.meet(record, node)
    told = [_told(name, new[name], trial) for name, trial in trials.items()]
    told.sort(key=lambda each: (not each.over, -each.new_clients, each.site))
    return tuple(told[: limits.REHEARSAL_SITES_MAX])


def _changed_sites(
    old: Mapping[SiteName, SiteRules], new: Mapping[SiteName, SiteRules]
) -> list[SiteName]:
    return [name for name in sorted(new) if _changed(old.get(name), new[name])]


def _changed(old: SiteRules | None, new: SiteRules) -> bool:
    """Whether anybody that was recorded may be treated otherwise."""
    if new.deny and (old is None or old.deny != new.deny):
        return True
    if not new.asks_bots:
        return False
    if old is None or old.policy != new.policy:
        return True
    return any(new.classes.get(route, each) is not each for route, each in old.classes.items())


class _Trial:
    """One site: its old rules and its new ones."""

    def __init__(self, old: SiteRules | None, new: SiteRules) -> None:
        self.count = Count()
        self.nodes: dict[str, Count] = {}
        self._old, self._new = old, new
        self._denied = Addresses(new.deny)
        self._was_denied = Addresses(old.deny if old is not None else ())

    def meet(self, record: AccessRecord, node: str) -> None:
        """Try both on a request; `node` has seen it, empty for the only machine."""
        verdict = parse_verdict(record.bots) if record.bots else None
        if verdict is not None and EXEMPT_PRIVATE in verdict.rules:
            return  # the node itself asked, whom no rule meets
        turns = set[Turn]()
        for turn in self._turns(record, verdict):
            turns.add(turn)
            if len(turns) > 1:
                break  # it is unsure, whatever else it may be
        if len(turns) == 1:
            client = verdict.client if verdict is not None else record.client
            turn = turns.pop()
            self.count.add(record, client, turn)
            if node:
                self.nodes.setdefault(node, Count()).add(record, client, turn)
        elif turns:
            self.count.unsure += 1

    def _turns(self, record: AccessRecord, verdict: BotVerdict | None) -> Iterator[Turn]:
        """What may become of a request.

        Several when its record does not tell which; none when it tells nothing.
        """
        was_denied = bool(self._was_denied.of(record.client))
        route_class = self._new.classes.get(record.route)
        possible: list[Facts] = []
        if verdict is not None:
            asked = self._new.policy if route_class is not None else None
            possible += _possible(record, verdict, route_class, asked)
        if listed := self._denied.of(record.client):
            before = {was_denied or self._was_away(record, verdict, each) for each in possible}
            for was_away in before or {was_denied}:
                yield Turn(was_away, listed, DENY)
        elif possible and route_class is not None:
            for facts in possible:
                was_away = was_denied or self._was_away(record, verdict, facts)
                yield self._decided(facts, was_away)
        elif was_denied or self._new.deny:
            yield Turn(was_denied)

    def _was_away(self, record: AccessRecord, verdict: BotVerdict | None, facts: Facts) -> bool:
        old = self._old
        route_class = old.classes.get(record.route) if old is not None else None
        if old is None or route_class is None or old.policy.mode is not BotMode.ENFORCE:
            return False
        score = verdict.score if verdict is not None else None
        if (route_class.value, score) != (facts.route_class, facts.score):
            facts = replace(facts, route_class=route_class.value, score=score)
        return _done(decide(old.policy, facts)) in TURNS_AWAY

    def _decided(self, facts: Facts, was_away: bool) -> Turn:
        decision = decide(self._new.policy, facts)
        do = _done(decision)
        if do not in TURNS_AWAY:
            return Turn(was_away)
        return Turn(was_away, decision.rule.rpartition("+")[2], do.value)


def _done(decision: Decision) -> BotDo:
    return decision.would or decision.do


def _possible(
    record: AccessRecord,
    verdict: BotVerdict,
    route_class: RouteClass | None,
    policy: BotPolicy | None,
) -> Iterator[Facts]:
    """What the request was, in every way that its record leaves open.

    Where there was a model and nobody asked it, no rule looked at the score: if one of `policy`
    does, any score may come.
    """
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
        facts = Facts(
            path=record.path,
            method=record.method,
            host=bound_host(record.host),
            route_class=(route_class or RouteClass.PAGE).value,
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
        unasked = verdict.score is None and bool(verdict.model)
        scores = scores_apart(policy) if unasked and policy is not None else ()
        if scores and policy is not None and wants_score(policy, facts):
            yield from (replace(facts, score=score) for score in scores)
        else:
            yield facts


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


def _told(name: SiteName, rules: SiteRules, trial: _Trial) -> Rehearsal:
    count, enforced = trial.count, rules.policy.mode is BotMode.ENFORCE
    found = weighed(count, enforced=enforced)
    nodes = [
        node_turns(node, each, enforced=enforced)
        for node, each in trial.nodes.items()
        if each.requests
    ]
    nodes.sort(key=lambda each: (not each.over, -(each.share or 0.0), each.node))
    most = sorted(rules_counted(count), key=lambda rule: -rule.clients)
    few = RehearsalState.TOO_FEW if count.requests or count.unsure else RehearsalState.NO_RECORDS
    return Rehearsal(
        site=name,
        mode=rules.policy.mode.value,
        really=enforced or bool(rules.deny),
        state=RehearsalState.MEASURED if found.enough else few,
        requests=count.requests,
        clients=len(count.clients),
        unsure=count.unsure,
        new_requests=count.new_requests,
        new_clients=found.new_clients,
        freed_requests=count.freed,
        share=found.share,
        over=found.over or any(node.over for node in nodes),
        since=count.since,
        rules=tuple(most[: limits.REHEARSAL_RULES_MAX]),
        nodes=tuple(nodes[: limits.REHEARSAL_NODES_TOLD_MAX]),
    )
