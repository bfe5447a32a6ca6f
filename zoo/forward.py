"""Gives each session a client address of its own: one local port each, and a PROXY header.

The bytes of the client pass untouched, so that TLS, HTTP/2 and their fingerprints stay its own.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator

_CHUNK_SIZE_BYTES = 1 << 16
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_PROXY = 0x21
_V2_TCP4, _V2_TCP6 = 0x11, 0x21


def header(address: str, client_port: int, edge_port: int) -> bytes:
    """The PROXY protocol header that names `address` as the client.

    Version 1 for even client ports and version 2 for odd ones, so that both are used
    (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
    """
    client = ipaddress.ip_address(address)
    edge = ipaddress.ip_address("192.0.2.1" if client.version == 4 else "2001:db8::1")
    if client_port % 2 == 0:
        words = ("PROXY", f"TCP{client.version}", client, edge, client_port, edge_port)
        return (" ".join(str(word) for word in words) + "\r\n").encode()
    body = client.packed + edge.packed + struct.pack("!HH", client_port, edge_port)
    family = _V2_TCP4 if client.version == 4 else _V2_TCP6
    return _SIGNATURE + struct.pack("!BBH", _V2_PROXY, family, len(body)) + body


class Forwarder:
    """Opens and closes the ports of sessions; usable from several threads.

    Args:
        edge_port: where the edge listens on 127.0.0.1, with PROXY protocol.
    """

    def __init__(self, edge_port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._edge_port = edge_port
        self._loop = loop
        self._servers: dict[int, asyncio.Server] = {}
        # Streams hold their readers weakly: without this a half-closed connection is collected.
        self._passing: set[asyncio.Task[None] | None] = set()

    def open(self, address: str) -> int:
        """A free port of 127.0.0.1 whose connections come from `address`."""
        return asyncio.run_coroutine_threadsafe(self._open(address), self._loop).result(10)

    def close(self, *ports: int) -> None:
        """No new connections; those that are open end with their client."""
        for port in ports:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and its ports with it
                self._loop.call_soon_threadsafe(self._close, port)

    async def end(self) -> None:
        """Close every port and connection; in the forwarder's own loop."""
        for port in list(self._servers):
            self._close(port)
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the next round
        await asyncio.sleep(0)

    async def _open(self, address: str) -> int:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._passing.add(task)
            try:
                await self._pass(address, reader, writer)
            finally:
                self._passing.discard(task)

        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
        self._servers[port] = server
        return port

    def _close(self, port: int) -> None:
        server = self._servers.pop(port, None)
        if server is not None:
            server.close()

    async def _pass(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client_port = int(writer.get_extra_info("peername")[1])
        try:
            back, to = await asyncio.open_connection("127.0.0.1", self._edge_port)
        except OSError:
            writer.transport.abort()
            return
        to.write(header(address, client_port, self._edge_port))
        try:
            await asyncio.gather(_pump(reader, to), _pump(back, writer))
            writer.close()
            to.close()
        except asyncio.CancelledError:
            writer.transport.abort()
            to.transport.abort()
            raise


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_SIZE_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


@contextlib.contextmanager
def running_forwarder(edge_port: int) -> Iterator[Forwarder]:
    """Forward in a thread of its own until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="zoo-forward", daemon=True)
    thread.start()
    forwarder = Forwarder(edge_port, loop)
    try:
        yield forwarder
    finally:
        asyncio.run_coroutine_threadsafe(forwarder.end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
