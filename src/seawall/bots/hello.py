"""A TLS ClientHello, read strictly: what JA4 is made of, and nothing else of it.

`read_hello` takes the bytes of one or more TLS records and gives the facts of the ClientHello
(RFC 8446, 4.1.2) in wire order, GREASE included. Whatever is cut short, overlong or not a
ClientHello is refused with the place that is wrong. It is used for building the fingerprint table,
never while serving: Envoy reads the ClientHello of a visitor.
"""

from dataclasses import dataclass
from typing import Final

from seawall.errors import RefusedError
from seawall.limits import HELLO_SIZE_BYTES_MAX

SERVER_NAME: Final = 0x0000
SUPPORTED_GROUPS: Final = 0x000A
SIGNATURE_ALGORITHMS: Final = 0x000D
ALPN: Final = 0x0010
PADDING: Final = 0x0015
PRE_SHARED_KEY: Final = 0x0029
SUPPORTED_VERSIONS: Final = 0x002B

GREASE: Final = tuple(0x0A0A + 0x1010 * n for n in range(16))
"""The 16 values of RFC 8701, in order: 0x0a0a, 0x1a1a .. 0xfafa."""

_GREASE: Final = frozenset(GREASE)
_HANDSHAKE: Final = 22
_TLS_MAJOR: Final = 3
_MESSAGE_HEADER_BYTES: Final = 4
_CLIENT_HELLO: Final = 1
_RECORD_HEADER_BYTES: Final = 5
_RECORD_SIZE_BYTES_MAX: Final = 1 << 14


@dataclass(frozen=True)
class Hello:
    """One ClientHello as sent; numbers are IANA code points, in wire order, GREASE included."""

    legacy_version: int
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    server_name: bool
    versions: tuple[int, ...]
    alpn: tuple[bytes, ...]
    signature_algorithms: tuple[int, ...]
    groups: tuple[int, ...]


def is_grease(code: int) -> bool:
    """Whether a code point is one of the 16 that mean nothing."""
    return code in _GREASE


def read_hello(data: bytes) -> Hello:
    """Read the ClientHello that these TLS records begin with.

    Raises:
        RefusedError: `hello-malformed`: cut short, too large, or no ClientHello.
    """
    body = _Reader(_handshake(data), "ClientHello")
    legacy_version = body.number(2)
    body.take(32)
    body.block(1, "session id")
    ciphers = body.block(2, "cipher suites").numbers(2)
    body.block(1, "compression methods")
    blocks: dict[int, bytes] = {}
    extensions: list[int] = []
    if body.left:
        block = body.block(2, "extensions")
        while block.left:
            kind = block.number(2)
            content = block.block(2, f"extension {kind:#06x}").rest()
            if kind in blocks and not is_grease(kind):
                raise _malformed(f"extension {kind:#06x} stands twice")
            blocks[kind] = content
            extensions.append(kind)
    body.end()
    return Hello(
        legacy_version=legacy_version,
        ciphers=ciphers,
        extensions=tuple(extensions),
        server_name=SERVER_NAME in blocks,
        versions=_list(blocks, SUPPORTED_VERSIONS, 1),
        alpn=_alpn(blocks.get(ALPN)),
        signature_algorithms=_list(blocks, SIGNATURE_ALGORITHMS, 2),
        groups=_list(blocks, SUPPORTED_GROUPS, 2),
    )


def hello_size(data: bytes) -> int | None:
    """Bytes of the records that hold the whole ClientHello; `None` while more must be read.

    Raises:
        RefusedError: `hello-malformed`: these bytes begin no ClientHello.
    """
    message, at = b"", 0
    while len(data) - at >= _RECORD_HEADER_BYTES:
        size = _record_size(data, at)
        end = at + _RECORD_HEADER_BYTES + size
        if end > len(data):
            return None
        message += data[at + _RECORD_HEADER_BYTES : end]
        at = end
        if _whole(message):
            return at
    return None


def _handshake(data: bytes) -> bytes:
    end = hello_size(data)
    if end is None:
        raise _malformed("it is cut short")
    message, at = b"", 0
    while at < end:
        size = _record_size(data, at)
        at += _RECORD_HEADER_BYTES
        message += data[at : at + size]
        at += size
    size = _message_size(message)
    if len(message) != _MESSAGE_HEADER_BYTES + size:
        raise _malformed("something follows in the same record")
    return message[_MESSAGE_HEADER_BYTES:]


def _whole(message: bytes) -> bool:
    size = len(message) - _MESSAGE_HEADER_BYTES
    return size >= 0 and size >= _message_size(message)


def _record_size(data: bytes, at: int) -> int:
    kind, major = data[at], data[at + 1]
    size = int.from_bytes(data[at + 3 : at + 5])
    if kind != _HANDSHAKE or major != _TLS_MAJOR:
        raise _malformed("it is not a TLS handshake record")
    if not 0 < size <= _RECORD_SIZE_BYTES_MAX or at + size > HELLO_SIZE_BYTES_MAX:
        raise _malformed(f"a record of {size} bytes at byte {at}")
    return size


def _message_size(message: bytes) -> int:
    if message[0] != _CLIENT_HELLO:
        raise _malformed(f"handshake message {message[0]} is not a ClientHello")
    size = int.from_bytes(message[1:4])
    if size > HELLO_SIZE_BYTES_MAX:
        raise _malformed(f"a message of {size} bytes")
    return size


def _list(blocks: dict[int, bytes], kind: int, length_bytes: int) -> tuple[int, ...]:
    if kind not in blocks:
        return ()
    reader = _Reader(blocks[kind], f"extension {kind:#06x}")
    numbers = reader.block(length_bytes, "list").numbers(2)
    reader.end()
    return numbers


def _alpn(content: bytes | None) -> tuple[bytes, ...]:
    if content is None:
        return ()
    reader = _Reader(content, "ALPN")
    names = reader.block(2, "list")
    reader.end()
    found: list[bytes] = []
    while names.left:
        found.append(names.block(1, "protocol").rest())
    return tuple(found)


class _Reader:
    """Bytes with a place; every step past the end is refused with the name of the part."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise _malformed(f"{self._name} ends early")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def block(self, length_bytes: int, name: str) -> "_Reader":
        return _Reader(self.take(self.number(length_bytes)), name)

    def numbers(self, size: int) -> tuple[int, ...]:
        if self.left % size:
            raise _malformed(f"{self._name} has an odd length")
        return tuple(self.number(size) for _ in range(self.left // size))

    def rest(self) -> bytes:
        return self.take(self.left)

    def end(self) -> None:
        if self.left:
            raise _malformed(f"{self.left} bytes follow {self._name}")


def _malformed(what: str) -> RefusedError:
    return RefusedError(
        "hello-malformed",
        f"This is not a readable ClientHello: {what}.",
        remedy="Capture it again from the first byte of the connection.",
    )
