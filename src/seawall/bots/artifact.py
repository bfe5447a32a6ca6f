"""The model as a file: strictly read, whole or not at all, and written so that it reads back.

Every bound is checked before anything is built from the file: size, number of features and trees,
duplicate or unknown names, the digest of the schema, numbers that are not finite, trees that do
not end, cuts that fall, and golden vectors that do not come out. The same checks run where a model
is made, at the gate, and (by its golden vectors) again in Envoy as it loads.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seawall import limits
from seawall.bots.features import CODE_MAX, FEATURES, from_text, schema_digest
from seawall.bots.model import CUTS, SCORE_MAX, SCORE_MIN, Golden, Model, Tree, score_of
from seawall.errors import RefusedError
from seawall.strict_json import once

FORMAT: Final = 1
"""A change here needs a new folder in tests/golden/history."""
KIND: Final = "seawall-bot-model"
_SHOWN: Final = 3
_MODELS_REMEMBERED: Final = 4
"""The model in force and its shadow, before and after a change."""

_Whole = Annotated[int, Field(strict=True)]
_Text = Annotated[str, Field(max_length=limits.BOT_MODEL_TEXT_LENGTH_CHARS_MAX)]
_Number = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, ge=-limits.BOT_MARGIN_MAX, le=limits.BOT_MARGIN_MAX),
]
_Metric = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Nodes = limits.BOT_TREE_NODES_MAX
_Leaves = limits.BOT_TREE_NODES_MAX + 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tree(_Strict):
    feature: Annotated[tuple[_Whole, ...], Field(max_length=_Nodes)]
    threshold: Annotated[tuple[_Whole, ...], Field(max_length=_Nodes)]
    left: Annotated[tuple[_Whole, ...], Field(max_length=_Nodes)]
    right: Annotated[tuple[_Whole, ...], Field(max_length=_Nodes)]
    leaf: Annotated[tuple[_Number, ...], Field(min_length=1, max_length=_Leaves)]
    mean: Annotated[tuple[_Number, ...], Field(max_length=_Nodes)]


class _Golden(_Strict):
    vector: Annotated[str, Field(max_length=limits.BOT_FEATURES_MAX)]
    score: Annotated[_Whole, Field(ge=SCORE_MIN, le=SCORE_MAX)]


class _File(_Strict):
    format: _Whole
    kind: _Text
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T[0-9:.]{8,15}Z)?$")]
    parent: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    schema_: Annotated[str, Field(alias="schema", pattern=r"^[0-9a-f]{64}$")]
    features: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=limits.BOT_FEATURES_MAX)]
    base: _Number
    trees: Annotated[tuple[_Tree, ...], Field(min_length=1, max_length=limits.BOT_TREES_MAX)]
    cuts: Annotated[tuple[_Number, ...], Field(min_length=CUTS, max_length=CUTS)]
    golden: Annotated[
        tuple[_Golden, ...],
        Field(min_length=limits.BOT_GOLDEN_MIN, max_length=limits.BOT_GOLDEN_MAX),
    ]
    metrics: Annotated[dict[_Text, _Metric], Field(max_length=limits.BOT_MODEL_METRICS_MAX)]


def digest(content: bytes) -> str:
    """What names a model: SHA-256 of its file."""
    return hashlib.sha256(content).hexdigest()


def read(content: bytes) -> Model:
    """The model in a file.

    Raises:
        RefusedError: with the first faults in words; whatever the file holds, nothing else.
    """
    if len(content) > limits.BOT_MODEL_SIZE_BYTES_MAX:
        raise _refused(
            f"it has {len(content):,} bytes; at most {limits.BOT_MODEL_SIZE_BYTES_MAX:,} are read"
        )
    file = _parsed(content)
    if file.format != FORMAT:
        raise _refused(f"it has format {file.format}; this Seawall knows {FORMAT}")
    duplicate = _first_duplicate(file.features)
    if duplicate:
        raise _refused(f"it lists the feature {duplicate!r} twice")
    if schema_digest(file.features) != file.schema_:
        raise _refused("its features have another meaning than in this Seawall")
    for number, tree in enumerate(file.trees):
        fault = next(_faults(tree, len(file.features)), "")
        if fault:
            raise _refused(f"tree {number}: {fault}")
    if any(a > b for a, b in zip(file.cuts, file.cuts[1:], strict=False)):
        raise _refused("its cuts are not ascending: a higher margin must not give a lower score")
    model = Model(
        name=file.name,
        created=file.created,
        parent=file.parent,
        features=file.features,
        base=file.base,
        trees=tuple(
            Tree(t.feature, t.threshold, t.left, t.right, t.leaf, t.mean) for t in file.trees
        ),
        cuts=file.cuts,
        golden=tuple(Golden(g.vector, g.score) for g in file.golden),
        metrics=dict(file.metrics),
    )
    _require_golden(model)
    return model


@lru_cache(maxsize=_MODELS_REMEMBERED)
def remembered(content: bytes) -> Model:
    """As `read`: what one step of a release has checked, the next one need not read again."""
    return read(content)


def write(model: Model) -> bytes:
    """The file of a model: one canonical text, so equal models have equal digests.

    Raises:
        RefusedError: `read` would not take it.
    """
    value = {
        "format": FORMAT,
        "kind": KIND,
        "name": model.name,
        "created": model.created,
        "parent": model.parent,
        "schema": schema_digest(model.features),
        "features": model.features,
        "base": model.base,
        "trees": [
            {
                "feature": t.feature,
                "threshold": t.threshold,
                "left": t.left,
                "right": t.right,
                "leaf": t.leaf,
                "mean": t.mean,
            }
            for t in model.trees
        ],
        "cuts": model.cuts,
        "golden": [{"vector": g.vector, "score": g.score} for g in model.golden],
        "metrics": dict(sorted(model.metrics.items())),
    }
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise _refused("it contains a number that is not finite") from error
    content = text.encode() + b"\n"
    read(content)
    return content


def _parsed(content: bytes) -> _File:
    try:
        # Bytes in UTF-16 would be read as well, and the model in force travels as text.
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=once)
        if not isinstance(value, dict):
            raise _refused("it is not a JSON object")
        if value.get("kind") != KIND:
            # Of what is no model not even the names of fields are told: whoever may have a site
            # file checked can name any file in it, and need not be allowed to read it.
            raise _refused(f"it is not a bot model: its `kind` is not {KIND}")
        return _File.model_validate(value)
    except ValidationError as error:
        found = [
            f"{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)[:_SHOWN]
        ]
        more = error.error_count() - len(found)
        raise _refused("; ".join(found) + (f"; and {more} more" if more > 0 else "")) from error
    except (ValueError, RecursionError) as error:
        raise _refused("it is not complete JSON in UTF-8, or contains a key twice") from error


def _first_duplicate(names: tuple[str, ...]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name[:60]
        seen.add(name)
    return ""


def _faults(tree: _Tree, features: int) -> Iterator[str]:
    """What is wrong with a tree: it must be one, and each node lie behind the one that leads there.

    A child has a higher number than its parent, so that no walk can turn in a circle, and every
    node and leaf has exactly one parent.
    """
    nodes = len(tree.feature)
    if {len(tree.threshold), len(tree.left), len(tree.right), len(tree.mean)} != {nodes}:
        yield "its lists have different lengths"
        return
    if len(tree.leaf) != nodes + 1:
        yield f"{nodes} nodes need {nodes + 1} leaves, not {len(tree.leaf)}"
        return
    for node in range(nodes):
        if not 0 <= tree.feature[node] < features:
            yield f"node {node} asks for a feature that is not listed"
        if not 0 <= tree.threshold[node] < CODE_MAX:
            yield f"node {node} compares with {tree.threshold[node]}, outside 0 to {CODE_MAX - 1}"
        for child in (tree.left[node], tree.right[node]):
            if not (node < child < nodes or -len(tree.leaf) <= child < 0):
                yield f"node {node} leads nowhere"
                return
    children = [*tree.left, *tree.right]
    if len(set(children)) != len(children):
        yield "two nodes lead to the same place"


def _require_golden(model: Model) -> None:
    for number, golden in enumerate(model.golden):
        codes = from_text(golden.vector)
        if codes is None or len(golden.vector) > len(FEATURES):
            raise _refused(f"golden vector {number} is not a valid vector")
        margin = model.margin(codes)
        score = score_of(margin, model.cuts)
        if not math.isfinite(margin) or score != golden.score:
            raise _refused(f"golden vector {number} scores {score}, not {golden.score}")
    if len({golden.score for golden in model.golden}) == 1:
        raise _refused("all its golden vectors have one score: they prove nothing")


def _refused(why: str) -> RefusedError:
    return RefusedError(
        "bot-model-refused",
        f"The bot model is refused: {why}.",
        remedy="Check the program that made it; the current model stays in force. If a model for "
        "another version of Seawall was pushed, replace it with `seawall feed push "
        "bot-model FILE`.",
    )
