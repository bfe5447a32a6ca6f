"""Growing a model: LightGBM on the training rows, stopped and calibrated on the tuning rows.

The same rows, seed and versions give the same bytes. What comes out is a whole `Model`, read back
from its own file by the same checks that the gate and Envoy apply.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from seawall import limits
from seawall.bots.features import INDEX, to_text
from seawall.bots.model import SCORE_MAX, SCORE_MIN, Golden, Model
from seawall.errors import RefusedError
from seawall.learn import calibrate, export, scoring, strangers
from seawall.learn.rows import Rows, both, weights
from seawall.learn.split import Split

_FALLS: Final = ("requests-", "paths-", "errors-", "arrivals")
"""Features of which more never makes a client more human: nobody buys trust by asking more."""
_LEAF_ROWS: Final = (5, 100, 500)
"""Rows of a leaf: at least, at most, and a row for so many training rows."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What a model is told about itself.

    Attributes:
        created: RFC 3339 date.
        parent: digest of the model it shall replace, or empty.
    """

    name: str
    created: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """One tree more, for a progress bar."""

    tree: int
    of: int
    loss: float


def train(
    rows: Rows,
    parts: Split,
    naming: Naming,
    *,
    seed: int,
    threads: int,
    watch: Callable[[Progress], None] = lambda _: None,
) -> Model:
    """A calibrated model from the training and tuning rows, without metrics yet.

    Raises:
        RefusedError: what was learned is no model: for example, all scores are one.
    """
    learned, tuned = rows.take(parts.train), rows.take(parts.tune)
    learned = both(learned, strangers.estranged(learned))
    tuned = both(tuned, strangers.estranged(tuned))
    trees = export.trees(_boost(learned, tuned, seed, threads, watch))
    bare = Model(
        name=naming.name,
        created=naming.created,
        parent=naming.parent,
        features=rows.features,
        base=0.0,
        trees=trees,
        cuts=(0.0,),
        golden=(),
        metrics={},
    )
    margins = scoring.margins(bare, tuned.codes)
    model = replace(bare, cuts=calibrate.cuts(margins, tuned.human, weights(tuned)))
    return replace(model, golden=golden(model, rows))


def parameters(features: Sequence[str], rows: int, *, seed: int, threads: int) -> dict[str, Any]:
    """What LightGBM is told."""
    least, most, per = _LEAF_ROWS
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": 0.1,
        "num_leaves": 1 << limits.LEARN_TREE_DEPTH_MAX - 1,
        "max_depth": limits.LEARN_TREE_DEPTH_MAX,
        "min_data_in_leaf": max(least, min(most, rows // per)),
        "lambda_l2": 1.0,
        "feature_fraction": 0.8,
        "max_bin": 255,
        "min_data_in_bin": 1,
        "use_missing": False,
        "zero_as_missing": False,
        "monotone_constraints": [-1 if name.startswith(_FALLS) else 0 for name in features],
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }


def golden(model: Model, rows: Rows) -> tuple[Golden, ...]:
    """Real vectors that prove a right evaluation, spread over the scores that the model gives.

    The lowest and the highest margin are among them, and of each score the first vectors by their
    text: which row came first does not matter.
    """
    vectors = np.unique(rows.codes, axis=0)
    scores = scoring.scores(model, vectors)
    chosen: list[int] = []
    for turn in range(limits.LEARN_GOLDEN_WANTED):
        for score in range(SCORE_MIN, SCORE_MAX + 1):
            places = np.flatnonzero(scores == score)
            if turn < len(places):
                chosen.append(int(places[turn]))
        if len(chosen) >= limits.LEARN_GOLDEN_WANTED:
            break
    if len({int(scores[place]) for place in chosen}) < 2:  # noqa: PLR2004 - two sides
        raise RefusedError(
            "bot-training-learned-nothing",
            "The trained model gives every request the same score: it has learned nothing.",
            remedy="Look at the labels: the report of the records counts them by source.",
        )
    step = len(chosen) / min(len(chosen), limits.BOT_GOLDEN_MAX)
    spread = sorted(
        {chosen[int(at * step)] for at in range(min(len(chosen), limits.BOT_GOLDEN_MAX))}
    )
    return tuple(
        Golden(to_text([int(code) for code in vectors[place]]), int(scores[place]))
        for place in spread
    )


def _boost(
    learned: Rows, tuned: Rows, seed: int, threads: int, watch: Callable[[Progress], None]
) -> str:
    import lightgbm  # noqa: PLC0415 - slow to load, and parity alone needs none of it

    options = parameters(learned.features, len(learned), seed=seed, threads=threads)
    places = [INDEX[name] for name in learned.features]

    def data(rows: Rows, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            rows.codes[:, places].astype(np.float32),  # holds every code, in half the memory
            rows.human.astype(np.float64),
            weight=weights(rows),
            reference=reference,
            params=options,
        )

    def told(state: Any) -> None:
        loss = float(state.evaluation_result_list[0][2])
        watch(Progress(state.iteration + 1, limits.LEARN_TREES_MAX, loss))

    grown = data(learned)
    booster = lightgbm.train(
        options,
        grown,
        num_boost_round=limits.LEARN_TREES_MAX,
        valid_sets=[data(tuned, grown)],
        callbacks=[lightgbm.early_stopping(limits.LEARN_STOP_ROUNDS, verbose=False), told],
    )
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text
