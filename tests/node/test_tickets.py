"""TLS session tickets: one set of keys for every slot, private, renewed in time."""

import asyncio
import itertools
import socket
import ssl
from pathlib import Path

import pytest

from helpers import free_port
from node.stage_support import Stand, addressed, certificate, loaded, standing
from node.support import answer, cluster, edge, routes, until, whole
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.limits import TICKET_KEY_LIFE_S, TICKET_KEYS_KEPT
from seawall.node.tickets import TICKETS, Tickets
from tls_material import TlsAuthority


def file_of(directory: Path) -> Path:
    return directory / "tickets.json"


def dressed(tickets: Tickets) -> bytes:
    """The secret that Envoy gets."""
    plain = loaded(whole(addressed("127.0.0.1", 1, tls=True), routes([answer("x")]))).snapshot
    return tickets.dress(plain).by_key[(TypeUrl.SECRET, TICKETS)].body


def test_a_restart_of_the_agent_keeps_the_keys_and_they_are_private(tmp_path: Path) -> None:
    first = Tickets(file_of(tmp_path))
    first.refresh(1000.0)
    assert file_of(tmp_path).stat().st_mode & 0o777 == 0o600
    second = Tickets(file_of(tmp_path))
    assert second.refresh(1001.0)
    assert dressed(second) == dressed(first)
    assert not second.refresh(1002.0)


def test_a_new_key_makes_tickets_and_old_ones_still_read_them(tmp_path: Path) -> None:
    made = iter(bytes([number]) * 80 for number in range(100))
    tickets = Tickets(file_of(tmp_path), entropy=lambda _: next(made))
    seen = []
    for round_number in range(TICKET_KEYS_KEPT + 2):
        assert tickets.refresh(round_number * TICKET_KEY_LIFE_S)
        seen.append(tickets._keys)
    for before, after in itertools.pairwise(seen):
        assert after[0] not in before
        assert after[1] == before[0]
    assert len(seen[-1]) == TICKET_KEYS_KEPT


def test_a_clock_set_back_makes_a_new_key_and_loses_none(tmp_path: Path) -> None:
    tickets = Tickets(file_of(tmp_path))
    tickets.refresh(10_000.0)
    old = tickets._keys[0]
    assert tickets.refresh(5_000.0)
    assert tickets._keys[1] == old
    assert not tickets.refresh(5_001.0)


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys": ["AA=="], "made_s": 1}', b"[]", b"\xff"])
def test_a_damaged_file_costs_the_old_tickets_only(tmp_path: Path, content: bytes) -> None:
    file_of(tmp_path).write_bytes(content)
    tickets = Tickets(file_of(tmp_path))
    assert tickets.refresh(1000.0)
    again = Tickets(file_of(tmp_path))
    again.refresh(1001.0)
    assert dressed(again) == dressed(tickets)


def test_a_disk_that_cannot_be_written_changes_nothing_for_now(tmp_path: Path) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OSError(28, "No space left on device", path)

    tickets = Tickets(file_of(tmp_path), write=full)
    assert tickets.refresh(1000.0)
    assert not tickets.refresh(1001.0)


def test_an_edge_without_tls_gets_no_keys(tmp_path: Path) -> None:
    plain = loaded(edge(1, "x")).snapshot
    assert (TypeUrl.SECRET, TICKETS) not in plain.by_key
    assert Tickets(file_of(tmp_path)).dress(plain) is plain


class Client:
    """Asks over TLS and keeps the session."""

    def __init__(self, authority: TlsAuthority, port: int, version: ssl.TLSVersion) -> None:
        self._port = port
        self._context = authority.client()
        self._context.minimum_version = self._context.maximum_version = version
        self._session: ssl.SSLSession | None = None

    def ask(self) -> tuple[str, bool]:
        """The body of an answer, and whether the handshake was resumed."""
        with (
            socket.create_connection(("127.0.0.1", self._port), 10) as plain,
            self._context.wrap_socket(
                plain, server_hostname="demo.test", session=self._session
            ) as tls,
        ):
            tls.sendall(b"GET / HTTP/1.1\r\nhost: demo.test\r\nconnection: close\r\n\r\n")
            text = b""
            while not text.endswith((b"one", b"two")):
                text += tls.recv(4096)
            reused = bool(tls.session_reused)
            self._session = tls.session  # with TLS 1.3 it comes with the first answer
            return text[-3:].decode(), reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_goes_on_with_any_slot_and_after_a_swap_and_a_renewal(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    port = free_port()
    authority = TlsAuthority()
    pair = authority.issue("demo.test")

    def secure(text: str) -> Snapshot:
        tls = addressed("127.0.0.1", port, tls=True)
        return whole(cluster("o", 1), tls, certificate(*pair), routes([answer(text)]))

    async def asked(client: Client) -> tuple[str, bool]:
        return await asyncio.to_thread(client.ask)

    async def story(stand: Stand) -> None:
        old, new = loaded(secure("one")), loaded(secure("two"), "r2")
        await stand.serve(old)
        await stand.trials.start(new, old, baseline=True, deadline_s=20)
        await stand.trials.open()
        client = Client(authority, port, version)
        assert await asked(client) == ("one", False)
        assert await asked(client) == ("one", True)
        await stand.trials.steer(1000)
        assert await asked(client) == ("two", True)
        await stand.trials.steer(0)
        assert await asked(client) == ("one", True)
        assert (await stand.trials.turn()).why == ""
        assert await asked(client) == ("two", True)
        ads = stand.ads
        assert ads._tickets.refresh(4e9)
        link = stand.slots.active.link
        await until(link.dress_anew, what="a quiet moment")
        await until(lambda: link.session.settled, what="the new key")
        assert await asked(client) == ("two", True)  # a ticket of the key before
        fresh = Client(authority, port, version)
        assert await asked(fresh) == ("two", False)
        assert await asked(fresh) == ("two", True)

    async def all_of_it() -> None:
        async with standing(tmp_path) as stand:
            await story(stand)

    asyncio.run(all_of_it())
