"""The forwarder's sockets: UDP and TCP, one port, on two loopback addresses.

Two addresses, because Envoy's resolver thinks less of a server that once did not answer in time
and goes to the next one: that shall be the same forwarder before it is anybody else. Nothing from
outside this machine reaches a loopback address. What cannot be read as a question is refused, or
not answered at all.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final, cast

from seawall.limits import (
    DNS_CONNECTION_IDLE_S,
    DNS_CONNECTIONS_MAX,
    DNS_FLIGHTS_MAX,
    DNS_PORT_TRIES,
    DNS_QUERY_SIZE_BYTES_MAX,
    DNS_RECEIVE_BUFFER_SIZE_BYTES,
)
from seawall.node.dns import wire
from seawall.node.dns.forwarder import Forwarder
from seawall.node.dns.wire import Query
from seawall.tasks import Background

HOSTS: Final = ("127.0.0.1", "127.0.0.2")
Peer = tuple[str, int]
PRIVILEGED: Final = range(914, 953)
"""Ports of no known service that only root, or who may bind 80 and 443, can take: nobody else can
answer there while the agent is dead. Where the agent may not either, any port has to do."""
_KINDS: Final = (socket.SOCK_DGRAM, socket.SOCK_STREAM)


def bind(port: int) -> list[socket.socket]:
    """Sockets on `port` of every host, UDP and TCP of each; `port` 0 takes one that is free.

    Raises:
        OSError: it is taken.
    """
    # What is free for one of the sockets may not be for all of them.
    for candidate in (*PRIVILEGED, *(0,) * DNS_PORT_TRIES) if not port else ():
        with suppress(OSError):
            return _bound(candidate)
    return _bound(port)


def _bound(port: int) -> list[socket.socket]:
    with ExitStack() as undo:
        made: list[socket.socket] = []
        for host in HOSTS:
            for kind in _KINDS:
                own = undo.enter_context(
                    socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
                )
                if kind == socket.SOCK_STREAM:  # of UDP it would let anybody share the port
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                else:
                    own.setsockopt(
                        socket.SOL_SOCKET, socket.SO_RCVBUF, DNS_RECEIVE_BUFFER_SIZE_BYTES
                    )
                own.bind((host, port))
                if kind == socket.SOCK_STREAM:  # only now is it sure that nobody else does
                    own.listen()
                port = own.getsockname()[1]
                made.append(own)
        undo.pop_all()
        return made


class Listening:
    """Serves a forwarder on bound sockets until `close`."""

    def __init__(self, forwarder: Forwarder, background: Background) -> None:
        self._forwarder = forwarder
        self._background = background
        self._datagrams: list[_Datagrams] = []
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._waiting = 0

    async def start(self, sockets: list[socket.socket]) -> None:
        """Serve from now on; the sockets are owned by this object."""
        loop = asyncio.get_running_loop()
        for own in sockets:
            if own.type == socket.SOCK_DGRAM:
                _, datagrams = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), sock=own
                )
                self._datagrams.append(datagrams)
            else:
                server = await asyncio.start_server(
                    self._serve, sock=own, limit=DNS_QUERY_SIZE_BYTES_MAX
                )
                self._servers.append(server)

    async def close(self) -> None:
        """Close every socket; when this returns the port is free."""
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.close()
        for datagrams in self._datagrams:
            await datagrams.close()

    def datagram(self, transport: asyncio.DatagramTransport, data: bytes, peer: Peer) -> None:
        """Answer what came in a datagram, now or later."""
        if not _local(peer):
            return
        query, answer = self._read(data)
        if query is None:
            if answer:
                transport.sendto(answer, peer)
            return
        answer = self._forwarder.at_once(query)
        if answer is None and self._waiting < DNS_FLIGHTS_MAX:
            self._waiting += 1
            self._background.spawn(self._later(transport, query, peer), name="dns answer")
            return
        answer = answer or self._forwarder.from_memory(query)
        if answer is not None:
            transport.sendto(_fitting(query, answer), peer)

    async def _later(self, transport: asyncio.DatagramTransport, query: Query, peer: Peer) -> None:
        try:
            answer = await self._forwarder.answer(query)
            if answer is not None and not transport.is_closing():
                transport.sendto(_fitting(query, answer), peer)
        finally:
            self._waiting -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= DNS_CONNECTIONS_MAX:
            writer.close()
            return
        self._writers.add(writer)
        try:
            while True:
                async with asyncio.timeout(DNS_CONNECTION_IDLE_S):
                    length = int.from_bytes(await reader.readexactly(wire.LENGTH_BYTES), "big")
                    if length > DNS_QUERY_SIZE_BYTES_MAX:
                        return
                    data = await reader.readexactly(length)
                query, answer = self._read(data)
                if query is not None:
                    answer = self._forwarder.at_once(query) or await self._forwarder.answer(query)
                if answer is None:
                    return
                writer.write(wire.over_tcp(answer))
                async with asyncio.timeout(DNS_CONNECTION_IDLE_S):
                    await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    @staticmethod
    def _read(data: bytes) -> tuple[Query | None, bytes | None]:
        """The question, or what refuses it: nothing where even that could be abused."""
        try:
            return wire.read_query(data), None
        except NotImplementedError:
            return None, wire.refusal(data, wire.NOT_IMPLEMENTED)
        except ValueError:
            return None, None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, owner: Listening) -> None:
        self._owner = owner
        self._closed = asyncio.Event()

    async def close(self) -> None:
        """Close the socket."""
        self._transport.close()
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The socket is closed."""
        self._closed.set()

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        """Answer it."""
        self._owner.datagram(self._transport, data, addr)


def _fitting(query: Query, answer: bytes) -> bytes:
    return answer if len(answer) <= query.size_bytes_max else wire.truncated(query)


def _local(peer: Peer) -> bool:
    return ipaddress.ip_address(peer[0]).is_loopback


def hosts_and_port(port: int) -> Iterator[tuple[str, int]]:
    """Where the forwarder is asked when it has `port`."""
    return ((host, port) for host in HOSTS)
