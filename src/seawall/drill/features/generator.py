"""The generator: from a list of columns to a model file, without a single check of its own.

It does what generators do: it takes what the database lists, and writes a file whose checksum is
right. Every way in which such a file goes wrong is a function here. Pure.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from seawall.bots import artifact
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, from_text, to_text
from seawall.bots.model import CUTS, Golden, Model, Tree
from seawall.drill.features.columns import column, feature
from seawall.limits import BOT_TREES_MAX

LOOKED_AT: Final = "agent-length"
"""The one feature of the drill's model: it is the same in every request of the crowd, so that the
score of a request is known and may not change."""
_STEP: Final = 3
_NODES: Final = (CODE_MAX - 1) // _STEP
_DEEP: Final = 100_000
_PADDING_BYTES: Final = 3 << 20
_OVER: Final = 201
"""One more than the proxy of that day had room for."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that must not come into force, and what is wrong with it."""

    what: str
    content: bytes


def model_file(columns: Sequence[str]) -> bytes:
    """The file for a list of columns, whatever is in it.

    The trees look at one feature by its name, so another order of the list changes nothing.
    """
    names = [feature(name) for name in columns]
    file: dict[str, Any] = json.loads(artifact.write(_model()))
    file["features"], file["schema"] = names, _checksum(names)
    file["trees"][0]["feature"] = [names.index(LOOKED_AT)] * _NODES
    return _text(file)


def good_file() -> bytes:
    """The file for the right list."""
    return model_file(sorted(column(each.name) for each in FEATURES))


def bad_files(good: bytes) -> Iterator[BadFile]:
    """Every way to be wrong, made from a good file."""
    for what, change in _CHANGES.items():
        file = json.loads(good)
        change(file)
        yield BadFile(what, _text(file))
    yield BadFile("an empty file", b"")
    yield BadFile("cut off in the middle", good[: len(good) // 2])
    yield BadFile("ten times in a row", good * 10)
    yield BadFile("padded to three million bytes", good + b" " * _PADDING_BYTES)
    yield BadFile("nested a hundred thousand deep", b"[" * _DEEP + b"]" * _DEEP)
    model = artifact.read(good)
    yield BadFile(
        "right in form, wrong in meaning: scores turned round", _promising(_turned(model))
    )
    yield BadFile("right in form: nearly everybody scores 1", _promising(_flat(model)))


# --- Writing without checks -----------------------------------------------------------------------


def _model() -> Model:
    """Scores `1 + code` of one feature, in steps."""
    tree = Tree(
        feature=(0,) * _NODES,
        threshold=tuple(node * _STEP for node in range(_NODES)),
        left=tuple(-1 - node for node in range(_NODES)),
        right=(*range(1, _NODES), -1 - _NODES),
        leaf=tuple(float(node * _STEP) for node in range(_NODES + 1)),
        mean=(0.0,) * _NODES,
    )
    bare = Model(
        name="drill",
        created="2025-11-18",
        parent="",
        features=(LOOKED_AT,),
        base=0.0,
        trees=(tree,),
        cuts=tuple(float(cut + 1) for cut in range(CUTS)),
        golden=(),
        metrics={},
    )
    places = range(len(FEATURES))
    vectors = [
        tuple(code if place == INDEX[LOOKED_AT] else 1 for place in places)
        for code in range(0, CODE_MAX, _STEP)
    ]
    return replace(bare, golden=tuple(Golden(to_text(v), bare.score(v)) for v in vectors))


def _checksum(names: Sequence[str]) -> str:
    """The digest of the schema that `artifact.read` wants, for any names at all."""
    known = [FEATURES[INDEX[name]] if name in INDEX else None for name in names]
    facts = [
        [name, each.kind.value, each.meaning] if each else [name, "", ""]
        for name, each in zip(names, known, strict=True)
    ]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def _text(file: object) -> bytes:
    return json.dumps(file, separators=(",", ":")).encode()


# --- Ways to be wrong -----------------------------------------------------------------------------

_File = dict[str, Any]


def _sealed(change: Callable[[list[str]], list[str]]) -> Callable[[_File], None]:
    """Another list of names, with the checksum that belongs to it."""

    def apply(file: _File) -> None:
        file["features"] = change(file["features"])
        file["schema"] = _checksum(file["features"])

    return apply


def _unsealed(file: _File) -> None:
    file["features"] = file["features"][::-1]


def _put(*path: str | int, value: object) -> Callable[[_File], None]:
    def apply(file: _File) -> None:
        at: Any = file
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return apply


def _one_score(file: _File) -> None:
    file["trees"][0]["leaf"] = [-1.0] * (_NODES + 1)
    for golden in file["golden"]:
        golden["score"] = 1


def _many_trees(file: _File) -> None:
    file["trees"] *= BOT_TREES_MAX + 1


_CHANGES: Final[dict[str, Callable[[_File], None]]] = {
    "201 features": _sealed(lambda _: [f"feature_{number:03d}" for number in range(_OVER)]),
    "60 features, and 141 of them again": _sealed(
        lambda names: [*names[:60], *(names[number % 60] for number in range(_OVER - 60))]
    ),
    "one feature twice in a list of the right length": _sealed(
        lambda names: [*names[:-1], names[0]]
    ),
    "the right number in another order": _unsealed,
    "another order, with the right checksum": _sealed(lambda names: names[::-1]),
    "names that the reader does not know": _sealed(lambda names: [f"{n}-v2" for n in names]),
    "a text where a list belongs": _put("features", value="tls-version"),
    "texts where numbers belong": _put("trees", 0, "threshold", value=["1"] * _NODES),
    "no features": _sealed(lambda _: []),
    "an invalid number": _put("trees", 0, "leaf", 3, value=float("nan")),
    "a number without end": _put("base", value=float("inf")),
    "a tree that turns in a circle": _put("trees", 0, "right", 5, value=0),
    "hundreds of trees": _many_trees,
    "one score for everybody": _one_score,
}


def _turned(model: Model) -> Model:
    tree = model.trees[0]
    return replace(model, trees=(replace(tree, leaf=tree.leaf[::-1]),))


def _flat(model: Model) -> Model:
    """Everybody is a bot but for the last golden vectors, so that there is more than one score."""
    tree = model.trees[0]
    leaf = (*(-1.0 for _ in tree.leaf[:-1]), tree.leaf[-1])
    return replace(model, trees=(replace(tree, leaf=leaf),))


def _promising(model: Model) -> bytes:
    """The file of a model whose golden vectors come out: nothing in it contradicts itself."""
    vectors = [(each.vector, from_text(each.vector)) for each in model.golden]
    golden = tuple(Golden(text, model.score(codes)) for text, codes in vectors if codes)
    return artifact.write(replace(model, golden=golden))
