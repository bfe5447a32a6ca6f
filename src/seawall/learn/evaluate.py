"""Everything that is measured of one model on one set of rows: numbers only, for people and checks.

Detection is told for bots; tools are automated too, but sites want to serve them. It is the mean
over families, with the worst beside it, so that a large family cannot hide a small one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from seawall.bots.model import SCORE_MAX, SCORE_MIN, Model
from seawall.learn import metrics, scoring
from seawall.learn.metrics import Operating, Share, share
from seawall.learn.rows import BOT, CLASSES, HUMAN, Flags, Rows, weights
from seawall.learn.scoring import Reals, Scores

REQUESTS: Final = (1, 3, 5, 10)
"""After how many requests of a client it is asked whether one of them was caught."""
UNSEEN: Final = "unseen"
LATER: Final = "later"
ALL: Final = "all"
_CURVE_POINTS: Final = 400
_IMPORTANCE_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Family:
    """One family in figures.

    Attributes:
        part: `unseen` when nothing of it was trained on, `later` when the clients are, or `all`.
        caught: requests at or below the operating score: wanted of bots, harm to people.
        clients: clients with such a request.
        middle: the median score.
    """

    name: str
    label: str
    part: str
    caught: Share
    clients: Share
    middle: int


@dataclass(frozen=True, slots=True)
class Early:
    """Clients of a class with a caught request among their first ones."""

    requests: int
    label: str
    caught: Share


@dataclass(frozen=True, slots=True)
class Bin:
    """Requests with scores from `low` to `high`: which share of them should be, and is, of people.

    Attributes:
        weight: share of all requests.
    """

    low: int
    high: int
    claimed: float
    observed: float
    weight: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model on one set of rows.

    Attributes:
        auc: area under the ROC, people against programs.
        detection: mean share of caught requests over families of bots; None without bots, and
            without people: what may be caught is told by how many of them are.
        unseen: likewise of families that were not trained on; None when there are none.
        false_positive_clients: people with at least one caught request.
        curve: ROC, as false-positive and detection rates of programs, rising.
        histogram: requests of each score from 1 to 99, by class.
        importance: mean distance by which each feature moved the log-odds.
    """

    model: str
    rows: int
    clients: int
    auc: float
    calibration_error: float
    brier: float
    budget: float
    operating: Operating
    detection: float | None
    unseen: float | None
    false_positive_clients: Share
    families: tuple[Family, ...]
    early: tuple[Early, ...]
    bins: tuple[Bin, ...]
    curve: tuple[tuple[float, float], ...]
    histogram: dict[str, tuple[int, ...]]
    importance: dict[str, float]

    @property
    def worst(self) -> Family | None:
        """The family of bots that is caught least; None as `detection` is."""
        if self.detection is None:
            return None
        bots = [family for family in self.families if family.label == BOT]
        return min(bots, key=lambda f: (f.caught.value or 0.0, f.name), default=None)


def evaluate(model: Model, rows: Rows, budget: float, unseen: Flags | None = None) -> Evaluation:
    """Measure a model on rows, of which there is at least one.

    `budget` is the share of human requests that may be caught. `unseen` tells which rows are of
    families that were not trained on; without it nothing is known of that.
    """
    margins = scoring.margins(model, rows.codes)
    scores = scoring.scores_of(model, margins)
    weight = weights(rows)
    point = metrics.operating(scores[rows.human], scores[~rows.human], budget)
    error, brier = metrics.calibration(scores, rows.human, weight)
    families = _families(rows, scores, point.score, unseen)
    lowest = metrics.lowest_by_client(
        scores[rows.human], rows.client[rows.human], rows.ordinal[rows.human], 1 << 62
    )
    step = max(1, len(rows) // _IMPORTANCE_ROWS)
    return Evaluation(
        model=model.name,
        rows=len(rows),
        clients=len(np.unique(rows.client)),
        auc=metrics.auc(margins, rows.human, weight),
        calibration_error=error,
        brier=brier,
        budget=budget,
        operating=point,
        detection=_mean(families) if rows.human.any() else None,
        unseen=_mean(tuple(family for family in families if family.part == UNSEEN))
        if rows.human.any()
        else None,
        false_positive_clients=share(int((lowest <= point.score).sum()), len(lowest)),
        families=families,
        early=_early(rows, scores, point.score),
        bins=_bins(scores, rows.human, weight),
        curve=_curve(margins, rows.human, weight),
        histogram={
            label: tuple(
                int(count)
                for count in np.bincount(scores[rows.of(label)], minlength=SCORE_MAX + 1)[1:]
            )
            for label in CLASSES
        },
        importance=scoring.importance(model, rows.codes[::step]),
    )


def _mean(families: tuple[Family, ...]) -> float | None:
    shares = [f.caught.value for f in families if f.label == BOT and f.caught.value is not None]
    return sum(shares) / len(shares) if shares else None


def _families(rows: Rows, scores: Scores, point: int, unseen: Flags | None) -> tuple[Family, ...]:
    found = []
    for family in np.unique(rows.family):
        own = rows.family == family
        caught = scores[own] <= point
        clients = np.unique(rows.client[own])
        struck = np.unique(rows.client[own][caught])
        part = ALL if unseen is None else UNSEEN if unseen[own].all() else LATER
        found.append(
            Family(
                name=rows.families[int(family)],
                label=CLASSES[int(rows.label[own][0])],
                part=part,
                caught=share(int(caught.sum()), int(own.sum())),
                clients=share(len(struck), len(clients)),
                middle=int(np.median(scores[own])),
            )
        )
    return tuple(found)


def _early(rows: Rows, scores: Scores, point: int) -> tuple[Early, ...]:
    found = []
    for label in CLASSES:
        own = rows.of(label)
        for requests in REQUESTS:
            lowest = metrics.lowest_by_client(
                scores[own], rows.client[own], rows.ordinal[own], requests
            )
            caught = share(int((lowest <= point).sum()), len(lowest))
            found.append(Early(requests, label, caught))
    return tuple(found)


def _bins(scores: Scores, human: Flags, weight: Reals) -> tuple[Bin, ...]:
    """Ten bins of scores; an empty one is left out."""
    found = []
    for low in range(0, 100, 10):
        own = (scores >= low) & (scores < low + 10)
        total = float(weight[own].sum())
        if total > 0:
            found.append(
                Bin(
                    low=max(low, SCORE_MIN),
                    high=low + 9,
                    claimed=float((weight[own] * scores[own]).sum()) / total / 100,
                    observed=float(weight[own & human].sum()) / total,
                    weight=total / float(weight.sum()),
                )
            )
    return tuple(found)


def _curve(margins: Reals, human: Flags, weight: Reals) -> tuple[tuple[float, float], ...]:
    if human.all() or not human.any():
        return ()
    _, at = np.unique(margins, return_inverse=True)
    people = np.bincount(at, weights=weight * human)
    programs = np.bincount(at, weights=weight * ~human)
    false = np.concatenate(([0.0], np.cumsum(people) / people.sum()))
    true = np.concatenate(([0.0], np.cumsum(programs) / programs.sum()))
    # A point where the curve turns is kept; of a long straight run only its ends.
    turns = np.ones(len(false), dtype=np.bool_)
    turns[1:-1] = (np.diff(false)[:-1] > 0) | (np.diff(false)[1:] > 0)
    places = np.flatnonzero(turns)
    if len(places) > _CURVE_POINTS:
        places = places[np.linspace(0, len(places) - 1, _CURVE_POINTS).astype(np.int64)]
    return tuple((float(false[place]), float(true[place])) for place in places)


def headline(found: Evaluation) -> dict[str, float]:
    """The figures that a model carries with it; what is missing is left out, never 0."""
    point = found.operating
    figures: dict[str, float | None] = {
        "auc": found.auc,
        "brier": found.brier,
        "calibration-error": found.calibration_error,
        "clients": float(found.clients),
        "detection": found.detection,
        "detection-unseen": found.unseen,
        "detection-worst-family": found.worst.caught.value if found.worst else None,
        "false-positive-budget": found.budget,
        "false-positive-share": point.false_positives.value if point.score else None,
        "false-positive-upper": point.false_positives.upper if point.score else None,
        "human-requests": float(sum(found.histogram[HUMAN])),
        "operating-score": float(point.score) if point.score else None,
        "rows": float(found.rows),
    }
    return {key: value for key, value in figures.items() if value is not None}
