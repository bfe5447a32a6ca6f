"""The origin of everything that is tasted: answers each request as its probe wants, and remembers.

No real origin ever sees a tasted request. The stub answers what a golden request expects of its
origin, so that what comes out at the other end shows what the edge made of it; and it keeps what
each request looked like when it arrived, since that is what an origin would have seen.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from seawall import limits
from seawall.gate.rewrite import MARK
from seawall.sockets import listen_private

_BODY: Final = b"<!doctype html>" + b"<p>An answer in place of your origin's.</p>\n" * 40
"""Large enough to be compressed, like a small page."""
_HEAD_END: Final = b"\r\n\r\n"
_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a probe wants to be answered by its origin."""

    status: int = 200
    text: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as an origin would have seen it."""

    method: str
    path: str
    host: str


class Stub:
    """Answers on one Unix socket.

    Args:
        wanted: by mark; a request without one is answered 200.
    """

    def __init__(self, wanted: Mapping[str, Wanted]) -> None:
        self.wanted = wanted
        self.arrived: dict[str, Arrived] = {}
        self._open: set[_Connection] = set()

    @asynccontextmanager
    async def on(self, path: Path) -> AsyncIterator[None]:
        """Listen at `path` inside the `with` block.

        Raises:
            OSError: the socket cannot be made.
        """
        loop = asyncio.get_running_loop()
        listener = listen_private(path)
        server = await loop.create_unix_server(lambda: _Connection(self, self._open), sock=listener)
        try:
            yield
        finally:
            server.close()
            for connection in tuple(self._open):
                await connection.hang_up()


class _Connection(asyncio.Protocol):
    """One connection of an Envoy. Requests have no body: only safe methods are asked."""

    def __init__(self, stub: Stub, all_open: "set[_Connection]") -> None:
        self._stub, self._all_open = stub, all_open
        self._buffer = b""
        self._lost = asyncio.Event()

    async def hang_up(self) -> None:
        """End it; returns when its socket is closed."""
        self._transport.abort()
        await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._all_open.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._all_open.discard(self)
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > limits.TASTER_ANSWER_SIZE_BYTES_MAX:
            self._buffer = b""
            self._transport.abort()
            return
        while _HEAD_END in self._buffer:
            head, self._buffer = self._buffer.split(_HEAD_END, 1)
            self._transport.write(self._answer(head.decode("latin-1").split("\r\n")))

    def _answer(self, lines: list[str]) -> bytes:
        method, _, rest = lines[0].partition(" ")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        mark = headers.get(MARK, "")
        self._stub.arrived[mark] = Arrived(
            method, rest.rpartition(" ")[0], headers.get("host", headers.get("Host", ""))
        )
        wanted = self._stub.wanted.get(mark, Wanted())
        body = _BODY + wanted.text.encode()
        if wanted.status in _BODILESS:
            body = b""
        head = (
            f"HTTP/1.1 {wanted.status} Stub\r\ncontent-type: text/html\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        if wanted.status in _BODILESS:
            head = f"HTTP/1.1 {wanted.status} Stub\r\n\r\n"
        return head.encode() + (b"" if method == "HEAD" else body)
