"""What is left of a file when the values that cannot be read are taken out of it.

A lost value leaves its default behind. Where a default, or a key that is not there, would make a
problem that nobody wrote, something stands in that makes none; what even that cannot do, a rule
does: it is silent about what was lost (`Placed.lost`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from seawall.site.schema.bots import BotRuleSection, BotsSection
from seawall.site.schema.edge import ListSection
from seawall.site.schema.jobs import RangesSection, RetrainSection
from seawall.site.schema.origin import HealthCheckSection, OriginSection
from seawall.site.schema.rollout import GoldenSection, RolloutSection
from seawall.site.schema.route import RouteSection
from seawall.site.schema.site import CertificateSection, HstsSection, SiteSection, SiteTlsSection
from seawall.site.tree import ANY_KEY, ListNode, MapNode, Node, Step, place

_NAMED_BY_PLACE: Final = object()
_ORIGIN: Final = {"endpoints": "http://unreadable.invalid", "protocol": "http2"}
"""Of a protocol that every route may have; the name is one that is never resolved (RFC 6761)."""
_FILE: Final = "unreadable"
"""Never opened: see `build`."""
_ENDLESS: Final = "0s"

STAND_INS: Final[Mapping[type[BaseModel], Mapping[str, Any]]] = {
    BotRuleSection: {"name": _NAMED_BY_PLACE, "do": "observe"},
    BotsSection: {"mode": "observe"},
    CertificateSection: {"cert": _FILE, "key": _FILE},
    GoldenSection: {"path": "/"},
    HealthCheckSection: {"path": "/"},
    HstsSection: {"include_subdomains": True},
    ListSection: {"may_be_empty": True},
    OriginSection: _ORIGIN,
    RangesSection: {"every": "24h"},
    RetrainSection: {"every": "24h"},
    RolloutSection: {"baseline": False},
    RouteSection: {
        "name": _NAMED_BY_PLACE,
        "origin": _ORIGIN,
        "class": "page",
        "timeout": _ENDLESS,
        "retries": False,
    },
    SiteSection: {"hosts": [], "origin": _ORIGIN, "timeout": _ENDLESS, "retries": False},
    SiteTlsSection: {"cert": _FILE, "key": _FILE},
}
"""By section and key: what makes no problem in place of a value that was lost."""

_Cuts: TypeAlias = dict[Step, Any]
"""Steps into a tree, each to cuts below; None takes out what the step leads to."""


def without(model: type[BaseModel], root: MapNode, paths: Iterable[tuple[Step, ...]]) -> MapNode:
    """A copy of `root` without what stands at `paths`; they are lost from now on.

    Args:
        model: the schema of the file.
        root: what the file holds; it is not changed.
        paths: keys and indexes from the root, none empty; the last key need not be there.
    """
    cuts: _Cuts = {}
    for path in sorted(set(paths), key=len):
        below: _Cuts | None = cuts
        for step in path[:-1]:
            below = None if below is None else below.setdefault(step, {})
        if below is not None:
            below[path[-1]] = None
    return _mapping(root, cuts, [model])


def renamed(path: str, root: MapNode, part: str, names: Iterable[str]) -> MapNode:
    """A copy of `root` in which entries of `part` are called by their place in the file `path`."""
    entries = root[part]
    if not isinstance(entries, MapNode):
        return root
    digest = hashlib.sha256(path.encode(errors="surrogateescape"))  # it need not be UTF-8
    file = digest.hexdigest()[:8]  # another file has such lines too
    fresh = {name: f"{_name_of(entries.keys_at[name])}-{file}" for name in names}
    kept = _copied(entries)
    kept.update({fresh.get(name, name): value for name, value in entries.items()})
    kept.keys_at |= {fresh[name]: entries.keys_at[name] for name in fresh}
    kept.values_at |= {fresh[name]: entries.values_at[name] for name in fresh}
    whole = _copied(root)
    whole.update({**root, part: kept})
    return whole


def _copied(node: MapNode) -> MapNode:
    """Its places, without its values."""
    kept = MapNode(node.at)
    kept.damaged, kept.lost = node.damaged, node.lost
    kept.keys_at, kept.values_at = dict(node.keys_at), dict(node.values_at)
    return kept


def lost_paths(node: Node, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """What the parser could not read."""
    if not isinstance(node, MapNode | ListNode) or not node.damaged:
        return
    if isinstance(node, MapNode):
        yield from ((*path, key) for key in node.lost - node.keys())
    for step, below in node.items() if isinstance(node, MapNode) else enumerate(node):
        yield from lost_paths(below, (*path, step))


def _mapping(node: MapNode, cuts: _Cuts, types: list[Any]) -> MapNode:
    kept = _copied(node)
    gone = frozenset(str(key) for key, below in cuts.items() if below is None)
    kept.damaged, kept.lost = True, node.lost | gone
    for key, value in node.items():
        if key not in gone:
            kept[key] = _below(value, cuts.get(key), types, key)
    for key, stand_in in _stand_ins(types).items():
        value = _name_of(node.at) if stand_in is _NAMED_BY_PLACE else stand_in
        tried = key in node.lost and node.get(key) == value
        if not tried and (key in gone or (ANY_KEY in gone and key not in node)):
            kept[key] = value
            kept.keys_at.setdefault(key, node.at)
            kept.values_at.setdefault(key, node.at)
    return kept


def _below(node: Node, cuts: _Cuts | None, types: list[Any], step: Step) -> Node:
    if cuts is None or not isinstance(node, MapNode | ListNode):
        return node
    below = [inner for one in types for inner in types_below(one, step)]
    if isinstance(node, MapNode):
        return _mapping(node, cuts, below)
    kept = ListNode(node.at)
    kept.damaged = True
    kept.lost = node.lost or None in cuts.values()
    for index, item in enumerate(node):
        if cuts.get(index, cuts) is not None:
            kept.append(_below(item, cuts.get(index), below, index))
            kept.items_at.append(node.items_at[index])
    return kept


def _stand_ins(types: list[Any]) -> dict[str, Any]:
    found = (STAND_INS[one] for one in types if isinstance(one, type) and one in STAND_INS)
    return {key: value for one in found for key, value in one.items()}


def _name_of(at: int) -> str:
    where = place("", at)
    return f"line-{where.line}-column-{where.column}"


def types_below(annotation: Any, step: Step) -> list[Any]:
    """The types of the schema that may stand one step below a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, info in annotation.model_fields.items():
            if (info.alias or name) == step:
                return _variants(info.annotation)
        return []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, tuple, list):
        return _variants(arguments[1] if origin is dict else arguments[0])
    return []


def _variants(annotation: Any) -> list[Any]:
    """The types an annotation may stand for: without `Annotated`, unions taken apart."""
    if get_origin(annotation) is Annotated:
        return _variants(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [inner for one in get_args(annotation) for inner in _variants(one)]
    return [annotation]
