"""Joining: both sides know each other before either says a secret, and a token works once."""

import asyncio
import contextlib
import errno
import os
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.world import until
from fleet.town import Hand, Town, TurnedClock, report, town
from release import made
from seawall import limits
from seawall.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    SeawallError,
    UnreachableError,
    UsageError,
)
from seawall.exchange import Address
from seawall.fleet.ca import SERVER_NAME, load_or_create_authority, new_key, request_for
from seawall.fleet.identity import Identity
from seawall.fleet.join import join, parse_control, parse_token, token_text
from seawall.fleet.tls import server_context
from seawall.ids import Generation, NodeName
from seawall.release.signing import load_public_key
from seawall.tasks import beside

Result = TypeVar("Result")


def run(home: Path, story: Callable[[Town], Awaitable[Result]]) -> Result:
    async def told() -> Result:
        async with town(home) as here:
            return await story(here)

    return asyncio.run(told())


def test_a_machine_joins_and_is_the_node_of_its_certificate(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        identity = await here.join("edge-1", groups=("canary", "north"))
        assert identity.load().node == "edge-1"
        assert load_public_key(here.trusted("edge-1")) == made.key().public
        control = here.control("edge-1")
        here.hand.assign(3)
        found = await control.assignment(NodeName("edge-1"), Generation(0), 5)
        assert found == here.hand.assigned
        await control.report(report("edge-1"))
        assert here.hand.reports[0].groups == ("canary", "north")
        control.close()
        assert [node.name for node in (await here.desk.nodes()).nodes] == ["edge-1"]
        actions = [entry.action for entry in here.store.audit.entries()]
        assert actions == ["node-joined", "join-token-created"]

    run(tmp_path, story)


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-1")

    run(tmp_path, story)
    private = [*tmp_path.rglob("*.key"), *tmp_path.rglob("identity/*")]
    assert len(private) >= 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


@pytest.mark.parametrize("days", [-200, 30])
def test_control_that_booted_with_a_wrong_clock_is_reached_once_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setattr(limits, "SERVER_CERTIFICATE_CHECK_S", 0.05)
    clock = TurnedClock()

    async def story() -> None:
        async with town(tmp_path, clock=clock) as before:
            token = await before.token(ttl_s=3_600)  # its authority is of now
        clock.ahead_s = days * 86_400.0
        async with town(tmp_path, clock=clock, port=before.port) as here:
            with pytest.raises(UnreachableError, match="certificate"):
                await here.join("edge-1", token=token)
            clock.ahead_s = 0.0
            async with asyncio.timeout(20):
                while not here.identity("edge-1").exists:
                    with contextlib.suppress(UnreachableError):
                        await here.join("edge-1", token=token)

    asyncio.run(story())


def test_control_whose_clock_was_years_ahead_renews_its_certificate_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVER_CERTIFICATE_CHECK_S", 0.05)
    clock, certificate = TurnedClock(), tmp_path / "control" / "server.pem"

    async def story() -> None:
        async with town(tmp_path, clock=clock) as here:
            first = certificate.read_bytes()
            clock.ahead_s = 2.0 * limits.CA_LIFETIME_S
            event = "server-certificate-not-renewed"
            await until(lambda: event in dict(here.said), what="it is said")
            clock.ahead_s = 0.9 * limits.NODE_CERTIFICATE_LIFETIME_S
            await until(lambda: certificate.read_bytes() != first, what="a new certificate")

    asyncio.run(story())


def test_an_authority_that_is_over_is_said_so_and_its_key_goes_on(tmp_path: Path) -> None:
    first = load_or_create_authority(tmp_path, 0.0)  # as of a clock that was not set yet
    now_s = 2.0 * limits.CA_LIFETIME_S
    with pytest.raises(RefusedError, match=r"is over since 1979-12-30 .* clock says 1989-12-27"):
        load_or_create_authority(tmp_path, now_s).server_identity(now_s)
    (tmp_path / "ca.pem").unlink()
    again = load_or_create_authority(tmp_path, now_s)
    assert again.fingerprint == first.fingerprint
    assert again.server_identity(now_s)[1].ends_s > now_s


def test_a_token_lets_in_one_machine_once(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token()
        await here.join("edge-1", token=token)
        with pytest.raises(RefusedError, match="has let in another node already"):
            await here.join("edge-2", token=token)

    run(tmp_path, story)


def test_a_join_whose_answer_was_lost_is_tried_again_with_the_same_token(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token()
        identity = here.identity("edge-1")
        kept = identity.joined
        identity.joined = lambda *_: (_ for _ in ()).throw(UnreachableError("x", "power cut"))  # type: ignore[method-assign,assignment]  # - a crash before anything is kept
        trusted = here.trusted("edge-1")
        with pytest.raises(UnreachableError, match="power cut"):
            await join(identity, trusted, (here.address,), parse_token(token), "edge-1")
        identity.joined = kept  # type: ignore[method-assign]  # - as it was
        await join(identity, trusted, (here.address,), parse_token(token), "edge-1")
        assert identity.load().node == "edge-1"

    run(tmp_path, story)


def test_a_token_that_is_over_is_refused(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token(ttl_s=10)
        here.clock.ahead_s = 11
        with pytest.raises(RefusedError, match="unknown or over"):
            await here.join("edge-1", token=token)

    run(tmp_path, story)


def test_a_token_with_another_secret_is_refused_in_the_same_words(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token, other = await here.token(), await here.token()
        mixed = token[:21] + other[21:]
        with pytest.raises(RefusedError, match="unknown or over"):
            await here.join("edge-1", token=mixed)

    run(tmp_path, story)


def test_the_secret_of_a_token_is_nowhere_in_the_store(tmp_path: Path) -> None:
    async def story(here: Town) -> str:
        return await here.token()

    secret = run(tmp_path, story).split("_", 2)[2][:43].encode()
    assert len(secret) == 43
    assert all(secret not in f.read_bytes() for f in tmp_path.glob("seawall.db*"))


def test_an_impostor_of_control_learns_no_token(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token()
        async with town(tmp_path / "impostor") as impostor:
            with pytest.raises(RefusedError, match="not the control process that made this token"):
                await join(
                    Identity(tmp_path / "victim"),
                    tmp_path / "trusted.pub",
                    (impostor.address,),
                    parse_token(token),
                    "edge-1",
                )
            assert not (tmp_path / "trusted.pub").exists()
        await here.join("edge-1", token=token)

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, RefusedError, "not the control process that made this token.*Check the address"),
        (200, RefusedError, "not the control process that made this token.*Check the address"),
        (503, UnreachableError, "fails with HTTP 503.*Try again"),
    ],
)
def test_what_is_no_control_process_at_all_is_said_so(
    tmp_path: Path, status: int, kind: type[SeawallError], words: str
) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 6\r\n\r\n<html>" % status)
        await writer.drain()
        writer.close()

    async def story(here: Town) -> None:
        token = parse_token(await here.token())
        identity, control = Identity(tmp_path / "victim"), here.home / "control"
        authority = load_or_create_authority(control, here.clock.now_s())
        context = server_context(control / "server.pem", control / "server.key", authority.pem)
        async with await asyncio.start_server(page, "127.0.0.1", 0, ssl=context) as server:
            where = Address("127.0.0.1", server.sockets[0].getsockname()[1])
            with pytest.raises(kind) as told:
                await join(identity, tmp_path / "trusted.pub", (where,), token, "edge-1")
        assert re.search(words, str(told.value))

    run(tmp_path, story)


def test_an_impostor_that_shows_the_right_authority_is_refused_by_tls(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token()
        right = load_or_create_authority(here.home / "control", 0).pem

        async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"swj_" not in head
            assert head.startswith(b"GET /v1/ca ")
            writer.write(b"HTTP/1.1 200 x\r\ncontent-length: %d\r\n\r\n%s" % (len(right), right))
            await writer.drain()
            writer.close()

        other = load_or_create_authority(tmp_path / "other", here.clock.now_s())
        key, issued = other.server_identity(here.clock.now_s())
        (tmp_path / "k").write_bytes(key.reveal())
        (tmp_path / "c").write_bytes(issued.pem)
        context = server_context(tmp_path / "c", tmp_path / "k", other.pem)
        async with await asyncio.start_server(lie, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
                await join(
                    Identity(tmp_path / "victim"),
                    tmp_path / "trusted.pub",
                    (Address("127.0.0.1", port),),
                    parse_token(token),
                    "edge-1",
                )

    run(tmp_path, story)


def test_a_name_that_is_taken_needs_a_token_for_that_name(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-1")
        old = here.control("edge-1")
        with pytest.raises(ConflictError, match="There is a node named edge-1 already"):
            await here.join("edge-1", where="other")
        token = await here.token(name="edge-1", groups=("canary",))
        await here.join("some-other-name", token=token, where="new")
        new = here.control("new")
        await new.report(report("edge-1"))
        with pytest.raises(UnreachableError, match="joined again with another key"):
            await old.report(report("edge-1"))
        old.close()
        new.close()

    run(tmp_path, story)


@pytest.mark.parametrize("name", ["", "Edge", "a b", "-x", "x" * 64, "a/b", "edge\n", "ä"])
def test_a_name_that_is_no_label_is_refused(tmp_path: Path, name: str) -> None:
    async def story(here: Town) -> None:
        with pytest.raises(UsageError, match="cannot name a node"):
            await here.join(name, where="x")

    run(tmp_path, story)


def test_a_request_that_is_none_or_of_another_key_kind_is_refused(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        authority = load_or_create_authority(here.home / "control", 0)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
        other = ec.generate_private_key(ec.SECP384R1())
        wrong = x509.CertificateSigningRequestBuilder().subject_name(subject)
        pem = wrong.sign(other, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        for request in (b"", b"no request", pem):
            with pytest.raises(UsageError):
                authority.sign_node(request, NodeName("a"), 0)
        good = request_for(new_key())
        assert authority.sign_node(good, NodeName("a"), 0).key_sha256

    run(tmp_path, story)


@pytest.mark.parametrize("text", ["", "swj_", "swj_0_1_2", "swt_" + "0" * 16, "x" * 5000])
def test_a_token_that_is_none_is_said_so(text: str) -> None:
    with pytest.raises(UsageError, match="cut short"):
        parse_token(text)


def test_a_token_is_read_as_it_was_written() -> None:
    secret, fingerprint = "0" * 16 + "_" + "A" * 43, bytes(range(32))
    found = parse_token(f" {token_text(secret, fingerprint)}\n")
    assert (found.secret, found.fingerprint) == (secret, fingerprint)


@pytest.mark.parametrize(
    "text", ["", "http://a:1", "a", "a:x", "https://a", "https://a:1/x", "a:0"]
)
def test_an_address_of_control_that_is_none_is_said_so(text: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        parse_control(text)


def test_control_that_is_away_is_said_so_and_the_next_one_is_asked(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = parse_token(await here.token())
        away = Address("127.0.0.1", 1)
        identity, trusted = here.identity("edge-1"), here.trusted("edge-1")
        with pytest.raises(UnreachableError, match=r"No control process answers at 127.0.0.1:1"):
            await join(identity, trusted, (away,), token, "edge-1")
        answer = await join(identity, trusted, (away, here.address), token, "edge-1")
        assert answer.node == "edge-1"

    run(tmp_path, story)


async def _refused(here: Town, name: str) -> str | None:
    control = here.control(name)
    try:
        await control.report(report(name))
    except UnreachableError as error:
        return error.message
    finally:
        control.close()
    return None


def test_a_removed_node_is_not_answered_any_more_and_may_join_again(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-1")
        control = here.control("edge-1")
        waiting = asyncio.ensure_future(control.assignment(NodeName("edge-1"), Generation(0), 20))
        await control.report(report("edge-1"))
        await here.desk.remove("edge-1", actor="ada")
        with pytest.raises(NotFoundError, match="no node 'edge-1'"):
            await here.desk.remove("edge-1", actor="ada")
        async with asyncio.timeout(10):
            while await _refused(here, "edge-1") is None:
                pass
        # A poll that began before ends without the assignment that came after.
        here.hand.assign(1)
        with pytest.raises(UnreachableError, match="was removed from this fleet"):
            await waiting
        control.close()
        await here.join("edge-1")
        again = here.control("edge-1")
        await again.report(report("edge-1"))
        again.close()

    run(tmp_path, story)


@pytest.mark.parametrize("then", ["removed", "replaced", "replaced and removed"])
def test_a_key_that_speaks_for_no_node_does_not_come_back_by_the_token_that_it_used(
    tmp_path: Path, then: str
) -> None:
    async def story(here: Town) -> None:
        fleet = here.store.fleet
        old, new = "a" * 64, "b" * 64

        def token(node: str) -> str:
            return fleet.create_token(node=node, groups=(), ttl_s=600, actor="ada")[1]

        used = token("edge-1")
        for _ in range(2):  # the first answer may have been lost
            fleet.admit(used, name="", key_sha256=old, ends_s=1e10)
        if "replaced" in then:
            fleet.admit(token("edge-1"), name="", key_sha256=new, ends_s=1e10)
        if "removed" in then:
            fleet.remove("edge-1", actor="ada")
        with pytest.raises(RefusedError, match="unknown or over"):
            fleet.admit(used, name="", key_sha256=old, ends_s=1e10)
        assert [node.key_sha256 for node in fleet.nodes()] == [new] * (then == "replaced")

    run(tmp_path, story)


def test_a_token_that_is_used_again_makes_no_second_node_of_a_machine(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        fleet, key = here.store.fleet, "a" * 64
        used = fleet.create_token(node="", groups=(), ttl_s=600, actor="ada")[1]
        for _ in range(2):
            fleet.admit(used, name="edge-1", key_sha256=key, ends_s=1e10)
        with pytest.raises(ConflictError, match="already, as node edge-1"):
            fleet.admit(used, name="edge-2", key_sha256=key, ends_s=1e10)
        assert [node.name for node in fleet.nodes()] == ["edge-1"]

    run(tmp_path, story)


def test_a_removal_that_was_cut_off_half_way_can_be_finished(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-1")
        control = here.control("edge-1")
        await control.report(report("edge-1"))
        control.close()
        here.store.fleet.remove("edge-1", actor="ada")
        await here.desk.remove("edge-1", actor="ada")
        assert here.hand.reports == []
        with pytest.raises(NotFoundError, match="no node 'edge-1'"):
            await here.desk.remove("edge-1", actor="ada")

    run(tmp_path, story)


def test_control_on_a_full_disk_starts_with_its_last_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    async def story() -> None:
        async with town(tmp_path) as here:
            await here.join("edge-1")
        monkeypatch.setattr("seawall.fleet.port.write_atomic", full)
        async with town(tmp_path, port=here.port, hand=Hand()) as again:
            assert await _refused(again, "edge-1") is None
        for name in ("server.key", "server.pem"):
            (tmp_path / "control" / name).unlink()
        with pytest.raises(UnreachableError, match="No space left on device"):
            async with town(tmp_path):
                raise AssertionError("it has no certificate")

    asyncio.run(story())


def test_the_authority_survives_a_restart_and_another_one_is_refused(tmp_path: Path) -> None:
    async def first(here: Town) -> int:
        await here.join("edge-1")
        return here.port

    port = run(tmp_path, first)

    async def again() -> None:
        async with town(tmp_path, port=port, hand=Hand()) as here:
            control = here.control("edge-1")
            await control.report(report("edge-1"))
            control.close()

    asyncio.run(again())
    for name in ("ca.key", "ca.pem"):
        (tmp_path / "control" / name).unlink()
    with pytest.raises(UsageError, match="trust the authority"):
        asyncio.run(again())


def test_an_authority_whose_key_others_may_read_is_refused(tmp_path: Path) -> None:
    load_or_create_authority(tmp_path, 0)
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(RefusedError, match="can be read by others"):
        load_or_create_authority(tmp_path, 0)
    (tmp_path / "ca.key").chmod(0o600)
    (tmp_path / "ca.pem").write_text("junk")
    with pytest.raises(RefusedError, match="holds no certificate"):
        load_or_create_authority(tmp_path, 0)
    (tmp_path / "ca.key").write_text("junk")
    with pytest.raises(SeawallError, match="holds no key"):
        load_or_create_authority(tmp_path, 0)


def test_a_nodes_certificate_opens_no_door_as_a_server(tmp_path: Path) -> None:
    """A node that poses as control: its certificate is for clients, and has another name."""

    async def story(here: Town) -> None:
        await here.join("bad")
        await here.join("edge-1")
        home = here.home / "bad" / "identity"
        context = server_context(
            home / "node.pem", home / "node.key", (home / "ca.pem").read_bytes()
        )

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            address = here.identity("edge-1").addresses()[0]
            assert address.name == SERVER_NAME
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                await asyncio.open_connection(
                    "127.0.0.1", port, ssl=address.tls, server_hostname=address.name
                )

    run(tmp_path, story)


def test_a_certificate_is_renewed_with_a_third_of_its_life_left(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        identity = await here.join("edge-1")
        before = identity.load()
        clock = TurnedClock()
        control = here.control("edge-1", clock=clock)
        assert not await control.renew_if_due()
        life_s = limits.NODE_CERTIFICATE_LIFETIME_S
        clock.ahead_s = here.clock.ahead_s = life_s * 0.6
        assert not await control.renew_if_due()
        clock.ahead_s = here.clock.ahead_s = life_s * 0.75
        assert await control.renew_if_due()
        assert identity.load().ends_s > before.ends_s + life_s / 2
        assert not await control.renew_if_due()
        [node] = (await here.desk.nodes()).nodes
        assert abs(node.certificate_ends_s - identity.load().ends_s) < 2
        control.close()

    run(tmp_path, story)


def test_a_renewal_that_fails_as_one_did_before_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CERTIFICATE_RENEWAL_CHECK_S", 0.01)

    async def story(here: Town) -> None:
        await here.join("edge-1")
        control = here.control("edge-1")
        fails = [True, True, False, True, True, False]  # at its end each time, months apart
        over = asyncio.Event()

        async def renew_if_due() -> bool:
            if not fails:
                over.set()
            elif fails.pop(0):
                raise UnreachableError("control-unreachable", "No control process answers.")
            return False

        monkeypatch.setattr(control, "renew_if_due", renew_if_due)
        async with beside(control.keep_certificate()):
            await over.wait()
        assert [event for event, _ in here.said].count("certificate-not-renewed") == 2
        control.close()

    run(tmp_path, story)


def test_a_renewal_for_another_key_is_refused(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        identity = await here.join("edge-1")
        clock = TurnedClock(limits.NODE_CERTIFICATE_LIFETIME_S * 0.9)
        control = here.control("edge-1", clock=clock)
        identity.renewal_request = lambda: request_for(new_key())  # type: ignore[method-assign]  # - a key from elsewhere
        control._identity = identity
        with pytest.raises(UnreachableError, match="of another key than it joined with"):
            await control.renew_if_due()
        control.close()

    run(tmp_path, story)


def test_a_node_whose_certificate_is_over_says_so_and_joins_again(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        identity = await here.join("edge-1")
        authority = load_or_create_authority(here.home / "control", 0)
        long_ago_s = here.clock.now_s() - 2 * limits.NODE_CERTIFICATE_LIFETIME_S
        old = authority.sign_node(identity.renewal_request(), NodeName("edge-1"), long_ago_s)
        identity.renewed(old.pem.decode())
        here.store.fleet.renewed(NodeName("edge-1"), old.ends_s)
        control = here.control("edge-1")
        with pytest.raises(UnreachableError):
            await control.report(report("edge-1"))
        with pytest.raises(UnreachableError):
            await control.renew_if_due()
        [node] = (await here.desk.nodes()).nodes
        assert node.certificate_over
        control.close()
        token = await here.token(name="edge-1")
        await here.join("edge-1", token=token)
        again = here.control("edge-1")
        await again.report(report("edge-1"))
        again.close()

    run(tmp_path, story)
