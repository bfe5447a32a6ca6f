"""Small helpers for building Envoy messages: packing, durations, deterministic bytes.

Nothing here knows what an edge is. Serialization is always deterministic (maps sorted by key), so
that equal messages are equal bytes and a snapshot's digest names its content.
"""

from typing import Any

from envoy.config.core.v3 import base_pb2, config_source_pb2
from envoy.config.route.v3 import route_components_pb2
from google.protobuf import any_pb2, duration_pb2, wrappers_pb2

_TYPE_PREFIX = "type.googleapis.com/"


def body_of(message: Any) -> bytes:
    """The deterministic wire form of `message`."""
    body: bytes = message.SerializeToString(deterministic=True)
    return body


def packed(message: Any) -> Any:
    """`message` inside an `Any`, deterministically."""
    return any_pb2.Any(type_url=_TYPE_PREFIX + message.DESCRIPTOR.full_name, value=body_of(message))


def filter_switch(config: Any) -> Any:
    """A packed `FilterConfig` that switches an HTTP filter on with the packed `config`."""
    return packed(route_components_pb2.FilterConfig(config=config))


FILTER_OFF = packed(route_components_pb2.FilterConfig(disabled=True))
"""Switches an HTTP filter off; shared, so never change it."""


def empty(full_name: str) -> Any:
    """An `Any` of an empty message, for types that are newer than the generated classes."""
    return any_pb2.Any(type_url=_TYPE_PREFIX + full_name)


def seconds(value_s: float) -> Any:
    """A `Duration`, rounded to milliseconds as Envoy's timers are."""
    duration = duration_pb2.Duration()
    set_seconds(duration, value_s)
    return duration


def set_seconds(duration: Any, value_s: float) -> None:
    """Write `value_s` into a `Duration` in place; zero makes the field present too."""
    milliseconds = round(value_s * 1000)
    duration.seconds = milliseconds // 1000
    duration.nanos = milliseconds % 1000 * 1_000_000


def uint32(value: int) -> Any:
    """A wrapped integer, for fields where absent and zero differ."""
    return wrappers_pb2.UInt32Value(value=value)


def flag(*, on: bool) -> Any:
    """A wrapped bool, for fields where absent and false differ."""
    return wrappers_pb2.BoolValue(value=on)


def from_ads() -> Any:
    """The config source of everything that arrives over the aggregated stream."""
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version="V3"
    )


def inline_text(text: str) -> Any:
    """A data source that holds `text` itself."""
    return base_pb2.DataSource(inline_string=text)


def as_field(number: int, body: bytes) -> bytes:
    """A serialized message as field `number` (at most 15) of another one."""
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def add_newer(message: Any, number: int, value: Any) -> None:
    """Add a message to field `number`, which is newer than the generated class.

    It travels as an unknown field, which protobuf keeps when it parses and serializes.
    """
    message.MergeFromString(as_field(number, body_of(value)))


def set_newer_flag(message: Any, number: int) -> None:
    """Make the bool field `number` true; it is newer than the generated class."""
    message.MergeFromString(bytes([number << 3, 1]))


def set_newer_text(message: Any, number: int, value: str) -> None:
    """Write `value` into the text field `number`, which is newer than the generated class."""
    message.MergeFromString(as_field(number, value.encode()))


def add_map_entry(message: Any, number: int, key: str, value: Any) -> None:
    """Add an entry to the map field `number`, which is newer than the generated class."""
    entry = as_field(1, key.encode()) + as_field(2, body_of(value))
    message.MergeFromString(as_field(number, entry))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte: the encoding of protobuf
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
