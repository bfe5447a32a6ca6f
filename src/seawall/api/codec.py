"""Frozen dataclasses to JSON values and back, by their annotations.

The same few annotations are understood here and by `openapi`: `str int float bool None`,
`Literal`, `StrEnum`, `NewType`, `X | None`, `tuple[T, ...]`, `Mapping[str, T]`, `bytes` (base64),
dataclasses, and a union of dataclasses that carry a literal `event`. Reading is strict for
requests (an unknown key is an error with its place) and lenient for answers (a newer server may
say more, and may have another word where a `Literal` lists those that are known here).
It must stay light: the CLI pays for every import here. That is why it is not pydantic.
"""

import base64
import binascii
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import (
    Any,
    Final,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from seawall.errors import UsageError, invariant

Value = TypeVar("Value")
_SHOWN_CHARS_MAX: Final = 80
"""Of a wrong value repeated in a message: enough to recognise it."""


def to_json(value: object) -> Any:
    """The JSON value of a view."""
    if value is None or isinstance(value, str | bool | int):
        return value.value if isinstance(value, StrEnum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple | list | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    invariant(is_dataclass(value), f"{type(value).__name__} has no JSON form")
    kind: Any = type(value)
    return {name: to_json(getattr(value, name)) for name in _names(kind)}


def from_json(kind: type[Value], value: object, *, strict: bool = True) -> Value:
    """Read `value`, as parsed from JSON, into a `kind`.

    Args:
        kind: a dataclass, or a union as described above.
        value: what `json.loads` gave.
        strict: unknown keys and literals are errors; off when reading what a newer Seawall may
            have written.

    Raises:
        UsageError: a wrong type, a missing or unknown key; the message names the place.
    """
    made: Value = _read(kind, value, "", strict=strict)
    return made


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def hints(kind: type) -> Mapping[str, Any]:
    """Resolved annotations of a dataclass, in the order of its fields."""
    return get_type_hints(kind)


def _read(kind: Any, value: object, place: str, *, strict: bool) -> Any:  # noqa: PLR0911 - one return per JSON shape
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    origin = get_origin(kind)
    if origin is Literal:
        taken = value in get_args(kind) or (not strict and isinstance(value, str))
        return value if taken else _wrong(place, value, _choices(get_args(kind)))
    if origin in (types.UnionType, Union):
        return _read_union(get_args(kind), value, place, strict=strict)
    if origin is tuple:
        return _read_list(get_args(kind)[0], value, place, strict=strict)
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(get_args(kind), value, place, strict=strict)
    if is_dataclass(kind):
        return _read_object(kind, value, place, strict=strict)
    if issubclass(kind, StrEnum):
        known = tuple(item.value for item in kind)
        return kind(value) if value in known else _wrong(place, value, _choices(known))
    return _read_plain(kind, value, place)


def _read_plain(kind: type, value: object, place: str) -> Any:
    if kind is bytes:
        return _read_bytes(value, place)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            return _wrong(place, value, "a smaller number")
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return value if right else _wrong(place, value, names.get(kind, "null"))


def _read_bytes(value: object, place: str) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "!", validate=True)
    except (ValueError, binascii.Error):
        return bytes(_wrong(place, value, "base64"))


def _read_union(kinds: tuple[Any, ...], value: object, place: str, *, strict: bool) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    rest = tuple(kind for kind in kinds if kind is not types.NoneType)
    if len(rest) == 1:
        return _read(rest[0], value, place, strict=strict)
    if all(is_dataclass(kind) for kind in rest):
        event = value.get("event") if isinstance(value, dict) else None
        for kind in rest:
            if get_args(hints(kind)["event"]) == (event,):
                return _read(kind, value, place, strict=strict)
        return _wrong(place, value, "an object with a known event")
    if isinstance(value, rest):
        return value
    return _wrong(place, value, " or ".join(kind.__name__ for kind in rest))


def _read_list(kind: Any, value: object, place: str, *, strict: bool) -> tuple[Any, ...]:
    if not isinstance(value, list):
        return tuple(_wrong(place, value, "a list"))
    return tuple(
        _read(kind, item, f"{place}[{index}]", strict=strict) for index, item in enumerate(value)
    )


def _read_mapping(kinds: tuple[Any, ...], value: object, place: str, *, strict: bool) -> Any:
    if not isinstance(value, dict):
        return _wrong(place, value, "an object")
    read = {
        key: _read(kinds[1], item, f"{place}.{key}", strict=strict) for key, item in value.items()
    }
    return types.MappingProxyType(read)


def _read_object(kind: Any, value: object, place: str, *, strict: bool) -> Any:
    if not isinstance(value, dict):
        return _wrong(place, value, "an object")
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(set(value) - set(known))
    if strict and unknown:
        return _wrong(_join(place, unknown[0]), value[unknown[0]], "no such field")
    for name, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if name not in value and not optional:
            return _wrong(_join(place, name), None, "required")
    types_by_name = hints(kind)
    return kind(
        **{
            name: _read(types_by_name[name], value[name], _join(place, name), strict=strict)
            for name in known
            if name in value
        }
    )


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else str(name)[:_SHOWN_CHARS_MAX]


def _choices(known: tuple[Any, ...]) -> str:
    return "one of " + ", ".join(str(item) for item in known)


def _wrong(place: str, value: object, wanted: str) -> Any:
    shown = repr(value)[:_SHOWN_CHARS_MAX]
    where = f"`{place}`" if place else "The body"
    raise UsageError(
        "bad-request",
        f"{where}: expected {wanted}, got {shown}."
        if wanted not in {"required", "no such field"}
        else f"{where}: {'is required' if wanted == 'required' else 'there is no such field'}.",
        remedy="The shapes are in /v1/openapi.json and docs/api.md.",
    )
