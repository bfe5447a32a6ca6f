"""An origin with long streams, and clients that notice when one of them breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

from node.support import Connection

UPGRADE = {"connection": "Upgrade", "upgrade": "websocket"}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer by path: /ws echoes after 101, /drip sends a byte whenever asked by a new request."""
    with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split(" ")[1]
            if path == "/ws":
                writer.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n"
                    b"upgrade: websocket\r\n\r\n"
                )
                while data := await reader.read(4096):
                    writer.write(data)
                break
            if path == "/drip":
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"1\r\n.\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.03)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()


@asynccontextmanager
async def origin() -> AsyncIterator[int]:
    """The port of a running origin."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def open_upgrade(port: int) -> Connection:
    """A WebSocket-like connection through the edge."""
    client = await Connection.open(port)
    status, _ = await client.ask("/ws", **UPGRADE)
    assert status == 101
    return client


async def echo(client: Connection, text: bytes) -> None:
    """The upgraded connection still carries bytes both ways."""
    client.writer.write(text)
    async with asyncio.timeout(10):
        assert await client.reader.readexactly(len(text)) == text


async def open_drip(port: int) -> Connection:
    """A download that never ends by itself."""
    client = await Connection.open(port)
    status, _ = await client.ask("/drip")
    assert status == 200
    return client


async def dripping(client: Connection) -> None:
    """The download still moves: what had arrived is dropped, and more comes."""
    async with asyncio.timeout(10):
        await client.reader.read(1 << 16)
        assert await client.reader.readexactly(6) != b""
