"""The origin behind a private fleet: answers every path at once, and says which path it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

_HEAD_SIZE_BYTES_MAX: Final = 64 * 1024
_END: Final = b"\r\n\r\n"


class _Origin(asyncio.Protocol):
    """One connection; no stream and no task, so that it costs a drill next to nothing.

    Args:
        opened: where connections are while they are open.
    """

    def __init__(self, opened: set[asyncio.Transport]) -> None:
        self._opened = opened
        self._heads = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """It is closed."""
        self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head is there."""
        *heads, self._heads = (self._heads + data).split(_END)
        if heads:
            self._transport.write(b"".join(map(_answer, heads)))
        if len(self._heads) > _HEAD_SIZE_BYTES_MAX:
            self._transport.close()


@asynccontextmanager
async def running_origin() -> AsyncIterator[int]:
    """Serve on a free port of loopback inside the block; gives the port."""
    opened: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Origin(opened), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for transport in tuple(opened):
            transport.close()
        await server.wait_closed()


def _answer(head: bytes) -> bytes:
    body = b"origin answers " + head.split(b" ", 2)[1]
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
