"""The DNS of a private fleet: one server on loopback that knows the origin until it is emptied."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from seawall.node.dns import wire

ORIGIN: Final = "origin.drill.internal"
"""The origin's name; no name server of the world knows it."""
_ADDRESS: Final = ipaddress.ip_address("127.0.0.1").packed
_TTL_S: Final = 1
"""Short, as where addresses change often: so a fault is met at once."""
_RECORD: Final = b"\xc0\x0c" + struct.pack("!HHIH", wire.A, 1, _TTL_S, len(_ADDRESS)) + _ADDRESS


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with the origin's address; once emptied, with no record at all.

    Attributes:
        port: of 127.0.0.1.
    """

    def __init__(self) -> None:
        self._empty = False
        self.port = 0

    def emptied(self) -> None:
        """From now on every name is there and has no address: an empty record."""
        self._empty = True

    def filled(self) -> None:
        """Undo `emptied`."""
        self._empty = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It listens now."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer it."""
        try:
            query = wire.read_query(data)
        except (ValueError, NotImplementedError):
            return
        known = query.question.kind == wire.A and not self._empty
        answer = wire.reply(query, wire.NO_ERROR, _RECORD if known else b"", int(known))
        self._transport.sendto(answer, addr)


@asynccontextmanager
async def running_nameserver() -> AsyncIterator[NameServer]:
    """Serve on a free port of loopback inside the block."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
