"""Schema errors to problems: each with its place in the file and, for a typo, the word meant.

Also decides what is still worth looking at: the part that holds an error (one site, one origin, one
section) is taken out, so that the rules run over the rest and all problems are shown at once.
"""

import difflib
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from seawall import limits
from seawall.site.problem import Problem, Severity
from seawall.site.tree import MapNode, find_mark, place

_NAMED_PARTS: Final = frozenset({"sites", "origins", "certificates"})
_NEVER_PRUNED: Final = frozenset({"version", "listen"})
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
    try:
        return model.model_validate(root), [], set()
    except ValidationError as error:
        details = _without_echoes(error.errors(include_url=False, include_input=False))
    problems = [_problem(model, path, root, detail) for detail in details]
    pruned: dict[str, Any] = dict(root)
    broken: set[tuple[str, str]] = set()
    for detail in details:
        loc = detail["loc"]
        part = str(loc[0]) if loc else ""
        if part in _NAMED_PARTS and len(loc) > 1 and isinstance(root.get(part), dict):
            name = str(loc[1])
            broken.add((part, name))
            pruned[part] = {key: item for key, item in pruned[part].items() if key != name}
        else:
            pruned.pop(part, None)
            broken.add((part, ""))
    good = {**fallback, **pruned}
    return model.model_validate(good), problems, broken


def _without_echoes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out what a union says of its variant `false` when another variant says more."""
    kept = []
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "literal_error" and any(
            other is not detail and other["loc"][: len(loc) - 1] == loc[:-1] for other in details
        ):
            continue
        kept.append(detail)
    return kept


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
