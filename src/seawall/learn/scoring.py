"""Many vectors at once through a model: the same sums in the same order as `Model.margin`."""

import numpy as np
import numpy.typing as npt

from seawall.bots.model import SCORE_MIN, Model, Tree

Codes = npt.NDArray[np.uint8]
"""A row a request, a column a feature, in the order of `seawall.bots.features.FEATURES`."""
Reals = npt.NDArray[np.float64]
Scores = npt.NDArray[np.int64]


def margins(model: Model, codes: Codes) -> Reals:
    """Log-odds of human of each row, bit for bit those of `Model.margin`."""
    own = codes[:, list(model.places)]
    total = np.full(len(codes), model.base, dtype=np.float64)
    for tree in model.trees:
        total += _leaves(tree, own)
    return total


def scores(model: Model, codes: Codes) -> Scores:
    """The score of each row, 1 to 99."""
    return scores_of(model, margins(model, codes))


def scores_of(model: Model, found: Reals) -> Scores:
    """The scores of margins."""
    return SCORE_MIN + np.searchsorted(np.asarray(model.cuts), found, side="right")


def importance(model: Model, codes: Codes) -> dict[str, float]:
    """How far each feature moves the log-odds of these rows, as a mean without sign.

    The sum of `Model.reasons` over a tree's path is taken a feature and row first, so that steps
    that cancel each other count as nothing.
    """
    own = codes[:, list(model.places)]
    moved = np.zeros((len(codes), len(model.features)))
    rows = np.arange(len(codes))
    for tree in model.trees:
        values = np.array([*tree.mean, *reversed(tree.leaf)])  # value[-1 - leaf] is the leaf's
        node = np.full(len(codes), 0 if tree.feature else -1)
        while (inner := node >= 0).any():
            at = node[inner]
            child = _next(tree, own[inner], at)
            moved[rows[inner], np.asarray(tree.feature)[at]] += values[child] - values[at]
            node[inner] = child
    mean = np.abs(moved).mean(axis=0) if len(codes) else np.zeros(len(model.features))
    found = zip(model.features, (float(value) for value in mean), strict=True)
    return dict(sorted(found, key=lambda item: -item[1]))


def _leaves(tree: Tree, own: Codes) -> Reals:
    node = np.full(len(own), 0 if tree.feature else -1)
    while (inner := node >= 0).any():
        node[inner] = _next(tree, own[inner], node[inner])
    found: Reals = np.asarray(tree.leaf, dtype=np.float64)[-1 - node]
    return found


def _next(tree: Tree, own: Codes, node: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    asked = own[np.arange(len(own)), np.asarray(tree.feature)[node]]
    small = asked <= np.asarray(tree.threshold)[node]
    return np.where(small, np.asarray(tree.left)[node], np.asarray(tree.right)[node])
