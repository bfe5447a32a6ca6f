"""A bot model: boosted trees over feature codes, from a vector to a score of 1 to 99.

1 is certainly automated, 99 certainly human. A score that is not there is None, never a number.
Sums are taken in the order of the trees in double precision, as LightGBM and the Lua evaluator
do, so all three give the same bits. Pure.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from seawall.bots.features import INDEX

SCORE_MIN: Final = 1
SCORE_MAX: Final = 99
CUTS: Final = SCORE_MAX - SCORE_MIN


@dataclass(frozen=True, slots=True)
class Tree:
    """One decision tree. Node 0 is the root; a tree of one leaf has no node.

    Attributes:
        feature: index into the model's features, of each node.
        threshold: codes up to and including this go left.
        left: child when the code is small: a node, or `-1 - leaf`.
        right: child otherwise.
        leaf: value of each leaf, in log-odds of human.
        mean: expected value at each node, to tell which feature moved a score.
    """

    feature: tuple[int, ...]
    threshold: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaf: tuple[float, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Golden:
    """A vector with the score that the model must give, wherever it is loaded."""

    vector: str
    score: int


@dataclass(frozen=True)
class Model:
    """A checked model; `seawall.bots.artifact` reads and writes it.

    Attributes:
        name: for people, such as `starter-2026-11`.
        created: RFC 3339 date.
        parent: digest of the model it replaces; empty for a first one.
        features: names, at most 64, in the order that trees refer to.
        base: log-odds before the first tree.
        cuts: 98 margins, not falling: a score is 1 plus the number of cuts that are not above.
        golden: proofs of a right evaluation.
        metrics: what it was accepted with.
    """

    name: str
    created: str
    parent: str
    features: tuple[str, ...]
    base: float
    trees: tuple[Tree, ...]
    cuts: tuple[float, ...]
    golden: tuple[Golden, ...]
    metrics: Mapping[str, float]

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where each feature of the model stands in a vector."""
        return tuple(INDEX[name] for name in self.features)

    def margin(self, codes: Sequence[int]) -> float:
        """Log-odds of human for a whole vector of codes."""
        total = self.base
        own = [codes[place] for place in self.places]
        for tree in self.trees:
            total += tree.leaf[_leaf_of(tree, own)]
        return total

    def score(self, codes: Sequence[int]) -> int:
        """1 (automated) to 99 (human) for a whole vector of codes."""
        return score_of(self.margin(codes), self.cuts)

    def reasons(self, codes: Sequence[int]) -> dict[str, float]:
        """How far each feature moved the log-odds from the mean, largest first.

        Each step down a tree moves its expected value; the step belongs to the feature asked
        (Saabas 2014, "Interpreting random forests").
        """
        moved: dict[str, float] = {}
        own = [codes[place] for place in self.places]
        for tree in self.trees:
            for name, step in _steps(tree, own, self.features):
                moved[name] = moved.get(name, 0.0) + step
        return dict(sorted(moved.items(), key=lambda item: -abs(item[1])))


def score_of(margin: float, cuts: Sequence[float]) -> int:
    """The score of a margin."""
    return SCORE_MIN + bisect_right(cuts, margin)


def _leaf_of(tree: Tree, own: Sequence[int]) -> int:
    node = 0 if tree.feature else -1
    while node >= 0:
        small = own[tree.feature[node]] <= tree.threshold[node]
        node = tree.left[node] if small else tree.right[node]
    return -1 - node


def _steps(tree: Tree, own: Sequence[int], names: Sequence[str]) -> list[tuple[str, float]]:
    steps = []
    node = 0 if tree.feature else -1
    while node >= 0:
        small = own[tree.feature[node]] <= tree.threshold[node]
        child = tree.left[node] if small else tree.right[node]
        value = tree.mean[child] if child >= 0 else tree.leaf[-1 - child]
        steps.append((names[tree.feature[node]], value - tree.mean[node]))
        node = child
    return steps
