"""Schema errors to problems: each with its place in the file and, for a typo, the word meant.

Also decides what is still worth looking at: a value that holds an error is taken out, and the rest
is looked at again, until it is good. So the rules run over all that can be read, and all problems
are shown at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from seawall import limits
from seawall.site.problem import Problem, Severity
from seawall.site.salvage import lost_paths, renamed, types_below, without
from seawall.site.schema.values import check_name, nearest
from seawall.site.tree import ANY_KEY, ListNode, MapNode, Node, Step, find_mark, place

_ENTRIES_MAX: Final = {
    "sites": limits.SITES_MAX,
    "origins": limits.ORIGINS_MAX,
    "certificates": limits.SITES_MAX,
    "lists": limits.LISTS_MAX,
}
_SITES: Final = "sites"
_OF_KEY: Final = "[key]"
_NO_MAPPING: Final = ("dict_type", "model_attributes_type", "model_type")
ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(
    model: type[ModelT], path: str, root: MapNode, fallback: Mapping[str, Any]
) -> tuple[ModelT, list[Problem], MapNode]:
    """The file as a model, as far as it is good.

    Args:
        model: the schema of the file.
        path: the file's name, for problems.
        root: what the file holds.
        fallback: stands in for required sections that are missing or wrong.

    Returns:
        The model of all that is good, the problems, and the tree that the model was made of.
    """
    crowded = [part for part in _ENTRIES_MAX if _entries(root, part) > _ENTRIES_MAX[part]]
    problems = [_crowd(path, root, part) for part in crowded]
    if crowded:
        root = without(model, root, [(part,) for part in crowded])
    if misnamed := _misnamed(path, root):
        problems.extend(misnamed.values())
        root = renamed(path, root, _SITES, misnamed)
    if root.damaged:
        root = without(model, root, lost_paths(root))
    for left in reversed(range(limits.SITE_SALVAGE_ROUNDS_MAX)):
        try:
            return model.model_validate({**fallback, **root}), problems, root
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        wrong = _Wrong(model, root, details)
        room = max(0, limits.SITE_PROBLEMS_MAX + 1 - len(problems))
        problems.extend(_problem(model, path, root, detail) for detail in wrong.telling()[:room])
        # Each round takes out something: a value, or what cannot be without one.
        root = without(model, root, wrong.paths() if left else [(part,) for part in root])
    return model.model_validate({**fallback, **root}), problems, root


def _entries(root: MapNode, part: str) -> int:
    node = root.get(part)
    return len(node) if isinstance(node, MapNode) else 0


def _crowd(path: str, root: MapNode, part: str) -> Problem:
    """A part that holds far too many entries to look at."""
    bound = f"at most {_ENTRIES_MAX[part]:,} are allowed"
    what = f"There are {_entries(root, part):,} {part}; {bound}."
    where = place(path, root.keys_at[part])
    remedy = "Split the configuration over several edges."
    return Problem("too-many", Severity.ERROR, where, "", what, "", remedy)


def _misnamed(path: str, root: MapNode) -> dict[str, Problem]:
    """Sites whose name is none: what is in them is looked at all the same."""
    found: dict[str, Problem] = {}
    sites = root.get(_SITES)
    if not isinstance(sites, MapNode):
        return found
    for name in sites:
        try:
            check_name(name)
        except PydanticCustomError as error:
            what, remedy = (str((error.context or {})[key]) for key in ("what", "remedy"))
            where = place(path, sites.keys_at[name])
            found[name] = Problem(
                error.type, Severity.ERROR, where, f"site {name}", what, "", remedy
            )
    return found


class _Wrong:
    """The errors of one round, and what must be taken out for them."""

    def __init__(self, model: type[BaseModel], root: MapNode, details: list[ErrorDetails]) -> None:
        self._root = root
        self._details = _of_one_variant(details)
        few = details[: limits.SITE_PROBLEMS_MAX + 1]  # a hint for each of a million takes minutes
        self._meant = {path for detail in few if (path := _meant(model, root, detail))}
        """Keys that are not there, but for a typo."""

    def telling(self) -> list[ErrorDetails]:
        """Errors without echoes.

        An echo is a key that is missing because it was lost, and a mapping or list that lacks only
        what it lost.
        """
        return [detail for detail in self._details if not self._lacks_what_was_lost(detail)]

    def _lacks_what_was_lost(self, detail: ErrorDetails) -> bool:
        steps, node = _found(self._root, detail["loc"])
        if detail["type"] == "missing":
            key = str(detail["loc"][-1])
            lost = isinstance(node, MapNode) and (key in node.lost or ANY_KEY in node.lost)
            return lost or (*steps, key) in self._meant
        if isinstance(node, ListNode):
            return node.damaged and not node
        if not isinstance(node, MapNode) or not node.lost:
            return False
        # With two keys or more left, they exclude each other by themselves.
        alone = detail["type"] == "contradictory-keys" and len(node) <= 1
        return alone or detail["type"] == "missing-key"

    def paths(self) -> Iterator[tuple[Step, ...]]:
        """What must go; never empty."""
        yield from self._meant
        for detail in self._details:
            steps, node = _found(self._root, detail["loc"])
            key = str(detail["loc"][-1]) if detail["loc"] else ""
            without_it = str(detail.get("ctx", {}).get("key", ""))
            if isinstance(node, MapNode) and without_it in node:
                yield (*steps, without_it)
            elif detail["type"] == "missing" and not (
                isinstance(node, MapNode) and key in node.lost
            ):
                yield (*steps, key)
            elif steps:
                yield steps
            else:
                yield from ((part,) for part in self._root)
            if key == _OF_KEY:  # any name may have been meant
                yield (*steps[:-1], ANY_KEY)


def _of_one_variant(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without what a union says of its variant `false` when another variant says more."""
    said = {
        detail["loc"][:length]
        for detail in details
        if detail["type"] != "literal_error"
        for length in range(len(detail["loc"]) + 1)
    }
    return [
        detail
        for detail in details
        if detail["type"] != "literal_error" or detail["loc"][:-1] not in said
    ]


def _found(root: MapNode, loc: Sequence[Step]) -> tuple[tuple[Step, ...], Node]:
    """The way to the deepest part of `loc` that is in the tree, and what stands there.

    A step that is not in the tree is passed over: the schema names variants.
    """
    node: Node = root
    steps: list[Step] = []
    for step in loc:
        below = _child(node, step)
        if below is not None:
            steps.append(step)
            node = below
    return tuple(steps), node


def _meant(model: type[BaseModel], root: MapNode, detail: ErrorDetails) -> tuple[Step, ...] | None:
    """The key that a mistyped one was meant to be, when it is not there as well."""
    if detail["type"] != "extra_forbidden":
        return None
    loc = detail["loc"]
    steps, node = _found(root, loc[:-1])
    near = nearest(str(loc[-1]), _keys_of(model, loc[:-1]))
    return (*steps, near) if near and isinstance(node, MapNode) and near not in node else None


def _problem(model: type[BaseModel], path: str, root: MapNode, detail: ErrorDetails) -> Problem:
    loc = detail["loc"]
    kind = detail["type"]
    context = detail.get("ctx", {})
    of_key = kind == "extra_forbidden" or loc[-1:] == (_OF_KEY,)
    steps = loc[:-1] if loc[-1:] == (_OF_KEY,) else loc
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
        remedy = _key_hint(key, _keys_of(model, steps[:-1]))
    elif kind == "missing":
        id_, what = "missing-key", f"The key `{key}` is missing."
        remedy = f"Write `{key}: ...` here."
    elif kind == "too_long":
        id_, what = "too-many", f"`{key}` holds {context.get('actual_length')} entries."
        remedy = f"At most {context.get('max_length')} are allowed: split it."
    elif kind in _NO_MAPPING:
        named = f"An entry of `{steps[-2]}`" if isinstance(steps[-1], int) else f"`{key}`"
        id_, what = "wrong-type", f"{named} is no mapping of keys to values."
        keys = ", ".join(f"`{one}`" for one in _keys_of(model, steps))
        remedy = f"Write a mapping; its keys are {keys}." if keys else "Write `NAME: ...` below it."
    elif "what" not in context:
        id_, what = "wrong-type", f"`{key}` has the wrong form: {detail['msg'].lower()}."
        remedy = "See docs/site-file.md for what is written here."
    return Problem(id_, Severity.ERROR, where, subject, what, "", remedy)


def _subject(loc: Sequence[str | int], root: MapNode) -> str:
    """`site shop`, `route shop/api`, `origin api` or `certificate shop`; empty for the rest."""
    part, name, inside, index, *_ = (*loc, "", "", "", "")
    if part not in _ENTRIES_MAX or not name:
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


def _key_hint(word: str, known: Sequence[str]) -> str:
    if near := nearest(word, known):
        return f"Did you mean `{near}`?"
    return "Known here: " + ", ".join(f"`{key}`" for key in known) + "." if known else "Remove it."


def _keys_of(model: type[BaseModel], steps: Sequence[str | int]) -> list[str]:
    """The keys that may stand at `steps`, by walking the schema."""
    found: list[Any] = [model]
    for step in steps:
        below = [inner for one in found for inner in types_below(one, step)]
        found = below or found  # a step that names a variant of a union is passed over
    return [key for one in found for key in _fields(one)]


def _fields(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [info.alias or name for name, info in annotation.model_fields.items()]
    return []
