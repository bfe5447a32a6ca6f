"""The differences of two protobuf messages, as field paths with both values.

Knows protobuf, not Envoy: packed messages are unpacked where their class is known, and a difference
that cannot be told field by field (bytes, unknown fields, unknown types) is still reported, with
its path and no values. Values are for people: short, and never long text or bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pool, duration_pb2, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

VALUE_LENGTH_CHARS_MAX: Final = 80
_WRAPPERS: Final = {
    f"google.protobuf.{name}Value" for name in ("UInt32", "UInt64", "Int32", "Int64", "Bool")
}
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; `old` or `new` is empty when unset there or not to be shown."""

    path: str
    old: str
    new: str


def differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    """All differences between two messages of one type; at least one when they are not equal."""
    if old == new:
        return
    found = False
    for field in old.DESCRIPTOR.fields:
        for difference in _of_field(field, old, new, f"{path}.{field.name}".lstrip(".")):
            found = True
            yield difference
    if not found:
        yield Difference(path, "", "")


def words(difference: Difference, labels: dict[str, str]) -> str:
    """One difference as a phrase; `labels` names paths for people, others stand as they are."""
    label = labels.get(difference.path, difference.path)
    if not difference.old and not difference.new:
        return f"{label} changed"
    return f"{label} {difference.old or 'none'} -> {difference.new or 'none'}"


def seconds_text(duration: Any) -> str:
    """A duration for people: `1.5 s`, `2 min`; `none` for zero, which in Envoy is no bound."""
    value = duration.seconds + duration.nanos / 1e9
    if not value:
        return "none"
    if value >= _MINUTE_S and value % _MINUTE_S == 0:
        return f"{value / _MINUTE_S:g} min"
    return f"{value:g} s"


def short(value: object) -> str:
    """A value for people: bounded in length, on one line."""
    text = " ".join(str(value).split())
    if len(text) <= VALUE_LENGTH_CHARS_MAX:
        return text
    return text[: VALUE_LENGTH_CHARS_MAX - 1] + "…"


def _of_field(field: Any, old: Any, new: Any, path: str) -> Iterator[Difference]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _of_map(getattr(old, field.name), getattr(new, field.name), path)
    elif field.is_repeated:
        yield from _of_list(list(getattr(old, field.name)), list(getattr(new, field.name)), path)
    elif field.message_type is not None:
        yield from _of_message(_value(field, old), _value(field, new), path)
    else:
        yield from _of_scalar(field, old, new, path)


def _value(field: Any, message: Any) -> Any | None:
    return getattr(message, field.name) if message.HasField(field.name) else None


def _of_scalar(field: Any, old: Any, new: Any, path: str) -> Iterator[Difference]:
    before, after = getattr(old, field.name), getattr(new, field.name)
    if before == after:
        return
    if field.enum_type is not None:
        values = field.enum_type.values_by_number
        yield Difference(path, values[before].name.lower(), values[after].name.lower())
    elif field.type == FieldDescriptor.TYPE_BYTES:
        yield Difference(path, "", "")
    else:
        yield Difference(path, short(before), short(after))


def _of_message(old: Any | None, new: Any | None, path: str) -> Iterator[Difference]:
    present = old if old is not None else new
    if present is None:
        return
    plain = present.DESCRIPTOR.full_name in _WRAPPERS
    if plain or isinstance(present, duration_pb2.Duration):
        before, after = _plain(old), _plain(new)
        if before != after:
            yield Difference(path, before, after)
    elif old is None or new is None:
        yield Difference(path, "" if old is None else "set", "" if new is None else "set")
    elif isinstance(old, any_pb2.Any):
        yield from _of_packed(old, new, path)
    else:
        yield from differences(old, new, path)


def _plain(value: Any | None) -> str:
    if value is None:
        return ""
    return seconds_text(value) if isinstance(value, duration_pb2.Duration) else str(value.value)


def _of_packed(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if old == new:
        return
    before, after = _unpacked(old), _unpacked(new)
    if before is None or after is None or old.type_url != new.type_url:
        yield Difference(path, "", "")
    else:
        yield from differences(before, after, path)


def _unpacked(packed: Any) -> Any | None:
    name = packed.type_url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
        return message_factory.GetMessageClass(descriptor).FromString(packed.value)
    except (KeyError, DecodeError):
        return None


def _of_map(old: Any, new: Any, path: str) -> Iterator[Difference]:
    for key in sorted({*old, *new}):
        where = f"{path}[{key}]"
        if key not in old or key not in new:
            yield Difference(where, "set" if key in old else "", "set" if key in new else "")
        elif isinstance(old[key], Message):
            yield from _of_message(old[key], new[key], where)
        elif old[key] != new[key]:
            yield Difference(where, short(old[key]), short(new[key]))


def _of_list(old: list[Any], new: list[Any], path: str) -> Iterator[Difference]:
    if old == new:
        return
    if len(old) != len(new):
        yield Difference(path, f"{len(old)} entries", f"{len(new)} entries")
        return
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        where = f"{path}[{index}]"
        if isinstance(before, Message):
            yield from _of_message(before, after, where)
        elif before != after:
            yield Difference(where, short(before), short(after))
