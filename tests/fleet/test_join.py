"""Joining: both sides know each other before either says a secret, and a token works once."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.town import Town, live, refusal_of_report, report, town
from release import made
from seawall.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    SeawallError,
    UnreachableError,
    UsageError,
)
from seawall.exchange import Address
from seawall.fleet.ca import load_or_create_authority, new_key, request_for
from seawall.fleet.identity import Identity
from seawall.fleet.join import join, parse_control, parse_token, token_text
from seawall.fleet.tls import server_context
from seawall.ids import Generation, NodeName
from seawall.release.signing import load_public_key


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

    live(tmp_path, story)


def test_a_token_lets_in_one_machine_once(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token()
        await here.join("edge-1", token=token)
        with pytest.raises(RefusedError, match="Another node has already used"):
            await here.join("edge-2", token=token)

    live(tmp_path, story)


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

    live(tmp_path, story)


def test_a_token_that_is_over_is_refused(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = await here.token(ttl_s=10)
        here.clock.ahead_s = 11
        with pytest.raises(RefusedError, match="unknown or has expired"):
            await here.join("edge-1", token=token)

    live(tmp_path, story)


def test_a_token_with_another_secret_is_refused_in_the_same_words(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token, other = await here.token(), await here.token()
        mixed = token[:21] + other[21:]
        with pytest.raises(RefusedError, match="unknown or has expired"):
            await here.join("edge-1", token=mixed)

    live(tmp_path, story)


def test_a_stranger_with_a_made_up_token_waits_for_no_writer_and_holds_none_up(
    tmp_path: Path,
) -> None:
    async def story(here: Town) -> None:
        token = await here.token()
        made_up = token[:21] + "A" * 43 + token[64:]
        with closing(sqlite3.connect(tmp_path / "seawall.db", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(RefusedError, match="unknown or has expired"):
                await here.join("edge-1", token=made_up)
            writer.execute("ROLLBACK")

    live(tmp_path, story)


def test_the_secret_of_a_token_is_nowhere_in_the_store(tmp_path: Path) -> None:
    async def story(here: Town) -> str:
        return await here.token()

    secret = live(tmp_path, story).split("_", 2)[2][:43].encode()
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

    live(tmp_path, story)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, RefusedError, "not the control process that made this token.*Check the address"),
        (200, RefusedError, "not the control process that made this token.*Check the address"),
        (503, UnreachableError, "answers with HTTP 503.*Try again"),
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

    live(tmp_path, story)


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

    live(tmp_path, story)


def test_a_name_that_is_taken_needs_a_token_for_that_name(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-1")
        old = here.control("edge-1")
        with pytest.raises(ConflictError, match="There is already a node named edge-1"):
            await here.join("edge-1", where="other")
        token = await here.token(name="edge-1", groups=("canary",))
        await here.join("some-other-name", token=token, where="new")
        new = here.control("new")
        await new.report(report("edge-1"))
        with pytest.raises(UnreachableError, match="joined again with another key"):
            await old.report(report("edge-1"))

    live(tmp_path, story)


@pytest.mark.parametrize("name", ["", "Edge", "a b", "-x", "x" * 64, "a/b", "edge\n", "ä"])
def test_a_name_that_is_no_label_is_refused(tmp_path: Path, name: str) -> None:
    async def story(here: Town) -> None:
        with pytest.raises(UsageError, match="cannot name a node"):
            await here.join(name, where="x")

    live(tmp_path, story)


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

    live(tmp_path, story)


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
    with pytest.raises(UsageError, match="not the address"):
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

    live(tmp_path, story)


def test_while_no_control_process_leads_a_machine_joins_later(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = parse_token(await here.token())
        identity, trusted = here.identity("edge-1"), here.trusted("edge-1")
        here.lead.leading = False
        with pytest.raises(UnreachableError, match="which one leads is currently unknown"):
            await join(identity, trusted, (here.address,), token, "edge-1")
        here.lead.leading = True
        assert (await join(identity, trusted, (here.address,), token, "edge-1")).node == "edge-1"

    live(tmp_path, story)


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
            while await refusal_of_report(here) is None:
                pass
        # A poll that began before ends without the assignment that came after.
        here.hand.assign(1)
        with pytest.raises(UnreachableError, match="was removed from this fleet"):
            await waiting
        control.close()
        await here.join("edge-1")
        again = here.control("edge-1")
        await again.report(report("edge-1"))

    live(tmp_path, story)


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
        with pytest.raises(RefusedError, match="unknown or has expired"):
            fleet.admit(used, name="", key_sha256=old, ends_s=1e10)
        assert [node.key_sha256 for node in fleet.nodes()] == [new] * (then == "replaced")

    live(tmp_path, story)


def test_a_token_that_is_used_again_makes_no_second_node_of_a_machine(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        fleet, key = here.store.fleet, "a" * 64
        used = fleet.create_token(node="", groups=(), ttl_s=600, actor="ada")[1]
        for _ in range(2):
            fleet.admit(used, name="edge-1", key_sha256=key, ends_s=1e10)
        with pytest.raises(ConflictError, match="already used this join token, as node edge-1"):
            fleet.admit(used, name="edge-2", key_sha256=key, ends_s=1e10)
        assert [node.name for node in fleet.nodes()] == ["edge-1"]

    live(tmp_path, story)


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

    live(tmp_path, story)
