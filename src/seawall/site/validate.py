"""Schema errors to problems: each with its place in the file and, for a typo, the word meant.

Also decides what is still worth looking at: the part that holds an error (one site, one origin, one
section) is taken out, so that the rules run over the rest and all problems are shown at once.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from seawall import limits
from seawall.site.problem import Problem, Severity
from seawall.site.tree import ListNode, MapNode, Node, find_mark, place

_NAMED_PARTS: Final = frozenset({"sites", "origins", "certificates", "lists"})
UNKNOWN_NAME: Final = "?"
"""Stands for names that could not be read; no name of a site file is written like this."""
_ENTRIES_MAX: Final = {
    "sites": limits.SITES_MAX,
    "origins": limits.ORIGINS_MAX,
    "certificates": limits.SITES_MAX,
    "lists": limits.LISTS_MAX,
}
ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(
    model: type[ModelT], path: str, root: MapNode, fallback: Mapping[str, Any]
) -> tuple[ModelT, list[Problem], set[tuple[str, str]]]:
    """The file as a model, as far as it is good.

    Args:
        model: the schema of the file.
        path: the file's name, for problems.
        root: what the file holds.
        fallback: stands in for required sections that are missing or wrong.

    Returns:
        The model of all good parts, the problems, and the `(part, name)` of what was taken out.
    """
    if crowded := [part for part in _ENTRIES_MAX if _entries(root, part) > _ENTRIES_MAX[part]]:
        return _without_crowds(model, path, root, fallback, crowded)
    details: list[ErrorDetails] = []
    try:
        section = model.model_validate(root)
    except ValidationError as error:
        section = None
        details = _telling(root, error.errors(include_url=False, include_input=False))
    if section is not None and not root.damaged:
        return section, [], set()
    shown = details[: limits.SITE_PROBLEMS_MAX + 1]  # a hint for each of a million takes minutes
    problems = [_problem(model, path, root, detail) for detail in shown]
    broken = {_part(root, detail["loc"]) for detail in details} | set(_damaged(root))
    pruned: dict[str, Any] = {}
    for part, node in root.items():
        if (part, "") in broken:
            continue
        names = node if part in _NAMED_PARTS and isinstance(node, MapNode) else None
        pruned[part] = (
            node if names is None else {k: v for k, v in names.items() if (part, k) not in broken}
        )
    return model.model_validate({**fallback, **pruned}), problems, broken


def _entries(root: MapNode, part: str) -> int:
    node = root.get(part)
    return len(node) if isinstance(node, MapNode) else 0


def _without_crowds(
    model: type[ModelT], path: str, root: MapNode, fallback: Mapping[str, Any], crowded: list[str]
) -> tuple[ModelT, list[Problem], set[tuple[str, str]]]:
    """The file without the parts that hold far too many entries to look at."""
    rest = MapNode(root.at)
    rest.update({part: node for part, node in root.items() if part not in crowded})
    rest.keys_at, rest.values_at, rest.damaged = root.keys_at, root.values_at, root.damaged
    section, problems, broken = validate(model, path, rest, fallback)
    for part in crowded:
        bound = f"at most {_ENTRIES_MAX[part]:,} are allowed"
        what = f"There are {_entries(root, part):,} {part}; {bound}."
        where = place(path, root.keys_at[part])
        remedy = "Split the configuration over several edges."
        problems.append(Problem("too-many", Severity.ERROR, where, "", what, "", remedy))
        broken.add((part, ""))
    return section, problems, broken


def _part(root: MapNode, loc: Sequence[str | int]) -> tuple[str, str]:
    """What must be taken out for an error at `loc`: `(part, name)`, name empty for all of it."""
    part = str(loc[0]) if loc else ""
    named = part in _NAMED_PARTS and len(loc) > 1 and isinstance(root.get(part), MapNode)
    return part, str(loc[1]) if named else ""


def _damaged(root: MapNode) -> Iterator[tuple[str, str]]:
    """What the parser could not read as a whole."""
    if not root.damaged:
        return
    inside = False
    for part, node in root.items():
        if isinstance(node, MapNode) and node.damaged:
            inside = True
            names = [
                name for name, below in node.items() if isinstance(below, MapNode) and below.damaged
            ]
            if part in _NAMED_PARTS:
                yield from ((part, name) for name in names)
                yield (part, UNKNOWN_NAME)
            else:
                yield part, ""
    if not inside:
        yield "file", UNKNOWN_NAME


def _telling(root: MapNode, details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Errors without echoes.

    An echo is what a union says of its variant `false` when another variant says more, and a
    missing key of a mapping in which the parser found a problem.
    """
    said = {
        detail["loc"][:length]
        for detail in details
        if detail["type"] != "literal_error"
        for length in range(len(detail["loc"]) + 1)
    }
    return [
        detail
        for detail in details
        if not (detail["type"] == "literal_error" and detail["loc"][:-1] in said)
        and not (detail["type"] == "missing" and _holder_damaged(root, detail["loc"]))
    ]


def _holder_damaged(root: MapNode, loc: Sequence[str | int]) -> bool:
    node: Node = root
    for step in loc[:-1]:
        if isinstance(node, MapNode) and step in node:
            node = node[str(step)]
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node):
            node = node[step]
    return isinstance(node, MapNode) and node.damaged


def _problem(model: type[BaseModel], path: str, root: MapNode, detail: ErrorDetails) -> Problem:
    loc = detail["loc"]
    kind = detail["type"]
    context = detail.get("ctx", {})
    of_key = kind == "extra_forbidden" or loc[-1:] == ("[key]",)
    steps = loc[:-1] if loc[-1:] == ("[key]",) else loc
    where = place(path, find_mark(root, root.at, steps, of_key=of_key))
    subject = _subject(loc, root)
    id_, what, remedy = (
        kind,
        str(context.get("what", detail["msg"])),
        str(context.get("remedy", "")),
    )
    key = str(steps[-1]) if steps else ""
    if kind == "extra_forbidden":
        id_, what = "unknown-key", f"`{key[:80]}` is not a key that belongs here."
        remedy = _nearest(key, _keys_of(model, steps[:-1]))
    elif kind == "missing":
        id_, what = "missing-key", f"The key `{key}` is missing."
        remedy = f"Write `{key}: ...` here."
    elif kind == "too_long":
        id_, what = "too-many", f"`{key}` holds {context.get('actual_length')} entries."
        remedy = f"At most {context.get('max_length')} are allowed: split it."
    elif "what" not in context:
        id_, what = "wrong-type", f"`{key}` has the wrong form: {detail['msg'].lower()}."
        remedy = "See docs/site-file.md for what is written here."
    return Problem(id_, Severity.ERROR, where, subject, what, "", remedy)


def _subject(loc: Sequence[str | int], root: MapNode) -> str:
    """`site shop`, `route shop/api`, `origin api` or `certificate shop`; empty for the rest."""
    part, name, inside, index, *_ = (*loc, "", "", "", "")
    if part not in _NAMED_PARTS or not name:
        return ""
    subject = f"{str(part)[:-1]} {name}"
    node: Node = root
    for step in (part, name, inside, index):
        node = _child(node, step)
    if inside == "routes" and isinstance(node, MapNode) and isinstance(node.get("name"), str):
        return f"route {name}/{node['name']}"
    return subject


def _child(node: Node, step: str | int) -> Node:
    if isinstance(node, MapNode) and isinstance(step, str):
        return node.get(step)
    if isinstance(node, ListNode) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word[: limits.NAME_LENGTH_CHARS_MAX], known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean `{near[0]}`?"
    return "Known here: " + ", ".join(f"`{key}`" for key in known) + "." if known else "Remove it."


def _keys_of(model: type[BaseModel], steps: Sequence[str | int]) -> list[str]:
    """The keys that may stand at `steps`, by walking the schema."""
    found: list[Any] = [model]
    for step in steps:
        below = [inner for one in found for inner in _below(one, step)]
        found = below or found  # a step that names a variant of a union is passed over
    return [key for one in found for key in _fields(one)]


def _fields(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [info.alias or name for name, info in annotation.model_fields.items()]
    return []


def _below(annotation: Any, step: str | int) -> list[Any]:
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
