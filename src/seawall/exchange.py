"""One HTTP/1.1 exchange over a Unix socket: the small client of processes that live for months.

Envoy's admin interface and the control process are asked this way. One request per connection,
nothing but the standard library (a full HTTP library costs megabytes in every node), and every
answer is bounded in size and time. It knows nothing of what is asked.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from seawall.sockets import short_path

_READ_SIZE_BYTES: Final = 256 * 1024


async def exchange(
    path: Path,
    method: str,
    target: str,
    *,
    timeout_s: float,
    size_bytes_max: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Status and body of the answer.

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
    fields = {
        "Host": "localhost",
        "Connection": "close",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body
    async with asyncio.timeout(timeout_s):
        return _parse(await _talk(path, request, size_bytes_max))


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


def _parse(received: bytearray) -> tuple[int, bytes]:
    """Split a whole HTTP/1.1 response (RFC 9112) read to the end of the connection."""
    head, separator, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if not separator or len(parts) < 2 or not parts[1].isdigit():  # noqa: PLR2004 - version, status
        raise ValueError("not an HTTP response")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return int(parts[1]), _dechunk(body)
    length = fields.get("content-length")
    if length is not None and int(length) != len(body):
        raise ValueError("answer cut short")
    return int(parts[1]), bytes(body)


def _dechunk(body: bytearray) -> bytes:
    """Join the chunks of RFC 9112 section 7.1; the last, empty one must be there."""
    out, position = bytearray(), 0
    while True:
        end = body.find(b"\r\n", position)
        if end < 0:
            raise ValueError("answer cut short")
        size = int(bytes(body[position:end]).partition(b";")[0], 16)
        start = end + 2
        if size == 0:
            return bytes(out)
        if len(body) < start + size + 2:
            raise ValueError("answer cut short")
        out += body[start : start + size]
        position = start + size + 2
