"""Is the whole fleet unwell, compared with its own recent past? Then publishing stops by itself.

The state is a value: `look` takes what one span of time brought and gives the next state. It is
slow to change its mind in both directions: several bad looks make an anomaly, more good ones end
it, and what was seen during bad ones never becomes the past that later looks are compared with.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

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
)
from seawall.telemetry.window import Window

_ERRORS: Final = GATES_BY_NAME["errors"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is remembered between looks; the start is `Anomaly()`.

    Attributes:
        active: the fleet is unwell now.
        text: why, for people; kept until the anomaly ends.
        past: failed and answered requests of usual looks, oldest first.
        bad: bad looks that no calm has forgotten yet.
        good: good looks in a row.
    """

    active: bool = False
    text: str = ""
    past: tuple[Count, ...] = ()
    bad: int = 0
    good: int = 0


def errors_of(windows: Iterable[Window]) -> Count:
    """Failed and answered requests of the whole fleet; windows that do not say are left out."""
    counts = [count for w in windows if (count := _ERRORS.of_window(w, None)) is not None]
    return sum(bad for bad, _ in counts), sum(of for _, of in counts)


def look(state: Anomaly, seen: Count) -> Anomaly:
    """The state after one more look.

    Args:
        state: before it.
        seen: failed and answered requests of the fleet since the last look, see `errors_of`.
            Without a request nothing is learned.
    """
    bad, of = seen
    if of <= 0:
        return state
    allowed = _allowed(state.past)
    if allowed is not None and rate_lower(bad, of, ANOMALY_ALPHA) > allowed:
        bad_looks = min(state.bad + 1, ANOMALY_DOWN_COUNT)
        active = state.active or bad_looks >= ANOMALY_DOWN_COUNT
        text = state.text or (
            f"{bad:,.0f} of {of:,.0f} requests of the whole fleet failed; by its recent past "
            f"{allowed:.2%} would be usual at most."
        )
        return replace(state, active=active, text=text if active else "", bad=bad_looks, good=0)
    good = state.good + 1
    if good >= (ANOMALY_UP_COUNT if state.active else ANOMALY_OK_COUNT):
        state = replace(state, active=False, text="", bad=0)
    past = state.past
    if not state.active and state.bad == 0:
        past = (*past, seen)[-ANOMALY_PAST_LOOKS:]
    return replace(state, good=good, past=past)


def _allowed(past: tuple[Count, ...]) -> float | None:
    if len(past) < ANOMALY_PAST_LOOKS_MIN:
        return None
    usual = rate_upper(sum(bad for bad, _ in past), sum(of for _, of in past), ANOMALY_ALPHA)
    return max(ANOMALY_RATIO * usual, usual + ANOMALY_MARGIN)
