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

_NAMED_PARTS: Final = frozenset({"sites", "origins", "certificates"})
UNKNOWN_NAME: Final = "?"
"""Stands for names that could not be read; no name of a site file is written like this."""
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
    details: list[ErrorDetails] = []
    try:
        section = model.model_validate(root)
    except ValidationError as error:
        section = None
        details = _telling(root, error.errors(include_url=False, include_input=False))
    if section is not None and not root.damaged:
        return section, [], set()
    problems = [_problem(model, path, root, detail) for detail in details]
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
    kept = []
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "literal_error" and any(
            other is not detail and other["loc"][: len(loc) - 1] == loc[:-1] for other in details
        ):
            continue
        if detail["type"] == "missing" and _holder_damaged(root, loc):
            continue
        kept.append(detail)
    return kept


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
    """`site shop`, `route shop/api`, `origin api` or `certificate shop`."""
    if len(loc) < 2 or loc[0] not in _NAMED_PARTS:  # noqa: PLR2004 - a part and a name
        return ""
    part, name = str(loc[0]), str(loc[1])
    if part == "sites" and len(loc) > 3 and loc[2] == "routes" and isinstance(loc[3], int):  # noqa: PLR2004 - sites, name, routes, index
        site = root["sites"]
        routes = site[name]["routes"] if isinstance(site, dict) else []  # type: ignore[index,call-overload] # the path comes from this very tree
        route = routes[loc[3]] if isinstance(routes, list) else None
        if isinstance(route, dict) and isinstance(route.get("name"), str):
            return f"route {name}/{route['name']}"
    return f"{part[:-1]} {name}"


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
