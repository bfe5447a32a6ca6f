"""Route tables taken apart without reading their hosts, of which there may be thousands.

Most of what is asked of two tables is what differs, and most hosts do not. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HOSTS_FIELD: Final = 2
"""`virtual_hosts` of a `RouteConfiguration`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A route table.

    Attributes:
        hosts: each virtual host as it was serialized, in order.
        rest: all other fields, as they were serialized.
    """

    hosts: tuple[bytes, ...]
    rest: bytes

    @staticmethod
    def read(body: bytes) -> "Table":
        """Take a serialized table apart.

        Raises:
            ValueError: it is none.
        """
        hosts: list[bytes] = []
        rest = bytearray()
        for number, begin, inside, end in _fields(body):
            if number == _HOSTS_FIELD:
                hosts.append(body[inside:end])
            else:
                rest += body[begin:end]
        return Table(tuple(hosts), bytes(rest))


def _fields(body: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Number, begin, begin of the content, and end of each field of a serialized message."""
    at = 0
    while at < len(body):
        begin = at
        tag, at = _varint(body, at)
        inside = at
        match tag & 7:
            case 0:
                _, at = _varint(body, at)
            case 1:
                at += 8
            case 2:
                length, inside = _varint(body, at)
                at = inside + length
            case 5:
                at += 4
            case _:
                raise ValueError("a field of no known sort")
        if at > len(body):
            raise ValueError("a field that ends after its message")
        yield tag >> 3, begin, inside, at


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body):
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - seven bits a byte: the encoding of protobuf
            return value, at
        shift += 7
    raise ValueError("a number that ends after its message")
