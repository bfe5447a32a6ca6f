"""From a trained booster to the trees of a model, with the same bits.

Read from LightGBM's own text form, whose flat arrays are nearly ours: a split is `value <=
threshold`, a negative child `-1 - leaf`, and a child has a higher number than its parent. Codes are
whole numbers, so a threshold is floored. The average that boosting starts from is already in the
leaves of the first tree. Values are written with 17 digits, which name one double each.

Pure: the text comes in, trees go out.
"""

import math
from collections.abc import Mapping
from typing import Final

from seawall.bots.features import CODE_MAX
from seawall.bots.model import Tree
from seawall.errors import InternalError

_NUMERIC_WITHOUT_MISSING: Final = (0, 2)
"""`decision_type` (LightGBM, tree.h): bit 0 categorical, 1 default left, 2 and 3 missing."""


def trees(text: str) -> tuple[Tree, ...]:
    """The trees of a booster's text form, in order.

    Raises:
        InternalError: it holds what training here never asks for.
    """
    body, end, _ = text.partition("\nend of trees")
    parts = body.split("\nTree=")[1:]
    if not end or not parts:
        raise _unexpected("no trees")
    return tuple(_tree(_fields(part)) for part in parts)


def _fields(part: str) -> Mapping[str, list[str]]:
    pairs = (line.partition("=") for line in part.splitlines()[1:])
    return {key: value.split() for key, equals, value in pairs if equals}


def _tree(fields: Mapping[str, list[str]]) -> Tree:
    leaves = int(fields["num_leaves"][0])
    if fields["num_cat"] != ["0"] or fields.get("is_linear", ["0"]) != ["0"]:
        raise _unexpected("a categorical or linear tree")
    if any(int(kind) not in _NUMERIC_WITHOUT_MISSING for kind in fields["decision_type"]):
        raise _unexpected("a split with a rule for missing values")
    tree = Tree(
        feature=tuple(int(each) for each in fields["split_feature"]),
        threshold=tuple(_whole(each) for each in fields["threshold"]),
        left=tuple(int(each) for each in fields["left_child"]),
        right=tuple(int(each) for each in fields["right_child"]),
        leaf=tuple(float(each) for each in fields["leaf_value"]),
        mean=tuple(float(each) for each in fields["internal_value"]),
    )
    if len(tree.leaf) != leaves or len(tree.feature) != leaves - 1:
        raise _unexpected(f"{leaves} declared leaves that do not exist")
    return tree


def _whole(threshold: str) -> int:
    whole = math.floor(float(threshold))
    if not 0 <= whole < CODE_MAX:
        raise _unexpected(f"a threshold of {threshold}")
    return whole


def _unexpected(what: str) -> InternalError:
    return InternalError(
        "booster-unexpected",
        f"The trained booster contains {what}, which a Seawall model cannot represent.",
        remedy="LightGBM may have been updated. The lock file has the exact version that was "
        "tested.",
    )
