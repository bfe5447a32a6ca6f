"""A file in which one site was changed: that site is read anew, and everything else is as it was.

Reading a file with a thousand sites takes most of the time of a small change. Where a site stands
in a block of its own, what is in it and what is around it do not depend on each other: so only the
lines of that site are parsed and validated, and put in the place of those before. The result is
what reading the whole file would give. Whatever is not plainly so (anchors, flow style, another
name, several sites, anything wrong) is left to whoever reads the whole file. Pure.
"""

import re
from itertools import pairwise
from typing import Final, TypeVar

from seawall import limits
from seawall.site.cache import CachedFile
from seawall.site.parse import parse_plain
from seawall.site.schema.edge import IncludedFile
from seawall.site.schema.site import SiteSection
from seawall.site.tree import COLUMN_BITS, ListNode, MapNode, Mark, Node
from seawall.site.validate import validate

NodeT = TypeVar("NodeT", MapNode, ListNode)
_SITES: Final = "sites"
_TOP: Final = b"sites:\n"
"""Before the lines of a site, this makes a file of the same depth and columns; it is one line."""
_MARKERS: Final = re.compile(rb"^(---|\.\.\.|%)", re.MULTILINE)
"""What begins or ends a document, and cannot be told apart from its end in a part of it."""


def read_anew(path: str, known: CachedFile, content: bytes) -> CachedFile | None:
    """`content` as parsed and validated, by what is `known` of an earlier content.

    Returns:
        None when the whole file must be read.
    """
    sites = known.tree.get(_SITES) if known.tree is not None else None
    if known.tree is None or not isinstance(sites, MapNode) or not _plain(known, content):
        return None
    found = _changed(known.content, content, sites)
    if found is None:
        return None
    name, first, old, new = found
    before, after = _read(path, name, old, first), _read(path, name, new, first)
    if before is None or after is None or not _as_in(before[0], sites, name):
        return None
    if before[0].keys_at != after[0].keys_at:
        return None  # another indentation than that of all others
    end, lines = first + old.count(b"\n"), new.count(b"\n") - old.count(b"\n")
    tree = _with(known.tree, after[0], name, _Shift(end << COLUMN_BITS, lines << COLUMN_BITS))
    model = known.model.model_copy(update={_SITES: {**known.model.sites, name: after[1]}})
    return CachedFile(content, known.is_root, tree, model, ())


def _plain(known: CachedFile, content: bytes) -> bool:
    """Whether all was well, lines end as they are counted, and only counting tells of no bound."""
    bounded = len(content) + limits.SITE_YAML_ALIAS_NODES_MAX <= limits.SITE_YAML_NODES_MAX
    well = not known.problems and known.tree is not None and not known.tree.damaged
    return well and bounded and b"\r" not in content and b"\r" not in known.content


def _changed(old: bytes, new: bytes, sites: MapNode) -> tuple[str, int, bytes, bytes] | None:
    """The one site that differs: its name, its first line (from 0), its lines before and after."""
    same = old.rfind(b"\n", 0, _common(old, new)) + 1
    rest = min(len(old), len(new)) - same
    tail = _common(old[::-1][:rest], new[::-1][:rest])
    line = old.count(b"\n", 0, same)
    names = list(sites)
    lines = [sites.keys_at[name] >> COLUMN_BITS for name in names]
    if not lines or any(one >= other for one, other in pairwise(lines)):
        return None
    index = sum(one <= line for one in lines) - 1
    if lines[index] == line and len(old) - tail == same:
        index -= 1  # lines were added before its key: they belong to the site before it
    if not 0 <= index < len(lines) - 1:
        return None  # before the first, or in the last, whose end is not known
    begin = _start_of(old, same, line, lines[index])
    end = begin
    for _ in range(lines[index + 1] - lines[index]):
        end = old.index(b"\n", end) + 1
    if len(old) - tail > end:
        return None
    after = new[begin : len(new) - (len(old) - end)]
    return names[index], lines[index], old[begin:end], after


def _start_of(text: bytes, at: int, line: int, wanted: int) -> int:
    """Where the line `wanted` begins, `at` being on `line` and not before it."""
    for _ in range(line - wanted + 1):
        at = text.rfind(b"\n", 0, at)
    return at + 1


def _common(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning of both."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read(path: str, name: str, text: bytes, line: int) -> tuple[MapNode, SiteSection] | None:
    """A mapping of one site, placed as in the file, and its section; None unless plainly that."""
    if not text.endswith(b"\n") or _MARKERS.search(text):
        return None
    tree = parse_plain(path, _TOP + text)
    if tree is None or list(tree) != [_SITES]:
        return None
    found = tree[_SITES]
    if not isinstance(found, MapNode) or list(found) != [name]:
        return None
    section, problems, _ = validate(IncludedFile, path, tree, {})
    if problems or list(section.sites) != [name]:
        return None
    shift = _Shift(0, (line - _TOP.count(b"\n")) << COLUMN_BITS)
    return shift.of(found), section.sites[name]


def _as_in(alone: MapNode, sites: MapNode, name: str) -> bool:
    """Whether what was read of these lines alone is what was read of them with all others."""
    places = (
        (alone.keys_at[name], sites.keys_at[name]),
        (alone.values_at[name], sites.values_at[name]),
    )
    return all(one == other for one, other in places) and _equal(alone[name], sites[name])


def _equal(one: Node, other: Node) -> bool:
    """Whether two trees hold the same at the same places."""
    if type(one) is not type(other):
        return False
    if isinstance(one, MapNode) and isinstance(other, MapNode):
        places = (one.at, one.keys_at, one.values_at) == (other.at, other.keys_at, other.values_at)
        return places and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, ListNode) and isinstance(other, ListNode):
        places = (one.at, one.items_at) == (other.at, other.items_at)
        return places and all(map(_equal, one, other))
    return one == other


def _with(root: MapNode, site: MapNode, name: str, shift: "_Shift") -> MapNode:
    """A copy of `root` in which one site is another one, and what stands behind it has moved."""
    root = _copied(shift.of(root))
    sites = root[_SITES]
    if isinstance(sites, MapNode):
        sites = root[_SITES] = _copied(sites)
        sites[name] = site[name]
        sites.values_at[name] = site.values_at[name]
    return root


def _copied(node: MapNode) -> MapNode:
    """A copy; what stands below is shared."""
    copy = MapNode(node.at)
    copy.update(node)
    copy.keys_at, copy.values_at = dict(node.keys_at), dict(node.values_at)
    copy.damaged, copy.lost = node.damaged, node.lost
    return copy


class _Shift:
    """Moves what stands at or after a place; what stands before it is shared, not copied.

    An alias leads from behind to what stands before: so each place is looked at.
    """

    def __init__(self, bound: Mark, by: Mark) -> None:
        self._bound, self._by = bound, by
        self._done: dict[int, Node] = {}

    def mark(self, at: Mark) -> Mark:
        return at + self._by if at >= self._bound else at

    def of(self, node: NodeT) -> NodeT:
        """`node` moved, with all below it."""
        if not self._by:
            return node
        moved = self._done.get(id(node))
        if moved is None:
            moved = self._done[id(node)] = self._moved(node)
        return moved  # type: ignore[return-value]  # - of the same kind

    def _moved(self, node: NodeT) -> NodeT:
        if isinstance(node, ListNode):
            items = ListNode(self.mark(node.at))
            items.extend(self._below(item) for item in node)
            items.items_at = [self.mark(at) for at in node.items_at]
            items.damaged, items.lost = node.damaged, node.lost
            return items
        found = MapNode(self.mark(node.at))
        found.update((key, self._below(value)) for key, value in node.items())
        found.keys_at = {key: self.mark(at) for key, at in node.keys_at.items()}
        found.values_at = {key: self.mark(at) for key, at in node.values_at.items()}
        found.damaged, found.lost = node.damaged, node.lost
        return found

    def _below(self, value: Node) -> Node:
        if isinstance(value, MapNode):
            return self.of(value)
        return self.of(value) if isinstance(value, ListNode) else value
