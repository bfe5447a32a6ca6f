"""Route tables taken apart without reading their hosts, of which there may be thousands.

Most of what is asked of two tables is what differs, and most hosts do not. Pure.
"""

from dataclasses import dataclass
from typing import Final

_HOSTS_TAG: Final = 2 << 3 | 2
"""Begins each of the `virtual_hosts` of a `RouteConfiguration`."""

_NAME_TAG: Final = b"\x0a"
"""Begins the `name` of a `VirtualHost`, its first field."""


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
        at = 0
        while at < len(body):
            begin = at
            tag, at = (_HOSTS_TAG, at + 1) if body[at] == _HOSTS_TAG else _varint(body, at)
            match tag & 7:
                case 0:
                    _, at = _varint(body, at)
                case 1:
                    at += 8
                case 2:
                    length, inside = _varint(body, at)
                    at = inside + length
                    if tag == _HOSTS_TAG:
                        hosts.append(body[inside:at])
                case 5:
                    at += 4
                case _:
                    raise ValueError("a field of no known sort")
            if at > len(body):
                raise ValueError("a field that ends after its message")
            if tag != _HOSTS_TAG:
                rest += body[begin:at]
        return Table(tuple(hosts), bytes(rest))


def name_of(host: bytes) -> str:
    """The name of a virtual host, with which it begins; empty when it has none."""
    if host[:1] != _NAME_TAG:
        return ""
    length, at = _varint(host, 1)
    return host[at : at + length].decode()


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
