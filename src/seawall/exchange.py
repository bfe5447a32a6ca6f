"""HTTP/1.1 over a Unix socket or TCP: the small client of processes that live for months.

Envoy's admin interface and the control process are asked this way: `exchange` makes one request on
a connection of its own, a `Line` keeps its connection. Nothing but the standard library (a full
HTTP library costs megabytes in every node), and every answer is bounded in size and time. It knows
nothing of what is asked.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.sockets import short_path

_READ_SIZE_BYTES: Final = 256 * 1024


_HEAD_SIZE_BYTES_MAX: Final = 16 * 1024
_NO_BODY: Final = frozenset({204, 304})
_HTTP_PORT: Final = 80
_HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address.

    Attributes:
        tls: None speaks plain HTTP.
        name: what the certificate at the other end must say; the host when empty.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    name: str = ""

    @property
    def authority(self) -> str:
        """As a `Host` header has it: without the port that the scheme implies (RFC 9110, 7.2)."""
        implied = _HTTP_PORT if self.tls is None else _HTTPS_PORT
        return str(self).removesuffix(f":{implied}") if self.port == implied else str(self)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def exchange(
    path: Path,
    method: str,
    target: str,
    *,
    timeout_s: float,
    size_bytes_max: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer.

    Args:
        path: of the socket; may be longer than a socket address holds.
        method: for example `GET`.
        target: path and query, already encoded.
        timeout_s: bound of the whole exchange.
        size_bytes_max: bound of the whole answer, its head included.
        body: of the request.
        headers: of the request, besides those of its framing; names and values are the caller's
            own, never a stranger's.

    Raises:
        OSError: nobody answers there, or the connection broke; `TimeoutError` when it took long.
        ValueError: the answer is too large, cut short, or no HTTP.
    """
    request = _request(method, target, body, {"Connection": "close", **(headers or {})})
    async with asyncio.timeout(timeout_s):
        return _parse(await _talk(path, request, size_bytes_max))


class Line:
    """One kept connection, for one request at a time; made on the first and after every failure.

    Args:
        where: the other end.
        connect_timeout_s: of connecting, TLS included; comes on top of the time for an answer.
    """

    def __init__(self, where: Path | Address, *, connect_timeout_s: float = 10.0) -> None:
        self.where = where
        self._connect_timeout_s = connect_timeout_s
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._ended = False

    async def ask(
        self,
        method: str,
        target: str,
        *,
        timeout_s: float,
        size_bytes_max: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """As `exchange`.

        The request may be sent twice: the other end may close a kept connection at the moment it
        is used.

        Raises:
            OSError: nobody answers there, or the connection broke; `TimeoutError` when it took
                long, `ssl.SSLError` when one side does not accept the other.
            ValueError: the answer is too large, cut short, or no HTTP.
        """
        where = self.where
        host = {"Host": where.authority} if isinstance(where, Address) else {}
        request = _request(method, target, body, {**host, **(headers or {})})
        async with self._turn:
            try:
                return await self._ask(request, size_bytes_max, timeout_s)
            except EOFError as error:
                self.close()
                raise ConnectionResetError(
                    "the connection was closed without a response"
                ) from error
            except BaseException:
                self.close()
                raise
            finally:
                if self._ended:
                    self.close()

    @property
    def busy(self) -> bool:
        """Whether a request is on its way."""
        return self._turn.locked()

    def close(self) -> None:
        """Close the connection; the next request makes a new one."""
        if self._streams is not None:
            with suppress(OSError, RuntimeError):
                self._streams[1].transport.abort()
            self._streams = None

    def end(self) -> None:
        """Close it for good: who still waits for a turn is answered, and leaves none open."""
        self._ended = True
        self.close()

    async def _ask(self, request: bytes, size_bytes_max: int, timeout_s: float) -> Answer:
        kept = self._streams is not None
        try:
            return await self._exchange(request, size_bytes_max, timeout_s)
        except (EOFError, ConnectionError):
            self.close()
            if not kept:
                raise
            return await self._exchange(request, size_bytes_max, timeout_s)

    async def _exchange(self, request: bytes, size_bytes_max: int, timeout_s: float) -> Answer:
        if self._streams is None:
            async with asyncio.timeout(self._connect_timeout_s):
                self._streams = await _connect(self.where)
        reader, writer = self._streams
        async with asyncio.timeout(timeout_s):
            writer.write(request)
            await writer.drain()
            answer, keeps = await _read(reader, size_bytes_max)
        if not keeps:
            self.close()
        return answer


async def _connect(
    where: Path | Address,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(where, Path):
        with short_path(where) as address:
            return await asyncio.open_unix_connection(address)
    name = None if where.tls is None else where.name or where.host
    return await asyncio.open_connection(
        where.host, where.port, ssl=where.tls, server_hostname=name, limit=_HEAD_SIZE_BYTES_MAX
    )


async def _read(reader: asyncio.StreamReader, size_bytes_max: int) -> tuple[Answer, bool]:
    """A whole answer, and whether the connection can be used again."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ValueError("the response headers are too large") from error
    status, headers = _parse_head(head[:-4])
    keeps = headers.get("connection", "").lower() != "close"
    length = headers.get("content-length")
    if status in _NO_BODY:
        return Answer(status, headers, b""), keeps
    if length is not None:
        if not length.isdecimal() or int(length) > size_bytes_max:
            raise ValueError(f"answer over {size_bytes_max} bytes")
        return Answer(status, headers, await reader.readexactly(int(length))), keeps
    received = bytearray()
    while chunk := await reader.read(_READ_SIZE_BYTES):
        received += chunk
        if len(received) > size_bytes_max:
            raise ValueError(f"answer over {size_bytes_max} bytes")
    whole = headers.get("transfer-encoding", "").lower() != "chunked"
    return Answer(status, headers, bytes(received) if whole else _dechunk(received)), False


def _request(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


async def _talk(path: Path, request: bytes, size_bytes_max: int) -> bytearray:
    with short_path(path) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        writer.write(request)
        await writer.drain()
        received = bytearray()
        while chunk := await reader.read(_READ_SIZE_BYTES):
            received += chunk
            if len(received) > size_bytes_max:
                raise ValueError(f"answer over {size_bytes_max} bytes")
        return received
    finally:
        writer.close()


def _parse(received: bytearray) -> Answer:
    """Split a whole HTTP/1.1 response (RFC 9112) read to the end of the connection."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        raise ValueError("not an HTTP response")
    status, fields = _parse_head(bytes(head))
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, fields, _dechunk(body))
    length = fields.get("content-length")
    if length is not None and int(length) != len(body):
        raise ValueError("the response was cut short")
    return Answer(status, fields, bytes(body))


def _parse_head(head: bytes) -> tuple[int, Mapping[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():  # noqa: PLR2004 - version, status
        raise ValueError("not an HTTP response")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    return int(parts[1]), fields


def _dechunk(body: bytearray) -> bytes:
    """Join the chunks of RFC 9112 section 7.1; the last, empty one must be there."""
    out, position, count = bytearray(), 0, 0
    while True:
        count += 1
        if count > limits.ANSWER_CHUNKS_FEW + len(out) // limits.ANSWER_CHUNK_SIZE_BYTES_MIN:
            raise ValueError("the chunks of the response are too small")
        end = body.find(b"\r\n", position)
        if end < 0:
            raise ValueError("the response was cut short")
        size = int(bytes(body[position:end]).partition(b";")[0], 16)
        if size < 0:  # with the right one this would go round for ever
            raise ValueError("not an HTTP response")
        start = end + 2
        if size == 0:
            return bytes(out)
        if len(body) < start + size + 2:
            raise ValueError("the response was cut short")
        out += body[start : start + size]
        position = start + size + 2
