"""How far scores move from one model to another: counts and shares over pairs of scores. Pure.

Four views of it, since each misses something: how many scores move far, how far all move together,
how many requests come to another side of a threshold, and whether the scores as a whole have
another shape.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seawall import limits
from seawall.bots.model import SCORE_MAX

_BINS: Final = 10
_BIN_WIDTH: Final = (SCORE_MAX + _BINS) // _BINS
_SMOOTHING: Final = 0.5
"""Added to every bin: an empty one must not make the index infinite (Siddiqi 2006)."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What two models say of the same vectors.

    Attributes:
        count: vectors that both scored.
        moved: of those, scores that differ by more than `limits.BOT_DRIFT_MOVED_POINTS`.
        mean_points: mean absolute difference.
        crossed: by threshold, how many are on another side of it.
        psi: population stability index of the scores.
        least: the lowest score of the new model; `most` the highest.
        told_apart: whether the old model gave them more than one score.
    """

    count: int
    moved: int
    mean_points: float
    crossed: Mapping[int, int]
    psi: float
    least: int
    most: int
    told_apart: bool

    @property
    def one_score(self) -> bool:
        """Whether the new model gives every vector the same, and the old one did not."""
        return self.told_apart and self.least == self.most


def of_pairs(pairs: Sequence[tuple[int, int]]) -> Drift | None:
    """Of scores, old and new; None when there is none."""
    if not pairs:
        return None
    gaps = [abs(was - now) for was, now in pairs]
    return Drift(
        count=len(pairs),
        moved=sum(gap > limits.BOT_DRIFT_MOVED_POINTS for gap in gaps),
        mean_points=sum(gaps) / len(pairs),
        crossed={
            threshold: sum((was <= threshold) is not (now <= threshold) for was, now in pairs)
            for threshold in limits.BOT_DRIFT_THRESHOLDS
        },
        psi=_stability([was for was, _ in pairs], [now for _, now in pairs]),
        least=min(now for _, now in pairs),
        most=max(now for _, now in pairs),
        told_apart=len({was for was, _ in pairs}) > 1,
    )


def _stability(was: Sequence[int], now: Sequence[int]) -> float:
    """The population stability index: 0 for equal shapes; every term is at least 0."""
    shares = zip(_shares(was), _shares(now), strict=True)
    return sum((after - before) * math.log(after / before) for before, after in shares)


def _shares(scores: Sequence[int]) -> list[float]:
    counts = [_SMOOTHING] * _BINS
    for score in scores:
        counts[min(score // _BIN_WIDTH, _BINS - 1)] += 1
    total = sum(counts)
    return [count / total for count in counts]


# --- Judging --------------------------------------------------------------------------------------


def traffic_lines(drift: Drift) -> Iterator[tuple[str, bool]]:
    """Each view of recent traffic in words, and whether it is over its bound."""
    yield _share_line(
        f"moved by more than {limits.BOT_DRIFT_MOVED_POINTS} points",
        drift.moved,
        drift.count,
        limits.BOT_DRIFT_MOVED_SHARE_MAX,
    )
    bound = limits.BOT_DRIFT_MEAN_POINTS_MAX
    text = f"mean difference {drift.mean_points:.2f} points, bound {bound:g}"
    yield text, drift.mean_points > bound
    for threshold, crossed in drift.crossed.items():
        what = f"came to another side of {threshold}"
        yield _share_line(what, crossed, drift.count, limits.BOT_DRIFT_CROSSED_SHARE_MAX)
    bound = limits.BOT_DRIFT_PSI_MAX
    yield f"stability index of the scores {drift.psi:.3f}, bound {bound:g}", drift.psi > bound


def golden_lines(drift: Drift) -> Iterator[tuple[str, bool]]:
    """The same of golden vectors, which are chosen and no sample of anything."""
    yield _share_line(
        f"moved by more than {limits.BOT_DRIFT_MOVED_POINTS} points",
        drift.moved,
        drift.count,
        limits.BOT_DRIFT_GOLDEN_MOVED_SHARE_MAX,
    )


def _share_line(what: str, count: int, total: int, bound: float) -> tuple[str, bool]:
    share = count / total
    return f"{count} of {total} ({share:.1%}) {what}, bound {bound:.0%}", share > bound
