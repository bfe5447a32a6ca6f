"""The forwarder between real sockets: a DNS library asks it, and it asks a real DNS server."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_server import Zone, serving
from node.support import until
from seawall.clock import SystemClock
from seawall.limits import (
    DNS_CONNECTION_IDLE_S,
    DNS_CONNECTIONS_MAX,
    DNS_SLOW_TTL_S,
    DNS_STALE_TTL_S,
)
from seawall.node.dns import wire
from seawall.node.dns.listening import HOSTS
from seawall.node.dns.names import MEMORY_FILE, PORT_FILE, Names
from seawall.node.dns.resolvers import LOCAL, Resolver, Resolvers, parse
from seawall.node.files import write_atomic
from seawall.tasks import beside
from verify.hand_clock import HandClock

NAME = "api.shop.test."
PATIENCE_S = 10.0


@asynccontextmanager
async def forwarding(home: Path, zone: Zone, *, before: str = "") -> AsyncIterator[Names]:
    """A forwarder in front of `zone`; `before` are lines of resolv.conf."""
    conf = home / "resolv.conf"
    conf.write_text(f"{before}nameserver [127.0.0.1]:{zone.port}\n")
    names = Names(home, SystemClock(), resolv_conf=conf)
    await names.start()
    try:
        yield names
    finally:
        await names.stop()


async def ask(
    names: Names, name: str = NAME, kind: str = "A", *, tcp: bool = False, edns: bool = True
) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=1_232)
    if tcp:
        return await dns.asyncquery.tcp(query, HOSTS[0], PATIENCE_S, names.port)
    # A late answer of the zone may still reach a port that has become this socket's.
    answer, _ = await dns.asyncquery.udp_with_fallback(
        query, HOSTS[1], PATIENCE_S, names.port, ignore_unexpected=True
    )
    return answer


def texts(message: dns.message.Message) -> list[str]:
    return sorted(record.to_text().lower() for rrset in message.answer for record in rrset)


def ttls(message: dns.message.Message) -> set[int]:
    return {rrset.ttl for rrset in message.answer}


def test_answers_come_as_the_resolver_gave_them(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add("www.shop.test.", "CNAME", "cdn.shop.test.", ttl=20)
            zone.add("cdn.shop.test.", "A", "10.0.0.5", "10.0.0.6", ttl=10)
            for tcp in (False, True):
                for edns in (False, True):
                    answer = await ask(names, "WWW.Shop.test.", tcp=tcp, edns=edns)
                    assert texts(answer) == ["10.0.0.5", "10.0.0.6", "cdn.shop.test."]
                    assert answer.question[0].name.to_text() == "WWW.Shop.test."
                    assert max(ttls(answer)) in {19, 20}
                    assert answer.edns == (0 if edns else -1)
                    assert answer.flags & dns.flags.RA
            assert len(zone.asked) < 4, "an answer is given again for a second"

    asyncio.run(story())


def test_the_last_addresses_are_given_when_the_name_is_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            assert ttls(await ask(names)) == {0}
            zone.records.clear()
            answer = await ask(names)
            assert (texts(answer), ttls(answer)) == (["10.0.0.5"], {DNS_STALE_TTL_S})
            assert (await ask(names, "other.test.")).rcode() == dns.rcode.NXDOMAIN

    asyncio.run(story())


def test_a_family_that_was_removed_stays_removed(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            zone.add(NAME, "AAAA", "2001:db8::5", ttl=0)
            assert texts(await ask(names, kind="AAAA")) == ["2001:db8::5"]
            zone.records.pop((NAME, "AAAA"))
            answer = await ask(names, kind="AAAA")
            assert (texts(answer), answer.rcode()) == ([], dns.rcode.NOERROR)
            assert names.report().stale == 0

    asyncio.run(story())


def test_a_silent_resolver_does_not_keep_envoy_waiting(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            await ask(names)
            zone.down = True
            answer = await ask(names)
            assert texts(answer) == ["10.0.0.5"]
            assert ttls(answer) == {DNS_SLOW_TTL_S}
            assert names.report().stale == 0, "it may only be slow"
            await until(lambda: names.report().stale, what="the resolver is given up")
            assert ttls(await ask(names)) == {DNS_STALE_TTL_S}

    asyncio.run(story())


@pytest.mark.parametrize("error", ["SERVFAIL", "REFUSED", "noise", "cut"])
def test_a_failure_without_memory_is_a_failure_that_envoy_does_not_turn_away_from(
    tmp_path: Path, error: str
) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5")
            zone.errors[NAME] = error
            assert (await ask(names)).rcode() == dns.rcode.FORMERR

    asyncio.run(story())


def test_the_same_question_of_many_is_asked_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            await ask(names)
            zone.down = True
            answers = await asyncio.gather(*(ask(names) for _ in range(30)))
            assert all(texts(answer) == ["10.0.0.5"] for answer in answers)
            assert len(zone.asked) == 2

    asyncio.run(story())


def test_an_envoy_that_starts_may_ask_for_all_origins_at_once(tmp_path: Path) -> None:
    names_asked = [f"o{number}.shop.test." for number in range(400)]

    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            for name in names_asked:
                zone.add(name, "A", "10.0.0.5")
            answers = await asyncio.gather(
                *(ask(names, name, tcp=number % 25 == 0) for number, name in enumerate(names_asked))
            )
            assert all(texts(answer) == ["10.0.0.5"] for answer in answers)
            assert names.report().remembered == len(names_asked)

    asyncio.run(story())


def test_many_addresses_go_over_tcp_on_both_sides(tmp_path: Path) -> None:
    many = [f"10.0.{high}.{low}" for high in range(4) for low in range(1, 61)]

    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", *many)
            assert texts(await ask(names)) == sorted(many)

    asyncio.run(story())


def test_a_dead_and_a_failing_resolver_are_passed_over(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as failing, serving(Zone()) as zone:
            failing.errors[NAME] = "SERVFAIL"
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            before = f"nameserver [127.0.0.1]:1\nnameserver [127.0.0.1]:{failing.port}\n"
            async with forwarding(tmp_path, zone, before=before) as names:
                assert texts(await ask(names)) == ["10.0.0.5"]
                assert texts(await ask(names)) == ["10.0.0.5"]
                assert len(failing.asked) == 1, "the one that answered is asked first"

    asyncio.run(story())


def test_a_changed_resolv_conf_is_used_and_a_missing_one_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as old, serving(Zone()) as zone:
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            async with forwarding(tmp_path, old) as names:
                conf = tmp_path / "resolv.conf"
                conf.write_text(f"# moved\nnameserver [127.0.0.1]:{zone.port}\n")
                assert texts(await ask(names)) == ["10.0.0.5"]
                conf.unlink()
                assert texts(await ask(names)) == ["10.0.0.5"], "those read last are used"
                assert any("resolv.conf cannot be read" in text for text in names.notices(()))

    asyncio.run(story())


def test_what_is_no_question_for_addresses_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            for kind, kind_class in (("TXT", "IN"), ("ANY", "IN"), ("A", "CH")):
                query = dns.message.make_query(NAME, kind, kind_class)
                reader, writer = await asyncio.open_connection(HOSTS[0], names.port)
                sent = query.to_wire()
                writer.write(struct.pack("!H", len(sent)) + sent)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = dns.message.from_wire(await reader.readexactly(length))
                assert answer.rcode() == dns.rcode.NOTIMP
                writer.close()
            assert zone.asked == []

    asyncio.run(story())


def test_noise_ends_a_connection_and_nothing_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5")
            for noise in (b"\xff\xff" + b"x" * 600, b"\0\x0c" + b"\0" * 12, b"\0\0"):
                reader, writer = await asyncio.open_connection(HOSTS[0], names.port)
                writer.write(noise)
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
            assert texts(await ask(names)) == ["10.0.0.5"]
            assert names.notices(()) == ()

    asyncio.run(story())


def test_connections_are_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone, forwarding(tmp_path, zone) as names:
            zone.add(NAME, "A", "10.0.0.5")
            held = [
                await asyncio.open_connection(HOSTS[0], names.port)
                for _ in range(DNS_CONNECTIONS_MAX)
            ]
            reader, writer = await asyncio.open_connection(HOSTS[0], names.port)
            async with asyncio.timeout(DNS_CONNECTION_IDLE_S / 2):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b"", "one too many is closed"
            for _, open_writer in (*held, (reader, writer)):
                open_writer.close()
            assert texts(await ask(names)) == ["10.0.0.5"], "over UDP all goes on"

    asyncio.run(story())


def test_the_port_is_kept_and_the_memory_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Zone()) as zone:
            zone.add(NAME, "A", "10.0.0.5", ttl=0)
            async with forwarding(tmp_path, zone) as names:
                port = names.port
                await ask(names)
            zone.down = True
            async with forwarding(tmp_path, zone) as names:
                assert names.port == port
                assert texts(await ask(names)) == ["10.0.0.5"]
            (tmp_path / PORT_FILE).write_text("no port")
            async with forwarding(tmp_path, zone) as names:
                assert names.port
                assert names.notices(()) == ()

    asyncio.run(story())


def test_without_a_port_envoy_asks_the_system_until_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(_port: int) -> list[socket.socket]:
        raise OSError(98, "Address already in use")

    async def story() -> None:
        with monkeypatch.context() as patched:
            patched.setattr("seawall.node.dns.names.bind", taken)
            names = Names(tmp_path, HandClock())
            await names.start()
        assert names.resolvers() == ()
        assert any("DNS port could not be opened" in text for text in names.notices(()))
        async with beside(names.run()):
            await until(lambda: names.port, what="a port")
            assert [place.host for place in names.resolvers()[:2]] == list(HOSTS)
            assert not any("could not be opened" in text for text in names.notices(()))
        await names.stop()

    asyncio.run(story())


def test_an_agent_that_ends_while_it_saves_leaves_a_memory_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.dns.names.DNS_SAVE_INTERVAL_S", 0.01)
    begun, alone, together = threading.Event(), threading.Lock(), list[bytes]()

    def slow_disk(path: Path, content: bytes) -> None:
        if path.name == MEMORY_FILE:
            if not alone.acquire(blocking=False):
                together.append(content)
                return
            begun.set()
            time.sleep(0.3)
            alone.release()
        write_atomic(path, content)

    async def story() -> None:
        async with serving(Zone()) as zone:
            zone.add(NAME, "A", "10.0.0.5")
            conf = tmp_path / "resolv.conf"
            conf.write_text(f"nameserver [127.0.0.1]:{zone.port}\n")
            names = Names(tmp_path, SystemClock(), resolv_conf=conf, write=slow_disk)
            await names.start()
            await ask(names)
            async with beside(names.run()):
                await until(begun.is_set, what="a save")
            await names.stop()

    asyncio.run(story())
    assert together == []


def test_a_full_disk_is_told_and_nothing_else(tmp_path: Path) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    async def story() -> None:
        names = Names(tmp_path, SystemClock(), write=full)
        await names.start()
        try:
            assert any("No space left" in text for text in names.notices(()))
            assert names.port
        finally:
            await names.stop()

    asyncio.run(story())


def test_a_port_that_a_full_disk_did_not_take_is_written_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.dns.names.DNS_SAVE_INTERVAL_S", 0.01)
    room = False

    def write(path: Path, content: bytes) -> None:
        if not room:
            raise OSError(28, "No space left on device")
        write_atomic(path, content)

    async def story() -> None:
        nonlocal room
        names = Names(tmp_path, SystemClock(), write=write)
        await names.start()
        try:
            assert any("DNS port cannot be saved" in text for text in names.notices(()))
            room = True
            async with beside(names.run()):
                await until(lambda: not names.notices(()), what="no notice")
            assert (tmp_path / PORT_FILE).read_text() == f"{names.port}\n"
        finally:
            await names.stop()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", LOCAL),
        ("search example.com\noptions ndots:5\n", LOCAL),
        ("nameserver 10.0.0.1\n", (Resolver("10.0.0.1"),)),
        ("# nameserver 9.9.9.9\nnameserver\t::1 # x\n", (Resolver("::1"),)),
        ("nameserver fe80::1%eth0\n", (Resolver("fe80::1%eth0"),)),
        ("nameserver [10.0.0.1]:5353\n", (Resolver("10.0.0.1", 5353),)),
        ("nameserver [::1]\n", (Resolver("::1"),)),
        ("nameserver [::1]:0\nnameserver [::1]:x\nnameserver no.name\n", LOCAL),
        ("nameserver 10.0.0.1\n" * 2, (Resolver("10.0.0.1"),)),
        ("".join(f"nameserver 10.0.0.{n}\n" for n in range(9)),
         tuple(Resolver(f"10.0.0.{n}") for n in range(3))),
    ],
)  # fmt: skip
def test_resolv_conf(text: str, found: tuple[Resolver, ...]) -> None:
    assert parse(text) == found


def test_without_a_resolv_conf_the_local_resolver_is_asked(tmp_path: Path) -> None:
    resolvers = Resolvers(tmp_path / "none")
    assert resolvers.now() == LOCAL
    assert not resolvers.problem
    resolvers = Resolvers(tmp_path)
    assert resolvers.now() == LOCAL
    assert "cannot be read" in resolvers.problem


def test_only_the_answer_to_the_question_is_heard() -> None:
    question = wire.Question(b"\4shop\4test\0", wire.A)
    query = dns.message.from_wire(wire.ask(question, 7))
    answer = dns.message.make_response(query).to_wire()
    assert wire.read_answer(answer, question, 7).rcode == wire.NO_ERROR
    other = wire.Question(b"\4shop\4evil\0", wire.A)
    for wrong in (
        (answer, other, 7),
        (answer, question.sibling, 7),
        (answer, question, 8),
        (wire.ask(question, 7), question, 7),
    ):
        with pytest.raises(ValueError, match="another question"):
            wire.read_answer(*wrong)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_no_message_breaks_the_reader(body: bytes, name: bytes) -> None:
    question = wire.Question(b"\4shop\4test\0", wire.A)
    head = wire.HEAD.pack(7, 0x8000, 1, len(body) % 5, 0, 0)
    asked = b"\4shop\4test\0\0\1\0\1"
    for message in (body, head + asked + body, head + name + body):
        with contextlib.suppress(ValueError):
            answer = wire.read_answer(message, question, 7)
            assert len(answer.records.body) <= len(message)
            assert len(answer.records.lasting(30)) == len(answer.records.aged(3))
            assert answer.records.addresses is not None
        with contextlib.suppress(ValueError, NotImplementedError):
            query = wire.read_query(message)
            assert query.question.text
