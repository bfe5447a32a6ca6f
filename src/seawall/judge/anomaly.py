"""Is the whole fleet unwell, compared with its own recent past? Then publishing stops by itself.

The state is a value: `look` takes what one span of time brought and gives the next state. It is
slow to change its mind in both directions: several bad looks make an anomaly, more good ones end
it, and what was seen during bad ones never becomes the past that later looks are compared with.

No node is believed for the fleet (docs/decisions/0058). Each is compared with its own past, none
weighs more than a few others, and the fleet is unwell only where it still is without those that
are worst and best: what a single machine says, be it broken or in wrong hands, decides nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from seawall.ids import NodeName
from seawall.judge.gates import GATES_BY_NAME, Count
from seawall.judge.sequential import rate_lower, rate_upper
from seawall.limits import (
    ANOMALY_ALPHA,
    ANOMALY_DOWN_COUNT,
    ANOMALY_MARGIN,
    ANOMALY_OK_COUNT,
    ANOMALY_PAST_LOOKS,
    ANOMALY_PAST_LOOKS_MIN,
    ANOMALY_RATIO,
    ANOMALY_UP_COUNT,
    ANOMALY_WEIGHT_MAX,
    APART_SHARE,
)
from seawall.telemetry.window import Window

_ERRORS: Final = GATES_BY_NAME["errors"]
Seen = Mapping[NodeName, Count]
"""Failed and answered requests of each node that answered any."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is remembered between looks; the start is `Anomaly()`.

    Attributes:
        active: the fleet is unwell now.
        text: why, for people; kept until the anomaly ends.
        past: what was seen in usual looks, oldest first.
        bad: bad looks that no calm has forgotten yet.
        good: good looks in a row.
    """

    active: bool = False
    text: str = ""
    past: tuple[Seen, ...] = ()
    bad: int = 0
    good: int = 0


@dataclass(frozen=True, slots=True)
class _Compared:
    """One node in one look.

    Attributes:
        bad: failed requests, of `of` answered ones; both less where it has far more than most.
        usual: share of failed requests in its own past.
        past_of: answered requests of its past.
    """

    bad: float
    of: float
    usual: float
    past_of: float

    @property
    def surplus(self) -> float:
        """Failed requests beyond its own usual share."""
        return self.bad - self.usual * self.of


def seen_in(windows: Iterable[Window]) -> Seen:
    """Failed and answered requests by node; windows that do not say are left out."""
    seen: Seen = {}
    for window in windows:
        found = _ERRORS.of_window(window, None)
        if found is not None and found[1] > 0:
            seen = added(seen, {window.node: found})
    return seen


def added(seen: Seen, more: Seen) -> Seen:
    """Both together."""
    sums = dict(seen)
    for name, (more_bad, more_of) in more.items():
        bad, of = sums.get(name, (0.0, 0.0))
        sums[name] = bad + more_bad, of + more_of
    return sums


def look(state: Anomaly, seen: Seen) -> Anomaly:
    """The state after one more look.

    Args:
        state: before it.
        seen: since the last look, see `seen_in`. Without a request nothing is learned, nor from
            failures on so few nodes that they do not count, while all others are silent.
    """
    if not seen:
        return state
    compared = _compared(state.past, seen)
    out = _out_count({*seen, *(name for one in state.past for name in one)})
    kept = _kept(compared, out)
    if _is_bad(kept):
        bad_looks = min(state.bad + 1, ANOMALY_DOWN_COUNT)
        active = state.active or bad_looks >= ANOMALY_DOWN_COUNT
        text = state.text or _text(kept, out)
        return replace(state, active=active, text=text if active else "", bad=bad_looks, good=0)
    if not kept and _is_bad(compared):
        return state
    good = state.good + 1
    if good >= (ANOMALY_UP_COUNT if state.active else ANOMALY_OK_COUNT):
        state = replace(state, active=False, text="", bad=0)
    past = state.past
    if not state.active and state.bad == 0:
        past = (*past, seen)[-ANOMALY_PAST_LOOKS:]
    return replace(state, good=good, past=past)


def _compared(past: tuple[Seen, ...], seen: Seen) -> list[_Compared]:
    """The nodes that answered requests and have a past of their own to be compared with."""
    looks: dict[NodeName, int] = {}
    before: Seen = {}
    for one in past:
        before = added(before, one)
        for name in one:
            looks[name] = looks.get(name, 0) + 1
    known = {
        name: count for name, count in seen.items() if looks.get(name, 0) >= ANOMALY_PAST_LOOKS_MIN
    }
    most = ANOMALY_WEIGHT_MAX * median(of for _, of in known.values()) if known else 0.0
    made = []
    for name, (bad, of) in known.items():
        part = min(1.0, most / of)
        bad_then, of_then = before[name]
        made.append(_Compared(bad * part, of * part, bad_then / of_then, of_then))
    return made


def _out_count(known: Iterable[NodeName]) -> int:
    """How many nodes, the worst, do not count; where one answers all requests, it does."""
    count = len({*known})
    return 0 if count == 1 else math.ceil(APART_SHARE * count)


def _kept(compared: list[_Compared], out: int) -> list[_Compared]:
    """Without those that are worst, and as many that are best where others are left then.

    A node that claims to be well, or to have been ill before, so hides no other.
    """
    ranked = sorted(compared, key=lambda one: one.surplus)
    left = ranked[: max(0, len(ranked) - out)]
    return left[out:] if len(left) > out else left


def _is_bad(nodes: Iterable[_Compared]) -> bool:
    bad, of, allowed = _sums(nodes)
    return of > 0 and rate_lower(bad, of, ANOMALY_ALPHA) > allowed


def _sums(nodes: Iterable[_Compared]) -> tuple[float, float, float]:
    """Failed and answered requests, and the share of failed ones that would be usual at most."""
    counted = [*nodes]
    bad, of = sum(one.bad for one in counted), sum(one.of for one in counted)
    if of <= 0:
        return bad, of, 1.0
    share = sum(one.usual * one.of for one in counted) / of
    then = min(sum(one.past_of for one in counted), ANOMALY_PAST_LOOKS * of)
    usual = rate_upper(share * then, then, ANOMALY_ALPHA)
    return bad, of, max(ANOMALY_RATIO * usual, usual + ANOMALY_MARGIN)


def _text(kept: list[_Compared], out: int) -> str:
    bad, of, allowed = _sums(kept)
    without = f", not counting its {out} worst and {out} best nodes," if out else ""
    return (
        f"{bad:,.0f} of {of:,.0f} requests of the whole fleet{without} failed; by its recent "
        f"past {allowed:.2%} would be the usual maximum."
    )
