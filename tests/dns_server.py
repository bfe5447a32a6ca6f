"""A small real DNS server on loopback, over UDP and TCP, with every kind of misbehaviour."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class Zone:
    """What the server answers; changed by tests while it runs.

    Attributes:
        records: (name with final dot, type) to (ttl, values).
        errors: names to an rcode name, or to `silence`, `truncate`, `noise`, `cut`.
        asked: every question, in order.
        slow_s: how long every answer over UDP takes.
        nothing_s: how long it may be remembered that a name has no such record; 0 says nothing.
    """

    records: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False
    slow_s: float = 0.0
    nothing_s: int = 0
    port: int = 0

    def add(self, name: str, kind: str, *values: str, ttl: int = 300) -> None:
        self.records[name, kind] = (ttl, list(values))

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text().lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        error = "silence" if self.down else self.errors.get(name, "")
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if error == "silence":
            return None
        if error == "noise":
            return b"\x00" * 40
        if error == "truncate" and not tcp:
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        if error and error not in {"truncate", "cut"}:
            reply.set_rcode(dns.rcode.from_text(error))
            return reply.to_wire()
        self._fill(reply, name, kind)
        wire = reply.to_wire(max_size=65_535 if tcp else 1_232)
        return wire[: len(wire) // 2] if error == "cut" else wire

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(20):
            alias = self.records.get((name, "CNAME"))
            if alias is None:
                break
            reply.answer.append(dns.rrset.from_text(name, alias[0], "IN", "CNAME", *alias[1]))
            name = alias[1][0]
        found = self.records.get((name, kind))
        if found is not None and found[1]:
            reply.answer.append(dns.rrset.from_text(name, found[0], "IN", kind, *found[1]))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif self.nothing_s:
            soa = f"a. b. 1 1 1 1 {self.nothing_s}"
            reply.authority.append(dns.rrset.from_text(name, self.nothing_s, "IN", "SOA", soa))

    def resolver(self) -> Any:
        """A resolver that asks this server only."""
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self.port
        made.timeout = 1.0
        made.cache = None
        return made


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            wire = self._zone.answer(data, tcp=False)
        except dns.exception.TooBig:
            query = dns.message.from_wire(data)
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        if wire is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self._zone.slow_s, self._transport.sendto, wire, addr)


@contextlib.asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[Zone]:
    """Serve `zone` on one port of 127.0.0.1, UDP and TCP."""

    async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = int.from_bytes(await reader.readexactly(2), "big")
            wire = zone.answer(await reader.readexactly(length), tcp=True)
            if wire is not None:
                writer.write(len(wire).to_bytes(2, "big") + wire)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(tcp, "127.0.0.1", 0)
    zone.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Udp(zone),
        local_addr=("127.0.0.1", zone.port),
    )
    try:
        yield zone
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
