"""YAML text to a located tree, by events of the C parser, with every bound checked on the way.

Decides what YAML is allowed: one document, keys that are words, no tags, no repeated keys, aliases
and merge keys within bounds. It knows nothing of sites. It never raises for bad text: what is wrong
is a problem, and the tree is None when no meaning can be given to the file.
"""

from typing import Any, Final

import yaml
from yaml._yaml import CParser

from seawall import limits
from seawall.site.encoding import decode, fault, syntax_error
from seawall.site.problem import Location, Problem
from seawall.site.scalars import NotFiniteError, resolve
from seawall.site.tree import (
    ANY_KEY,
    COLUMN_BITS,
    COLUMN_MAX,
    ListNode,
    MapNode,
    Mark,
    Node,
    mark,
    place,
)

_MERGE: Final = "<<"


def parse(path: str, content: bytes) -> tuple[MapNode | None, list[Problem]]:
    """The mapping that a file holds, and what is wrong with it.

    Args:
        path: named in problems.
        content: the bytes of the file.
    """
    text, problem = decode(path, content)
    if problem:
        return None, [problem]
    parser = _TreeParser(path, text)
    try:
        node = parser.run()
    except _Stop:
        return None, parser.problems
    except yaml.YAMLError as error:
        return None, [*parser.problems, syntax_error(path, text, error)]
    if node is None and not parser.problems:
        return None, [
            fault("empty-file", Location(path, 0, 0), "The file is empty.", "", _REMEDY_EMPTY)
        ]
    if node is not None and not isinstance(node, MapNode):
        where = place(path, parser.root_at)
        what = "The file is not a mapping of keys to values."
        return None, [*parser.problems, fault("not-a-mapping", where, what, "", _REMEDY_EMPTY)]
    return node, parser.problems


def parse_plain(path: str, content: bytes) -> MapNode | None:
    """The same of a part of a file; None unless it is good, and without anchors and aliases."""
    text, problem = decode(path, content)
    if problem:
        return None
    parser = _TreeParser(path, text)
    try:
        node = parser.run()
    except (_Stop, yaml.YAMLError):
        return None
    return node if isinstance(node, MapNode) and parser.plain else None


def value_of(path: str, content: bytes, key: str) -> Node:
    """The value at `key` of the top mapping, read no further than that; None without a usable one.

    For those who need one setting of a file that somebody else judges: it may be large.
    """
    if _MERGE.encode() in content:  # the value may come from anywhere
        tree, _ = parse(path, content)
        return None if tree is None else tree.get(key)
    if key.encode() not in content and b"\\" not in content:  # which may spell a letter of it
        return None
    text, problem = decode(path, content)
    if problem:
        return None
    try:
        return _TreeParser(path, text).find(key)
    except (_Stop, yaml.YAMLError):
        return None


_TOO_MANY_ENTRIES: Final = f"more than {limits.SITE_YAML_ENTRIES_MAX:,} entries in one place"
_REMEDY_EMPTY: Final = "Start with `version: 1`; `seawall init` writes a complete file."


class _Stop(Exception):  # noqa: N818 - not an error: ends the walk when a bound is reached
    """The file is not read further."""


class _TreeParser:
    """Builds the tree of one file; use once."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._events: Any = CParser(text)
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._node_count = 0
        self._alias_node_count = 0
        self._depth = 0
        self._damage_count = 0
        self.problems: list[Problem] = []
        self.root_at: Mark = 0

    @property
    def plain(self) -> bool:
        """Whether nothing was wrong, and nothing was given a name or used by one."""
        return not (self.problems or self._anchors)

    def run(self) -> Node:
        next_event = self._events.get_event
        next_event()  # StreamStart
        if type(next_event()) is not yaml.DocumentStartEvent:
            return None
        event = next_event()
        self.root_at = _at(event)
        node, _ = self._node(event)
        next_event()  # DocumentEnd
        event = next_event()
        if type(event) is yaml.DocumentStartEvent:
            self._problem(
                "several-documents",
                _at(event),
                "A second YAML document starts here.",
                "A site file is one document.",
                "Remove the line `---`, or move the rest to a file named in `includes`.",
            )
        return node

    def find(self, wanted: str) -> Node:
        """Instead of `run`: the value at one key of the top mapping."""
        next_event = self._events.get_event
        next_event()  # StreamStart
        if type(next_event()) is not yaml.DocumentStartEvent:
            return None
        if type(next_event()) is not yaml.MappingStartEvent:
            return None
        while type(key_event := next_event()) is not yaml.MappingEndEvent:
            key, _ = self._node(key_event)
            value, _ = self._node(next_event())
            if key == wanted:
                return value
        return None

    def _node(self, event: Any) -> tuple[Node, int]:
        """One node and the height of the tree below it."""
        kind = type(event)
        self._node_count += 1
        if self._node_count > limits.SITE_YAML_NODES_MAX:
            self._too_big(event, f"more than {limits.SITE_YAML_NODES_MAX:,} values")
        if kind is yaml.AliasEvent:
            return self._alias(event)
        if event.tag is not None and kind is not yaml.ScalarEvent:
            self._tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        before = self._node_count - 1
        if kind is yaml.ScalarEvent:
            node, height = self._scalar(event), 0
        else:
            self._depth += 1
            if self._depth > limits.SITE_YAML_DEPTH_MAX:
                self._too_big(event, f"nested more than {limits.SITE_YAML_DEPTH_MAX} deep")
            node, height = (
                self._mapping(event) if kind is yaml.MappingStartEvent else self._sequence(event)
            )
            self._depth -= 1
            if isinstance(node, MapNode | ListNode) and len(node) > limits.SITE_YAML_ENTRIES_MAX:
                self._too_big(event, _TOO_MANY_ENTRIES)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._node_count - before, height)
        return node, height

    def _scalar(self, event: Any) -> Node:
        value: str = event.value
        if event.tag is not None:
            self._tag(event)
            return None
        if event.style:
            return value
        try:
            return resolve(value)
        except NotFiniteError:
            self._problem(
                "not-finite",
                _at(event),
                f"`{value[:40]}` is not a finite number.",
                "",
                "Write an ordinary number, or quote it when text is meant.",
            )
            return None

    def _mapping(self, event: Any) -> tuple[Node, int]:
        node = MapNode(_at(event))
        height = 0
        next_event = self._events.get_event
        merges: list[tuple[Node, Mark]] = []
        damage_before = self._damage_count
        while type(key_event := next_event()) is not yaml.MappingEndEvent:
            key_at = _at(key_event)
            if type(key_event) is not yaml.ScalarEvent:
                self._problem("bad-key", key_at, "A key must be a word.", "", "Write `key: value`.")
                node.lost |= {ANY_KEY}
                self._node(key_event)
                self._node(next_event())
                continue
            self._node_count += 1
            key: str = key_event.value
            if key_event.anchor is not None:
                self._anchors[key_event.anchor] = (key, 1, 0)
            value_event = next_event()
            value_at = _at(value_event)
            problem_count = len(self.problems)
            if type(value_event) is yaml.ScalarEvent and value_event.anchor is None:
                self._node_count += 1  # the common case, without a call
                value, below = self._scalar(value_event), 0
            else:
                value, below = self._node(value_event)
            height = below + 1 if below >= height else height
            if value is None:
                if len(self.problems) == problem_count:
                    self._empty(key_at, f"`{key[:80]}` has no value.")
                node.lost |= {ANY_KEY if key == _MERGE else key}
            elif key == _MERGE and not key_event.style:
                merges.append((value, value_at))
            elif key in node:
                self._duplicate(key, key_at, node.keys_at[key])
                node.lost |= {key}
            else:
                node[key] = value
                node.keys_at[key] = key_at
                node.values_at[key] = value_at
        for value, value_at in merges:
            self._merge(node, value, value_at)
        node.damaged = self._damage_count > damage_before
        return node, height

    def _sequence(self, event: Any) -> tuple[Node, int]:
        node = ListNode(_at(event))
        height = 0
        damage_before = self._damage_count
        next_event = self._events.get_event
        while type(item := next_event()) is not yaml.SequenceEndEvent:
            item_at = _at(item)
            problem_count = len(self.problems)
            value, below = self._node(item)
            height = max(height, below + 1)
            if value is not None:
                node.items_at.append(item_at)
                node.append(value)
                continue
            node.lost = True
            if len(self.problems) == problem_count:
                self._empty(item_at, "This entry of the list is empty.")
        node.damaged = self._damage_count > damage_before
        return node, height

    def _alias(self, event: Any) -> tuple[Node, int]:
        name: str = event.anchor
        if name not in self._anchors:
            self._problem(
                "bad-alias",
                _at(event),
                f"`*{name[:40]}` refers to an anchor that is not defined above.",
                "",
                f"Write `&{name[:40]}` before the value that is meant.",
            )
            return None, 0
        found = self._anchors[name]
        if found is None:
            self._problem(
                "bad-alias",
                _at(event),
                f"`*{name[:40]}` stands inside the value that it refers to.",
                "Such a value would be endless.",
                "Write the value out.",
            )
            return None, 0
        node, weight, height = found
        if isinstance(node, MapNode | ListNode) and node.damaged:
            self._damage_count += 1
        self._node_count += weight - 1
        self._alias_node_count += weight
        if self._alias_node_count > limits.SITE_YAML_ALIAS_NODES_MAX:
            bound = f"more than {limits.SITE_YAML_ALIAS_NODES_MAX:,} values through aliases"
            self._too_big(event, bound)
        if self._depth + height > limits.SITE_YAML_DEPTH_MAX:
            self._too_big(event, f"nested more than {limits.SITE_YAML_DEPTH_MAX} deep")
        return node, height

    def _merge(self, node: MapNode, value: Node, at: Mark) -> None:
        """Merge key `<<`: keys of other mappings, where `node` does not have them itself."""
        for source in value if isinstance(value, ListNode) else [value]:
            if not isinstance(source, MapNode):
                self._problem(
                    "bad-merge",
                    at,
                    "`<<` must name a mapping, or a list of mappings.",
                    "",
                    "Write `<<: *NAME`, where `&NAME` stands before a mapping.",
                )
                node.lost |= {ANY_KEY}
                return
            node.lost |= source.lost - node.keys()
            for key, item in source.items():
                if key not in node:
                    node[key] = item
                    node.keys_at[key] = source.keys_at[key]
                    node.values_at[key] = source.values_at[key]

    def _empty(self, at: Mark, what: str) -> None:
        self._problem("empty-value", at, what, "", "Write a value, or remove it.")

    def _duplicate(self, key: str, at: Mark, first: Mark) -> None:
        line = place(self._path, first).line
        self._problem(
            "duplicate-key",
            at,
            f"The key `{key[:80]}` is written twice.",
            f"It was written first on line {line}; only one of the two can hold.",
            "Remove one of them, or give it another name.",
        )

    def _tag(self, event: Any) -> None:
        self._problem(
            "tag-not-supported",
            _at(event),
            f"The YAML tag `{event.tag[:40]}` is not supported.",
            "",
            "Remove the tag. Quote the value if you mean text.",
        )

    def _too_big(self, event: Any, what: str) -> None:
        self._problem(
            "file-too-complex",
            _at(event),
            f"The file holds {what}." if what.startswith("more") else f"The file is {what}.",
            "No site file needs that. It is refused before it uses up memory.",
            "Look for a generator gone wrong, or for aliases that multiply.",
        )
        raise _Stop

    def _problem(self, id_: str, at: Mark, what: str, why: str, remedy: str) -> None:
        self._damage_count += 1
        self.problems.append(fault(id_, place(self._path, at), what, why, remedy))
        if len(self.problems) >= limits.SITE_PROBLEMS_MAX:
            raise _Stop


def _at(event: Any) -> Mark:
    start = event.start_mark
    column = start.column
    # Asked for each value of a file: `mark` is called only where it has something to decide.
    return start.line << COLUMN_BITS | column if column < COLUMN_MAX else mark(start.line, column)
