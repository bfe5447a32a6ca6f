"""Small bot models for tests."""

import random
from dataclasses import replace

from seawall.bots import artifact
from seawall.bots.features import CODE_MAX, FEATURES, to_text
from seawall.bots.model import CUTS, Golden, Model, Tree, score_of


def random_vector(chance: random.Random) -> tuple[int, ...]:
    return tuple(chance.choice((0, 1, 2, chance.randint(0, CODE_MAX))) for _ in FEATURES)


def random_tree(chance: random.Random, features: int, nodes: int) -> Tree:
    """A tree grown by splitting random leaves, numbered so that children follow their parents."""
    left: list[int] = []
    right: list[int] = []
    open_ends: list[tuple[list[int], int]] = []
    for node in range(nodes):
        if open_ends:
            side, at = open_ends.pop(chance.randrange(len(open_ends)))
            side[at] = node
        left.append(0)
        right.append(0)
        open_ends += [(left, node), (right, node)]
    for leaf, (side, at) in enumerate(open_ends):
        side[at] = -1 - leaf
    return Tree(
        feature=tuple(chance.randrange(features) for _ in range(nodes)),
        threshold=tuple(chance.randrange(CODE_MAX) for _ in range(nodes)),
        left=tuple(left),
        right=tuple(right),
        leaf=tuple(chance.uniform(-1, 1) for _ in range(nodes + 1)),
        mean=tuple(chance.uniform(-0.1, 0.1) for _ in range(nodes)),
    )


def random_model(seed: int, *, trees: int = 12, nodes: int = 15, name: str = "random") -> Model:
    chance = random.Random(seed)
    names = [feature.name for feature in FEATURES]
    chance.shuffle(names)
    features = tuple(names[: chance.randint(8, len(names))])
    bare = Model(
        name=name,
        created="2026-11-28",
        parent="",
        features=features,
        base=chance.uniform(-0.5, 0.5),
        trees=tuple(
            random_tree(chance, len(features), chance.randint(0, nodes)) for _ in range(trees)
        ),
        cuts=tuple(sorted(chance.uniform(-4, 4) for _ in range(CUTS))),
        golden=(),
        metrics={"auc": 0.9},
    )
    vectors = [random_vector(chance) for _ in range(32)]
    golden = tuple(Golden(to_text(v), score_of(bare.margin(v), bare.cuts)) for v in vectors)
    return replace(bare, golden=golden)


def random_content(seed: int, **options: int) -> bytes:
    return artifact.write(random_model(seed, **options))
