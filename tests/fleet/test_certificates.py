"""Certificates of a fleet: whose keys are read by whom, what ends, and what is renewed in time."""

import asyncio
import contextlib
import errno
import os
import stat
from pathlib import Path
from random import Random

import pytest

from api.world import until
from clocks import AheadClock
from fleet.town import Hand, Town, live, refusal_of_report, report, town
from seawall import limits
from seawall.daemon.way import fleet_way
from seawall.errors import (
    RefusedError,
    SeawallError,
    UnreachableError,
    UsageError,
)
from seawall.fleet.ca import SERVER_NAME, load_or_create_authority, new_key, request_for
from seawall.fleet.tls import server_context
from seawall.ids import NodeName
from seawall.tasks import beside


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-1")

    live(tmp_path, story)
    private = [*tmp_path.rglob("*.key"), *tmp_path.rglob("identity/*")]
    assert len(private) >= 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


@pytest.mark.parametrize("days", [-200, 30])
def test_control_that_booted_with_a_wrong_clock_is_reached_once_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setattr(limits, "SERVER_CERTIFICATE_CHECK_S", 0.05)
    clock = AheadClock()

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
    clock, certificate = AheadClock(), tmp_path / "control" / "server.pem"

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
    with pytest.raises(RefusedError, match=r"expired at 1979-12-30 .* clock says 1989-12-27"):
        load_or_create_authority(tmp_path, now_s).server_identity(now_s)
    (tmp_path / "ca.pem").unlink()
    again = load_or_create_authority(tmp_path, now_s)
    assert again.fingerprint == first.fingerprint
    assert again.server_identity(now_s)[1].ends_s > now_s


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
            assert await refusal_of_report(again) is None
        for name in ("server.key", "server.pem"):
            (tmp_path / "control" / name).unlink()
        with pytest.raises(UnreachableError, match="No space left on device"):
            async with town(tmp_path):
                raise AssertionError("it has no certificate")

    asyncio.run(story())


def test_the_authority_survives_a_restart_and_another_one_is_refused(
    tmp_path: Path,
) -> None:
    async def first(here: Town) -> int:
        await here.join("edge-1")
        return here.port

    port = live(tmp_path, first)

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

    live(tmp_path, story)


def test_a_certificate_is_renewed_with_a_third_of_its_life_left(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        identity = await here.join("edge-1")
        before = identity.load()
        clock = AheadClock()
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

    live(tmp_path, story)


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

    live(tmp_path, story)


def test_a_renewal_for_another_key_is_refused(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        identity = await here.join("edge-1")
        clock = AheadClock(limits.NODE_CERTIFICATE_LIFETIME_S * 0.9)
        control = here.control("edge-1", clock=clock)
        identity.renewal_request = lambda: request_for(new_key())  # type: ignore[method-assign]  # - a key from elsewhere
        control._identity = identity
        with pytest.raises(UnreachableError, match="with another key than it joined with"):
            await control.renew_if_due()

    live(tmp_path, story)


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        (("node.pem",), "edge-1"),
        (("fleet.json",), "edge-1"),
        (("node.key", "ca.pem"), "edge-1"),
        (("node.pem", "fleet.json"), "nameless"),
    ],
)
def test_a_node_whose_identity_is_damaged_starts_and_joins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: tuple[str, ...], name: str
) -> None:
    monkeypatch.setattr(limits, "NODE_NAME_LOOK_S", 0.01)

    async def story(here: Town) -> None:
        await here.join("edge-1")
        for file in damaged:
            (here.home / "edge-1" / "identity" / file).write_bytes(b"")
        async with fleet_way(here.home / "edge-1", here.clock, Random(1), ()) as way:
            assert way.node == name
            with pytest.raises(SeawallError, match="identity of this node"):
                await way.control.report(report(way.node))
            assert not way.renamed.is_set()
            await here.join("edge-1", token=await here.token(name="edge-1"))
            await way.control.report(report("edge-1"))
            if name != "edge-1":
                async with asyncio.timeout(20):
                    await way.renamed.wait()

    live(tmp_path, story)


def test_a_node_that_joins_under_another_name_while_it_runs_is_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "NODE_NAME_LOOK_S", 0.01)

    async def story(here: Town) -> None:
        await here.join("edge-1")
        async with fleet_way(here.home / "edge-1", here.clock, Random(1), ()) as way:
            await here.join("edge-2", where="edge-1")
            async with asyncio.timeout(20):
                await way.renamed.wait()
            with pytest.raises(SeawallError, match="Node edge-2 may not report for"):
                await way.control.report(report("edge-1"))
        async with fleet_way(here.home / "edge-1", here.clock, Random(1), ()) as way:
            assert way.node == "edge-2"

    live(tmp_path, story)


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

    live(tmp_path, story)
