"""The one test behind every gate: may be looked at every second without inflating false alarms.

Bad events and exposures are counted in two arms that run side by side. If the candidate is no
worse, then of the bad events of a span its arm got no more than its share of the exposures. The
test bets against that, span by span, at fair odds; `log_e` is the logarithm of the money won. Money
from fair bets rarely multiplies by 1/alpha, ever (Ville's inequality), whenever one looks and
whatever the traffic does: shares may change between spans, and errors that hit both arms cancel.

`rate_upper` and `rate_lower` are confidence sequences in the same sense, for the rate of one arm,
which may drift. docs/judge.md has the mathematics and its sources.

What it must not do: read a clock, or decide what a result means (that is `gates` and `judge`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# How many times worse the candidate may be: one bet on each, money split evenly.
_FACTORS: Final = (1.4, 2.0, 3.5, 8.0, 25.0, 150.0, 2000.0)
_LOG_WEIGHT: Final = -math.log(len(_FACTORS))
STAKE: Final = -_LOG_WEIGHT
"""What a sure bet must win before `log_e` is above zero: the money lies on several bets."""
# Tilts of the confidence sequences: the strongest serves rates near zero and gets half the money.
_TILTS: Final = ((6.0, 0.5), (1.5, 0.1), (0.6, 0.1), (0.3, 0.1), (0.12, 0.1), (0.05, 0.1))
_BETS: Final = tuple(
    (tilt, math.log(weight), 1 - math.exp(-tilt), math.exp(tilt) - 1) for tilt, weight in _TILTS
)
_STEPS: Final = 5
_BLOCKS_MIN: Final = 6
_BLOCKS_BAD_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Span:
    """Both arms in one short span of time on one node.

    Attributes:
        at: number of the span; those of other nodes at the same time have the same number.
        bad: bad events of the candidate, of its `exposures`.
        control_bad: of the control, of its `control_exposures`.
    """

    at: int
    bad: float
    exposures: float
    control_bad: float
    control_exposures: float


def log_e(
    spans: Iterable[Span],
    *,
    ratio: float = 1.0,
    floor: float = 0.0,
    clump: float = 1.0,
    cap: float = math.inf,
) -> float:
    """Logarithm of the evidence that the candidate's rate is over `ratio` times the control's.

    Args:
        spans: in any order.
        ratio: how many times the control's rate is still no harm.
        floor: a rate that is no harm whatever the control's: the control is taken to have had so
            many more bad events. This can only take evidence away.
        clump: bad events that come together, for example on one connection, count as one.
        cap: most that one moment may add, over all nodes, so that no single moment decides.
    """
    moments: dict[int, list[tuple[float, float, float, float]]] = {}
    for span in spans:
        if span.exposures > 0 and span.control_exposures > 0:
            phantom = floor * span.control_exposures / ratio
            all_bad = span.bad + span.control_bad + phantom
            share = ratio * span.exposures / (ratio * span.exposures + span.control_exposures)
            moments.setdefault(span.at, []).append((span.bad, all_bad, share, 1.0 - share))
    logs = []
    for factor in _FACTORS:
        gain, total = math.log(factor), _LOG_WEIGHT
        for group in moments.values():
            won = 0.0
            for bad, all_bad, share, rest in group:
                won += bad * gain - all_bad * math.log(factor * share + rest)
            total += min(won / clump, cap)
        logs.append(total)
    top = max(logs)
    return top + math.log(sum(math.exp(value - top) for value in logs))


def most_log_e(bad: float, clump: float) -> float:
    """`log_e` is never more than this, whatever the control and the shares."""
    return bad * math.log(_FACTORS[-1]) / clump


def rate_upper(bad: float, exposures: float, alpha: float) -> float:
    """The bound that the rate is below, at every look, but with probability `alpha`.

    The rate is the average over what was exposed so far; it may drift. 1 without exposures.
    """
    if exposures <= 0:
        return 1.0
    return min(1.0, _most_expected(bad, alpha) / exposures)


def rate_lower(bad: float, exposures: float, alpha: float) -> float:
    """The bound that the rate is above, at every look, but with probability `alpha`."""
    if exposures <= 0 or bad <= 0:
        return 0.0
    wanted = -math.log(alpha)
    # Money won by betting that more come than were expected.
    bets = [(log_weight + tilt * bad, -lower) for tilt, log_weight, _, lower in _BETS]
    start = max((log_money - wanted) / -slope for log_money, slope in bets)
    return max(0.0, _solve(bets, wanted, start)) / exposures


def exposures_needed(margin: float, alpha: float) -> int:
    """Exposures after which an arm without one bad event is shown to be below rate `margin`."""
    return math.ceil(_most_expected(0.0, alpha) / margin)


def _most_expected(bad: float, alpha: float) -> float:
    """How many bad events may have been expected where `bad` came."""
    wanted = -math.log(alpha)
    # Money won by betting that fewer come than were expected.
    bets = [(log_weight - tilt * bad, upper) for tilt, log_weight, upper, _ in _BETS]
    start = min((wanted - log_money) / slope for log_money, slope in bets)
    return _solve(bets, wanted, start)


def _solve(bets: list[tuple[float, float]], wanted: float, start: float) -> float:
    """Where the logarithm of all money, each bet's `log_money + slope * x`, is `wanted`.

    Newton's steps on a convex curve from the safe side: every one of them is a valid bound.
    """
    x = start
    for _ in range(_STEPS):
        logs = [log_money + slope * x for log_money, slope in bets]
        top = max(logs)
        parts = [math.exp(value - top) for value in logs]
        money = sum(parts)
        rising = sum(part * slope for part, (_, slope) in zip(parts, bets, strict=True)) / money
        x -= (top + math.log(money) - wanted) / rising
    return x


def dispersion(blocks: Iterable[tuple[float, float]], most: float) -> float:
    """How many bad events come together, by how unevenly they came: variance over mean.

    1 where they come singly, where there were too few to say, and in doubt.

    Args:
        blocks: bad events and exposures in equal spans of time of the control.
        most: answer no more than this.
    """
    known = [(bad, exposures) for bad, exposures in blocks if exposures > 0]
    total, exposed = sum(bad for bad, _ in known), sum(of for _, of in known)
    if len(known) < _BLOCKS_MIN or total < _BLOCKS_BAD_MIN:
        return 1.0
    rate, free = total / exposed, len(known) - 1
    found = sum((bad - rate * of) ** 2 / (rate * of) for bad, of in known) / free
    # Two standard deviations of what events that come singly would show.
    return min(most, max(1.0, found - 2 * math.sqrt(2 / free)))
