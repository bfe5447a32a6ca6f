"""Does the model still see the population that it learned? Two periods of records, compared.

For each feature the population stability index: the sum over codes of (after - before) times
ln(after / before), with shares. By custom 0.1 is worth a look and 0.25 is another population. And
the share of clients whose JA4 is in no table: a browser's release shows there first, and must
raise an alarm instead of blocking people.

With few records the index is large by chance alone: about (codes - 1) (1/n + 1/m). Codes that are
rare in both periods are one, and where chance could make a warning the answer is "too little".
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
_HALF: Final = 0.5
_UNKNOWN_CODE: Final = 1
_REST: Final = -1

Counts = Mapping[int, tuple[int, int]]
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
    )
    return compare((int(p) - 1, int(c), int(b), int(a)) for p, c, b, a in found)


def compare(counts: Iterable[tuple[int, int, int, int]]) -> Drift:
    """The drift of counts: place of a feature, code, times before, times after."""
    by_feature: dict[int, dict[int, tuple[int, int]]] = {}
    for place, code, before, after in counts:
        by_feature.setdefault(place, {})[code] = (before, after)
    moved = [
        _moved(feature.name, by_feature.get(place, {})) for place, feature in enumerate(FEATURES)
    ]
    moved.sort(key=lambda each: (-(each.index if each.index is not None else -1.0), each.feature))
    return Drift(tuple(moved), _unknown(by_feature.get(INDEX["tls-known"], {})))


def _moved(feature: str, counts: Counts) -> Moved:
    before, after = _sums(counts)
    if not before or not after:
        return Moved(feature, None, State.TOO_LITTLE, before, after)
    merged = _merged(counts, before, after)
    by_chance = (len(merged) - 1) * (1 / before + 1 / after)
    if by_chance > limits.LEARN_DRIFT_WARN * _CHANCE_SHARE:
        return Moved(feature, None, State.TOO_LITTLE, before, after)
    index = 0.0
    for was, now in merged.values():
        # Half an observation more on each side: a code that is new would make it infinite.
        old = (was + _HALF) / (before + _HALF * len(merged))
        new = (now + _HALF) / (after + _HALF * len(merged))
        index += (new - old) * math.log(new / old)
    return Moved(
        feature,
        index,
        _state(index, limits.LEARN_DRIFT_WARN, limits.LEARN_DRIFT_ALARM),
        before,
        after,
    )


def _merged(counts: Counts, before: int, after: int) -> Counts:
    merged: dict[int, tuple[int, int]] = {}
    for code, (was, now) in counts.items():
        rare = was < _RARE_SHARE * before and now < _RARE_SHARE * after
        old, new = merged.get(_REST if rare else code, (0, 0))
        merged[_REST if rare else code] = (old + was, new + now)
    return merged


def _unknown(counts: Counts) -> Unknown:
    """Only handshakes count: a request without TLS has no JA4 to know."""
    known = {code: both for code, both in counts.items() if code > 0}
    before, after = _sums(known)
    was, now = known.get(_UNKNOWN_CODE, (0, 0))
    if not before or not after or _too_few(before) or _too_few(after):
        return Unknown(
            was / before if before else None, now / after if after else None, State.TOO_LITTLE
        )
    old, new = was / before, now / after
    error = math.sqrt(old * (1 - old) / before + new * (1 - new) / after)
    grown = new - old > 2 * error
    state = _state(new, limits.LEARN_UNKNOWN_WARN, limits.LEARN_UNKNOWN_ALARM)
    return Unknown(old, new, state if grown else State.STEADY)


def _too_few(records: int) -> bool:
    return records * limits.LEARN_UNKNOWN_WARN < 5  # noqa: PLR2004 - expected in a warning


def _sums(counts: Counts) -> tuple[int, int]:
    return sum(was for was, _ in counts.values()), sum(now for _, now in counts.values())


def _state(value: float, warn: float, alarm: float) -> State:
    if value >= alarm:
        return State.ALARM
    return State.MOVED if value >= warn else State.STEADY
