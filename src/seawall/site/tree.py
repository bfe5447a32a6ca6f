"""The located tree: plain YAML values that remember where they were written.

Mappings and lists are subclasses of `dict` and `list`, so a schema reads them as if nothing were
special, and each keeps one small integer per child for its place. Scalars are plain Python values:
their place is kept by the mapping or list that holds them. A tree never changes after parsing.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from seawall.site.problem import Location

COLUMN_BITS: Final = 20
COLUMN_MAX: Final = (1 << COLUMN_BITS) - 1

Scalar: TypeAlias = str | int | float | bool | None
Node: TypeAlias = "Scalar | MapNode | ListNode"
Mark: TypeAlias = int
"""A place as one integer: line and column, both from 0; see `mark` and `place`."""


def mark(line: int, column: int) -> Mark:
    """Pack a place; a column beyond a million is counted as a million."""
    return line << COLUMN_BITS | min(COLUMN_MAX, column)


def place(file: str, at: Mark) -> Location:
    """The place as people count: from 1."""
    return Location(file, (at >> COLUMN_BITS) + 1, (at & COLUMN_MAX) + 1)


ANY_KEY: Final = "?"
"""Among the lost keys: one that could not be read, which may have been any."""


class MapNode(dict[str, Node]):
    """A mapping; `keys_at` and `values_at` hold the place of each key and value.

    `lost` are the keys whose value was written and could not be read: it is not there, or something
    stands in for it. `damaged` says that something was lost here or below.
    """

    __slots__ = ("at", "damaged", "keys_at", "lost", "values_at")

    def __init__(self, at: Mark) -> None:
        super().__init__()
        self.at = at
        self.damaged = False
        self.lost: frozenset[str] = frozenset()
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    __hash__ = None


class ListNode(list[Node]):
    """A list; `items_at` holds the place of each item. `damaged` as in `MapNode`.

    `lost` says that it had items that could not be read.
    """

    __slots__ = ("at", "damaged", "items_at", "lost")

    def __init__(self, at: Mark) -> None:
        super().__init__()
        self.at = at
        self.damaged = False
        self.lost = False
        self.items_at: list[Mark] = []

    __hash__ = None


Step: TypeAlias = str | int


def find_mark(root: Node, at: Mark, path: Sequence[Step], *, of_key: bool = False) -> Mark:
    """The place of what stands at `path` below `root`, or of the deepest part that exists.

    A part of the path that is not in the tree is passed over: a schema may name variants.

    Args:
        root: where `path` starts.
        at: the place of `root` itself.
        path: keys and indexes.
        of_key: the place of the last key instead of its value.
    """
    node = root
    for index, step in enumerate(path):
        last = index == len(path) - 1
        if isinstance(node, MapNode) and isinstance(step, str) and step in node:
            at = node.keys_at[step] if last and of_key else node.values_at[step]
            node = node[step]
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node):
            at = node.items_at[step]
            node = node[step]
    return at


def find_node(root: Node, path: Sequence[Step]) -> Node:
    """What stands at `path`; a part that is not there is passed over."""
    node = root
    for step in path:
        if isinstance(node, MapNode) and isinstance(step, str):
            node = node.get(step, node)
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node):
            node = node[step]
    return node


def written_keys(root: Node, path: Sequence[Step]) -> tuple[str, ...]:
    """The keys of the mapping at `path`, in order; a part that is not there is passed over."""
    node = find_node(root, path)
    return tuple(node) if isinstance(node, MapNode) else ()


def is_gone(root: Node, path: Sequence[Step]) -> bool:
    """Whether what stands at `path` could not be read: a value, or an item of a list.

    It may have been written, where a key could not be read.
    """
    gone, node = _walk(root, path)
    return gone or (isinstance(node, ListNode) and node.lost)


def is_damaged(root: Node, path: Sequence[Step]) -> bool:
    """Whether what stands at `path` is gone, or something in it is."""
    gone, node = _walk(root, path)
    return gone or (isinstance(node, MapNode | ListNode) and node.damaged)


def _walk(root: Node, path: Sequence[Step]) -> tuple[bool, Node]:
    """Whether a step of `path` was lost, and what stands there."""
    node = root
    for step in path:
        if isinstance(node, MapNode) and isinstance(step, str):
            if step in node.lost or (ANY_KEY in node.lost and step not in node):
                return True, None
            node = node.get(step)
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return False, None
    return False, node
