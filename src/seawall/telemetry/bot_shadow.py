"""A model and its shadow over the same requests, from the records of both: is it ready to decide?

Every record carries both scores, so no model is needed to compare them. Nothing here knows which of
two scores is right: where they differ much, that is told, and a person looks. Too little is a
state of its own and never "the same". Pure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from seawall import limits
from seawall.bots.drift import Drift, of_pairs, traffic_lines
from seawall.bots.families import ClientFamily
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.shadow_report import (
    Advice,
    Bin,
    FamilyShift,
    ShadowReport,
    ShadowState,
    Side,
)

_EDGES: Final = (-50, -20, -5, -1, 0, 5, 20, 50)
"""Upper ends of the bins of differences, the shadow's score minus the model's; the last is open."""
_LEAST: Final = -98
_MOST: Final = 98
_TIME_CHARS_MAX: Final = 30
_UNKNOWN_FAMILY: Final = "unknown"


@dataclass
class _Count:
    """What is added up over the records; bounded by what is read."""

    records: int = 0
    others: int = 0
    repeated: int = 0
    unscored: int = 0
    faults: int = 0
    since: str = ""
    until: str = ""
    pairs: list[tuple[int, int]] = field(default_factory=list)
    clients: Counter[str] = field(default_factory=Counter)
    caught: dict[int, set[str]] = field(default_factory=dict)
    spared: dict[int, set[str]] = field(default_factory=dict)
    families: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, verdict: BotVerdict, time: str) -> None:
        """Count a verdict of this pair; times are RFC 3339 in UTC, so their texts have an order."""
        was, now = verdict.score, verdict.shadow_score
        if was is None:
            self.unscored += 1
            return
        if now is None:
            self.faults += 1
            return
        self.clients[verdict.client] += 1
        if self.clients[verdict.client] > limits.BOT_DRIFT_CLIENT_VECTORS_MAX:
            self.repeated += 1
            return
        self.since = min(self.since or time, time)
        self.until = max(self.until, time)
        self.pairs.append((was, now))
        self.families.setdefault(verdict.code("agent-family"), []).append((was, now))
        for score in limits.BOT_DRIFT_THRESHOLDS:
            if now <= score < was:
                self.caught.setdefault(score, set()).add(verdict.client)
            elif was <= score < now:
                self.spared.setdefault(score, set()).add(verdict.client)


def newest_pair(records: Iterable[AccessRecord]) -> tuple[str, str] | None:
    """Model and shadow of the newest record that names both; None when none does."""
    verdicts = (parse_verdict(record.bots) for record in records if record.bots)
    return next(((v.model, v.shadow) for v in verdicts if v is not None and v.shadow), None)


def compare(records: Iterable[AccessRecord], model: str, shadow: str) -> ShadowReport:
    """The report on one pair of models.

    Args:
        records: in any order; of one client, the first count.
        model: first digits of the digest of the model.
        shadow: of the shadow.
    """
    count = _Count()
    for record in records:
        verdict = parse_verdict(record.bots) if record.bots else None
        if verdict is None:
            continue
        count.records += 1
        if (verdict.model, verdict.shadow) == (model, shadow):
            count.add(verdict, record.time[:_TIME_CHARS_MAX])
        else:
            count.others += 1
    return _report(count, model, shadow)


def _report(count: _Count, model: str, shadow: str) -> ShadowReport:
    drift = of_pairs(count.pairs)
    families = tuple(_families(count))
    state, advice, reasons = _judge(count, drift, families, same=model == shadow)
    return ShadowReport(
        state=state,
        advice=advice,
        reasons=tuple(reasons),
        model=model,
        shadow=shadow,
        records=count.records,
        others=count.others,
        repeated=count.repeated,
        unscored=count.unscored,
        faults=count.faults,
        compared=len(count.pairs),
        clients=len(count.clients),
        since=count.since,
        until=count.until,
        mean_points=drift.mean_points if drift is not None else None,
        psi=drift.psi if drift is not None else None,
        differences=tuple(_bins(count.pairs)) if drift is not None else (),
        sides=tuple(_sides(count)) if drift is not None else (),
        families=families[: limits.BOT_SHADOW_FAMILIES_SHOWN],
    )


def _judge(
    count: _Count, drift: Drift | None, families: Sequence[FamilyShift], *, same: bool
) -> tuple[ShadowState, Advice, list[str]]:
    due = len(count.pairs) + count.faults
    if same:
        state = ShadowState.COMPARED if count.pairs else ShadowState.NO_RECORDS
        return state, Advice.KEEP_BACK, ["The shadow is the same model as the one in force."]
    if not due:
        text = "No record on this machine was scored by both the current model and this shadow."
        return ShadowState.NO_RECORDS, Advice.WAIT, [text]
    few = list(_too_few(count))
    state = ShadowState.TOO_LITTLE if few else ShadowState.COMPARED
    if count.faults > limits.BOT_SHADOW_FAULT_SHARE_MAX * due:
        text = f"It gave no score for {count.faults:,} of {due:,} requests that the model scored."
        return state, Advice.KEEP_BACK, [text, *few]
    if few or drift is None:
        return state, Advice.WAIT, few
    odd = [f"{text}." for text, is_over in traffic_lines(drift) if is_over]
    odd += [
        f"{each.family}: scores move by {each.mean_points:+.1f} points on average, over "
        f"{each.requests:,} requests."
        for each in families
        if abs(each.mean_points) >= limits.BOT_SHADOW_FAMILY_SHIFT_POINTS
    ]
    if odd:
        return state, Advice.LOOK, odd
    text = f"Over {len(count.pairs):,} requests of {len(count.clients):,} clients it stays within "
    return state, Advice.PROMOTE, [f"{text}the bounds of score drift."]


def _too_few(count: _Count) -> Iterator[str]:
    if len(count.pairs) < limits.BOT_SHADOW_REQUESTS_MIN:
        yield (
            f"Not enough: {len(count.pairs):,} of at least {limits.BOT_SHADOW_REQUESTS_MIN:,} "
            "requests scored by both."
        )
    if len(count.clients) < limits.BOT_SHADOW_CLIENTS_MIN:
        yield (
            f"Not enough: {len(count.clients):,} of at least {limits.BOT_SHADOW_CLIENTS_MIN:,} "
            "clients."
        )


def _bins(pairs: Sequence[tuple[int, int]]) -> Iterator[Bin]:
    ends = (*_EDGES, _MOST)
    placed = Counter(next(end for end in ends if now - was <= end) for was, now in pairs)
    least = _LEAST
    for end in ends:
        yield Bin(least, end, placed[end])
        least = end + 1


def _sides(count: _Count) -> Iterator[Side]:
    for score in limits.BOT_DRIFT_THRESHOLDS:
        yield Side(
            score=score,
            model_requests=sum(was <= score for was, _ in count.pairs),
            shadow_requests=sum(now <= score for _, now in count.pairs),
            caught_requests=sum(now <= score < was for was, now in count.pairs),
            caught_clients=len(count.caught.get(score, ())),
            spared_requests=sum(was <= score < now for was, now in count.pairs),
            spared_clients=len(count.spared.get(score, ())),
        )


def _families(count: _Count) -> list[FamilyShift]:
    found = [
        FamilyShift(
            family=_family(code),
            requests=len(pairs),
            mean_points=sum(now - was for was, now in pairs) / len(pairs),
            otherwise_requests=sum(_otherwise(was, now) for was, now in pairs),
        )
        for code, pairs in count.families.items()
        if len(pairs) >= limits.BOT_SHADOW_FAMILY_REQUESTS_MIN
    ]
    return sorted(found, key=lambda each: (-abs(each.mean_points), each.family))


def _otherwise(was: int, now: int) -> bool:
    return any((was <= score) is not (now <= score) for score in limits.BOT_DRIFT_THRESHOLDS)


def _family(code: int) -> str:
    try:
        return ClientFamily(code).name.lower().replace("_", " ")
    except ValueError:
        return _UNKNOWN_FAMILY
