"""Does the model still see the population that it learned? Two periods of records, compared.

For each feature the population stability index: the sum over codes of (after - before) times
ln(after / before), with shares. By custom 0.1 is worth a look and 0.25 is another population. And
the share of clients whose JA4 is in no table: a browser's release shows there first, and must
raise an alarm instead of blocking people.

With little to see the index is large by chance alone: about (codes - 1) (1/n + 1/m), where n and m
are records of as many clients. Requests of one client are alike, so twenty of it are seldom more
than one: how far the clients of a period differ tells how much (Rao and Scott 1981, "The analysis
of categorical data from complex sample surveys"). Codes that are rare in both periods are one, and
where chance could make a warning the answer is "too little".
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from seawall import limits
from seawall.bots.features import CHARACTER_BASE, FEATURES, INDEX
from seawall.learn.database import Database, rows, sql

BEFORE: Final = "before"
AFTER: Final = "after"
_RARE_SHARE: Final = 0.01
_CHANCE_SHARE: Final = 0.5
"""How much of a warning chance may make: half of it."""
_EXPECTED_MIN: Final = 5
"""Clients of an unknown handshake that are expected where so many show one that it is a warning."""
_HALF: Final = 0.5
_UNKNOWN_CODE: Final = 1
_REST: Final = -1


@dataclass(frozen=True, slots=True)
class Seen:
    """How often a code was seen in one period.

    Attributes:
        count: records.
        squares: the sum of the squares of what each client has of these.
        shared: the sum of what each client has of these times all that it has.
    """

    count: int = 0
    squares: int = 0
    shared: int = 0

    def __add__(self, other: "Seen") -> "Seen":
        """Of two codes as one; that a client has both is left out."""
        return Seen(
            self.count + other.count, self.squares + other.squares, self.shared + other.shared
        )


Counts = Mapping[int, tuple[Seen, Seen]]
"""How often each code was seen, before and after."""


class State(StrEnum):
    """What is known of a figure; `too little` is not `steady`."""

    STEADY = "steady"
    MOVED = "moved"
    ALARM = "alarm"
    TOO_LITTLE = "too little"


@dataclass(frozen=True, slots=True)
class Moved:
    """One feature: its index, None when there is too little, and records of both periods."""

    feature: str
    index: float | None
    state: State
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Share of handshakes whose JA4 is in no table."""

    before: float | None
    after: float | None
    state: State


@dataclass(frozen=True, slots=True)
class Drift:
    """Both findings; features with the largest index first."""

    features: tuple[Moved, ...]
    unknown: Unknown

    @property
    def state(self) -> State:
        """The worst of all; too little of everything is too little."""
        states = [self.unknown.state, *(moved.state for moved in self.features)]
        for state in (State.ALARM, State.MOVED, State.STEADY):
            if state in states:
                return state
        return State.TOO_LITTLE


def measure(database: Database) -> Drift:
    """Compare the records of the parts `before` and `after`. Raises as `Database.ask`."""
    found = rows(
        database,
        sql("drift"),
        before=BEFORE,
        after=AFTER,
        base=CHARACTER_BASE,
        places=len(FEATURES),
        client_rows=limits.LEARN_DRIFT_CLIENT_ROWS_MAX,
        rows=limits.LEARN_DRIFT_ROWS_MAX,
    )
    return compare(
        (int(p) - 1, int(c), bool(int(later)), Seen(*map(int, s))) for p, c, later, *s in found
    )


def compare(counts: Iterable[tuple[int, int, bool, Seen]]) -> Drift:
    """The drift of counts: place of a feature, code, whether it is of the later time, how often."""
    by_feature: dict[int, dict[int, tuple[Seen, Seen]]] = {}
    for place, code, later, seen in counts:
        codes = by_feature.setdefault(place, {})
        before, after = codes.get(code, (Seen(), Seen()))
        codes[code] = (before, after + seen) if later else (before + seen, after)
    moved = [
        _moved(feature.name, by_feature.get(place, {})) for place, feature in enumerate(FEATURES)
    ]
    moved.sort(key=lambda each: (-(each.index if each.index is not None else -1.0), each.feature))
    return Drift(tuple(moved), _unknown(by_feature.get(INDEX["tls-known"], {})))


def _moved(feature: str, counts: Counts) -> Moved:
    all_before, all_after = _sums(counts)
    before, after = all_before.count, all_after.count
    unknown = Moved(feature, None, State.TOO_LITTLE, before, after)
    if not before or not after:
        return unknown
    merged = _merged(counts, before, after)
    if _by_chance(merged, all_before, all_after) > limits.LEARN_DRIFT_WARN * _CHANCE_SHARE:
        return unknown
    index = 0.0
    for was, now in merged.values():
        # Half an observation more on each side: a code that is new would make it infinite.
        old = (was.count + _HALF) / (before + _HALF * len(merged))
        new = (now.count + _HALF) / (after + _HALF * len(merged))
        index += (new - old) * math.log(new / old)
    state = _state(index, limits.LEARN_DRIFT_WARN, limits.LEARN_DRIFT_ALARM)
    return replace(unknown, index=index, state=state)


def _by_chance(counts: Counts, before: Seen, after: Seen) -> float:
    """The index to be expected of two periods that are alike.

    Never less than what as many clients as there are would make of two codes: where all that were
    met show the same, another one among the next is no news.
    """
    found = 0.0
    for was, now in counts.values():
        part = (was.count + now.count) / (before.count + after.count)
        found += (_variance(was, before, part) + _variance(now, after, part)) / part
    return max(found, 1 / _clients(before) + 1 / _clients(after))


def _variance(seen: Seen, every: Seen, part: float) -> float:
    """Of the share of a code among `every` that was seen, when it really is `part`."""
    summed = seen.squares - 2 * part * seen.shared + part * part * every.shared
    return max(summed, 0.0) / every.count**2


def _clients(every: Seen) -> float:
    """How many clients there are, counted by how much each of them has."""
    return every.count**2 / every.shared


def _merged(counts: Counts, before: int, after: int) -> Counts:
    merged: dict[int, tuple[Seen, Seen]] = {}
    for code, (was, now) in counts.items():
        rare = was.count < _RARE_SHARE * before and now.count < _RARE_SHARE * after
        old, new = merged.get(_REST if rare else code, (Seen(), Seen()))
        merged[_REST if rare else code] = (old + was, new + now)
    return merged


def _unknown(counts: Counts) -> Unknown:
    """Only handshakes count: a request without TLS has no JA4 to know."""
    known = {code: both for code, both in counts.items() if code > 0}
    before, after = _sums(known)
    was, now = known.get(_UNKNOWN_CODE, (Seen(), Seen()))
    if not before.count or not after.count or _too_few(before) or _too_few(after):
        return Unknown(
            was.count / before.count if before.count else None,
            now.count / after.count if after.count else None,
            State.TOO_LITTLE,
        )
    old, new = was.count / before.count, now.count / after.count
    part = (was.count + now.count) / (before.count + after.count)
    error = math.sqrt(_variance(was, before, part) + _variance(now, after, part))
    grown = new - old > 2 * error
    state = _state(new, limits.LEARN_UNKNOWN_WARN, limits.LEARN_UNKNOWN_ALARM)
    return Unknown(old, new, state if grown else State.STEADY)


def _too_few(every: Seen) -> bool:
    return _clients(every) * limits.LEARN_UNKNOWN_WARN < _EXPECTED_MIN


def _sums(counts: Counts) -> tuple[Seen, Seen]:
    both = tuple(counts.values())
    return sum((was for was, _ in both), Seen()), sum((now for _, now in both), Seen())


def _state(value: float, warn: float, alarm: float) -> State:
    if value >= alarm:
        return State.ALARM
    return State.MOVED if value >= warn else State.STEADY
