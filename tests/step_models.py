"""Bot models that score by one feature alone, so that a test can say what each score must be."""

from dataclasses import replace

from bot_models import random_model
from seawall.bots import artifact
from seawall.bots.features import FEATURES, INDEX, to_text
from seawall.bots.model import CUTS, Golden, Model, Tree, score_of

_NODES = 29


def step_vector(code: int, feature: str = "tls-ciphers") -> tuple[int, ...]:
    """A vector with `code` for the feature, and something in every other place."""
    return tuple(code if place == INDEX[feature] else 1 for place in range(len(FEATURES)))


def step_model(
    shift: float = 0.0, *, name: str = "steps", feature: str = "tls-ciphers", turned: bool = False
) -> Model:
    """Scores `1 + code + shift`, in steps of three; `turned` the other way round, down from 88."""
    values = [float(node * 3) for node in range(_NODES + 1)]
    tree = Tree(
        feature=(0,) * _NODES,
        threshold=tuple(node * 3 for node in range(_NODES)),
        left=tuple(-1 - node for node in range(_NODES)),
        right=(*range(1, _NODES), -1 - _NODES),
        leaf=tuple(value + shift for value in (values[::-1] if turned else values)),
        mean=(0.0,) * _NODES,
    )
    bare = replace(
        random_model(1),
        name=name,
        features=(feature,),
        base=0.0,
        trees=(tree,),
        cuts=tuple(float(cut + 1) for cut in range(CUTS)),
    )
    vectors = [step_vector(code, feature) for code in range(0, 90, 3)]
    golden = tuple(Golden(to_text(v), score_of(bare.margin(v), bare.cuts)) for v in vectors)
    return replace(bare, golden=golden)


def step_content(shift: float = 0.0, *, name: str = "steps", feature: str = "tls-ciphers") -> bytes:
    return artifact.write(step_model(shift, name=name, feature=feature))
