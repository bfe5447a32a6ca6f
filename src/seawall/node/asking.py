"""One golden request to the private socket of one slot, and what of its answer is compared.

A small client on purpose: nothing is followed, kept, decoded or trusted; head, body and time are
bounded; whatever goes wrong is a `Silence` with words, never an error.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from seawall.compiler.domains import server_name
from seawall.limits import (
    GOLDEN_BODY_SIZE_BYTES_MAX,
    GOLDEN_HEAD_SIZE_BYTES_MAX,
    GOLDEN_TIMEOUT_S,
)
from seawall.model.rollout import Golden
from seawall.sockets import short_path

_STATUS_FIELDS: Final = 2
_WITHOUT_BODY: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        headers: by lower-case name; of several the last.
        body: its first bytes; empty unless the request looks into it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing that could be called an answer came back; `late` when the time for it was over."""

    why: str
    late: bool = False


async def ask(
    socket: Path, golden: Golden, *, timeout_s: float = GOLDEN_TIMEOUT_S
) -> Answer | Silence:
    """Ask `golden` on `socket`; over TLS when it is an https request."""
    try:
        request = _request(golden)
        async with asyncio.timeout(timeout_s):
            return await _talk(socket, golden, request)
    except TimeoutError:
        return Silence(f"no answer in {timeout_s:g} s", late=True)
    except ssl.SSLError as error:
        return Silence(f"TLS failed: {error.reason or 'handshake failed'}")
    except asyncio.IncompleteReadError:
        return Silence("the connection was closed before the answer")
    except OSError as error:
        return Silence(error.strerror or "no connection")
    except ValueError as error:
        return Silence(str(error))


async def _talk(socket: Path, golden: Golden, request: bytes) -> Answer:
    with short_path(socket) as address:
        if golden.https:
            reader, writer = await asyncio.open_unix_connection(
                address,
                ssl=_tls(),
                server_hostname=server_name(golden.host),
                limit=GOLDEN_HEAD_SIZE_BYTES_MAX,
            )
        else:
            reader, writer = await asyncio.open_unix_connection(
                address, limit=GOLDEN_HEAD_SIZE_BYTES_MAX
            )
    try:
        writer.write(request)
        await writer.drain()
        answer = await _head(reader)
        if not golden.contains or golden.method == "HEAD" or answer.status in _WITHOUT_BODY:
            return answer
        return Answer(answer.status, answer.headers, await _body(reader, answer.headers))
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError, TimeoutError):
            await writer.wait_closed()


def _tls() -> ssl.SSLContext:
    """Whose certificate it is says the socket; whether it is a good one, the gate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(golden: Golden) -> bytes:
    fields = {
        "Host": golden.host,
        "Connection": "close",
        "User-Agent": "seawall-golden",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        **dict(golden.headers),
    }
    lines = [f"{golden.method} {golden.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if any(not line.isprintable() for line in lines):
        raise ValueError("the request holds characters that cannot be sent")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


async def _head(reader: asyncio.StreamReader) -> Answer:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise ValueError(f"headers over {GOLDEN_HEAD_SIZE_BYTES_MAX} bytes") from error
        first, *rest = head.decode("latin-1").split("\r\n")
        parts = first.split(" ", _STATUS_FIELDS)
        if len(parts) < _STATUS_FIELDS or not parts[1].isdigit():
            raise ValueError("not a valid HTTP response")
        if not parts[1].startswith("1"):  # 103 Early Hints and its like come before the answer
            break
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Answer(int(parts[1]), headers)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The first bytes; what is missing at the end of a cut answer is missing."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = headers.get("content-length", "")
        wanted = int(length) if length.isdigit() else GOLDEN_BODY_SIZE_BYTES_MAX
        return await _at_most(reader, min(wanted, GOLDEN_BODY_SIZE_BYTES_MAX))
    body = bytearray()
    while len(body) < GOLDEN_BODY_SIZE_BYTES_MAX:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if size <= 0:
            break
        body += await _at_most(reader, min(size, GOLDEN_BODY_SIZE_BYTES_MAX - len(body)))
        if len(body) < GOLDEN_BODY_SIZE_BYTES_MAX:
            await reader.readuntil(b"\r\n")
    return bytes(body)


async def _at_most(reader: asyncio.StreamReader, size_bytes: int) -> bytes:
    found = bytearray()
    while len(found) < size_bytes and (piece := await reader.read(size_bytes - len(found))):
        found += piece
    return bytes(found)
