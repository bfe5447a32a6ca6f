"""How good scores are: areas, shares with intervals, calibration, the operating score.

Shares come with intervals of Clopper and Pearson (1934, "The use of confidence or fiducial
limits"): exact, and never too narrow for independent trials. Requests of one client are not
independent, so figures by client stand beside those by request wherever people are concerned.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from seawall.bots.model import SCORE_MAX, SCORE_MIN
from seawall.learn.rows import Flags, Places
from seawall.learn.scoring import Reals, Scores

CONFIDENCE: Final = 0.95
_BISECTIONS: Final = 60
_LOG_TINY: Final = -700.0
"""Below it `exp` is zero."""
_BINS: Final = 20


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`, with its interval.

    Attributes:
        lower: one-sided 95 % bound; None when nothing was seen.
        upper: likewise.
    """

    count: int
    of: int
    lower: float | None
    upper: float | None

    @property
    def value(self) -> float | None:
        """The share itself; None when nothing was seen."""
        return self.count / self.of if self.of else None


def share(count: int, of: int) -> Share:
    """A share with one-sided bounds of 95 % each."""
    if not of:
        return Share(count, of, None, None)
    lower = 0.0 if count == 0 else 1 - _least_upper(of - count, of)
    upper = 1.0 if count == of else _least_upper(count, of)
    return Share(count, of, lower, upper)


def needed(budget: float) -> int:
    """How many trials without a failure show that the rate is within `budget`."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-budget))


def auc(values: Reals, human: Flags, weight: Reals) -> float:
    """Area under the ROC: that a human row has the higher value than an automated one; ties half.

    NaN never comes out: without both sides it is 0.5, which is what knowing nothing is worth.
    """
    if human.all() or not human.any():
        return 0.5
    _, at = np.unique(values, return_inverse=True)
    positive = np.bincount(at, weights=weight * human)
    negative = np.bincount(at, weights=weight * ~human)
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / positive.sum() / negative.sum())


def calibration(scores: Scores, human: Flags, weight: Reals) -> tuple[float, float]:
    """Expected calibration error over 20 bins of scores, and the Brier score."""
    claimed = scores / 100
    bins = np.minimum(((claimed) * _BINS).astype(np.int64), _BINS - 1)
    total = np.bincount(bins, weights=weight, minlength=_BINS)
    said = np.bincount(bins, weights=weight * claimed, minlength=_BINS)
    was = np.bincount(bins, weights=weight * human, minlength=_BINS)
    error = float(np.abs(said - was).sum() / total.sum())
    brier = float((weight * (claimed - human) ** 2).sum() / weight.sum())
    return error, brier


@dataclass(frozen=True, slots=True)
class Operating:
    """The score up to which a request is taken for automated.

    Attributes:
        score: 0 when not even score 1 keeps the budget, or when there are no people to keep it for.
        proven: whether the upper bound of the false-positive share keeps it, or only the share.
        false_positives: of human requests.
    """

    score: int
    proven: bool
    false_positives: Share


def operating(human: Scores, automated: Scores, budget: float) -> Operating:
    """Up to which score to take a request for automated, by the false positives allowed.

    It is the highest score that keeps the budget, by the upper bound of the share if possible. Then
    it is lowered as far as no automated request is lost: no budget is spent for nothing.
    """
    counts = np.bincount(human, minlength=SCORE_MAX + 1).cumsum()
    gained = np.bincount(automated, minlength=SCORE_MAX + 1)
    best = Operating(0, proven=False, false_positives=share(0, len(human)))
    if not len(human):
        return best  # every score keeps a budget that nobody is there for
    for score in range(SCORE_MAX, SCORE_MIN - 1, -1):
        count = int(counts[score])
        if count > budget * len(human):
            continue  # without its interval, which takes half a second for 100,000 people
        found = share(count, len(human))
        proven = found.upper is not None and found.upper <= budget
        if proven and not best.proven:
            best = Operating(score, proven=True, false_positives=found)
        elif not best.score or (proven == best.proven and not gained[best.score]):
            best = Operating(score, proven=proven, false_positives=found)
        elif best.proven:
            break
    return best


def lowest_by_client(scores: Scores, client: Places, ordinal: Places, requests: int) -> Scores:
    """The lowest score of each client within its first requests."""
    early = ordinal <= requests
    clients, at = np.unique(client[early], return_inverse=True)
    found = np.full(len(clients), SCORE_MAX + 1)
    np.minimum.at(found, at, scores[early])
    return found


def _least_upper(count: int, of: int) -> float:
    """The share at which so few as `count` of `of` have a chance of 5 %; `count` below `of`."""
    seen = np.arange(1, count + 1)
    ways = np.concatenate(([0.0], np.cumsum(np.log((of - seen + 1) / seen))))
    failures = np.arange(count + 1)
    low, high = count / of, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        logs = ways + failures * math.log(middle) + (of - failures) * math.log1p(-middle)
        top = float(logs.max())
        chance = math.exp(top) * float(np.exp(logs - top).sum()) if top > _LOG_TINY else 0.0
        low, high = (middle, high) if chance > 1 - CONFIDENCE else (low, middle)
    return high
