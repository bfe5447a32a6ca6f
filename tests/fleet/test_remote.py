"""A node's way to control: mirrors that are not trusted, restarts, pauses, several addresses."""

import asyncio
import ssl
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from api.world import until
from fleet.town import Hand, Town, live, mirror, report, town
from helpers import free_port
from release import made
from seawall import limits
from seawall.errors import NotFoundError, UnreachableError, UsageError
from seawall.exchange import Address
from seawall.fleet.away import Away
from seawall.fleet.ca import Authority
from seawall.fleet.export import export
from seawall.fleet.join import join, parse_token
from seawall.fleet.mirrors import parse_mirror
from seawall.fleet.pauses import Pauses
from seawall.fleet.remote import FleetControl
from seawall.fleet.shed import quiet_s
from seawall.ids import Digest, Generation, NodeName
from seawall.release.bundle import encode
from seawall.release.envelope import seal

Result = TypeVar("Result")
NODE = NodeName("edge-1")


def run(home: Path, story: Callable[[Town], Awaitable[Result]]) -> Result:
    return live(home, story, "edge-1")


def sealed(text: str = "version: 1\n", *, seed: int = 1) -> tuple[Digest, bytes]:
    bundle = made.bundle(text)
    record = made.record(bundle, signer=made.key(seed))
    return record.digest, seal(record, encode(bundle))


def test_a_bundle_comes_from_a_mirror_and_control_is_not_asked(tmp_path: Path) -> None:
    digest, envelope = sealed()

    async def story(here: Town) -> None:
        with mirror({f"/edge/{digest}.bundle": envelope}) as (url, asked):
            control = here.control("edge-1", mirrors=(f"{url}/edge/",))
            assert await control.bundle(digest) == envelope
            assert asked == [f"/edge/{digest}.bundle"]
            assert here.hand.bundle_reads == 0

    run(tmp_path, story)


OTHER_DIGEST, OTHER = sealed("version: 1\n# other\n")
_, FOREIGN = sealed(seed=2)
GOOD_DIGEST, GOOD = sealed()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(None, id="absent"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>", id="a page"),
        pytest.param(GOOD[:-1], id="truncated"),
        pytest.param(GOOD[:100] + bytes([GOOD[100] ^ 1]) + GOOD[101:], id="tampered"),
        pytest.param(FOREIGN, id="of another key"),
        pytest.param(OTHER, id="another release"),
        pytest.param(GOOD + b"x", id="longer"),
    ],
)
def test_what_a_mirror_sends_is_not_believed_and_control_is_asked(
    tmp_path: Path, sent: bytes | None
) -> None:
    async def story(here: Town) -> None:
        here.hand.bundles[GOOD_DIGEST] = GOOD
        files = {} if sent is None else {f"/{GOOD_DIGEST}.bundle": sent}
        with mirror(files) as (url, asked):
            control = here.control("edge-1", mirrors=(url,))
            assert await control.bundle(GOOD_DIGEST) == GOOD
            assert len(asked) == 1
            assert here.hand.bundle_reads == 1
            assert [event for event, _ in here.said if event == "mirror-passed-over"]

    run(tmp_path, story)


def test_a_mirror_that_sends_too_much_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ENVELOPE_SIZE_BYTES_MAX", 10_000)

    async def story(here: Town) -> None:
        here.hand.bundles[GOOD_DIGEST] = GOOD
        with mirror({f"/{GOOD_DIGEST}.bundle": bytes(20_000)}) as (url, _):
            control = here.control("edge-1", mirrors=(url, "http://127.0.0.1:1"))
            assert await control.bundle(GOOD_DIGEST) == GOOD

    run(tmp_path, story)


def test_a_mirror_that_hangs_holds_up_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MIRROR_PATIENCE_S", 0.1)

    async def story(here: Town) -> None:
        here.hand.bundles |= {GOOD_DIGEST: GOOD, OTHER_DIGEST: OTHER}
        with mirror({}, answers=threading.Event()) as (url, asked):
            control = here.control("edge-1", mirrors=(url,))
            async with asyncio.timeout(10):
                assert await control.bundle(GOOD_DIGEST) == GOOD
                assert await control.bundle(OTHER_DIGEST) == OTHER
            assert len(asked) == 1, "it rests"
            assert [text for event, text in here.said if event == "mirror-passed-over"]

    run(tmp_path, story)


def test_a_slow_mirror_is_believed_when_control_has_not_got_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MIRROR_PATIENCE_S", 0.1)

    async def story(here: Town) -> None:
        answers = threading.Event()
        with mirror({f"/{GOOD_DIGEST}.bundle": GOOD}, answers=answers) as (url, _):
            control = here.control("edge-1", mirrors=(url,))
            async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
                found = tasks.create_task(control.bundle(GOOD_DIGEST))
                await until(lambda: here.hand.bundle_reads, "control is asked")
                answers.set()
                assert await found == GOOD

    run(tmp_path, story)


def test_what_control_writes_for_mirrors_is_what_nodes_fetch(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        record = made.add(here.store)
        directory = tmp_path / "mirror"
        export(here.store, directory)
        files = {f"/{path.name}": path.read_bytes() for path in directory.iterdir()}
        assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
        with mirror(files) as (url, _):
            control = here.control("edge-1", mirrors=(url,))
            assert await control.bundle(record.digest) == here.store.envelope(record.digest)
            assert here.hand.bundle_reads == 0

    run(tmp_path, story)


def test_a_release_that_nobody_has_is_not_found(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        control = here.control("edge-1")
        with pytest.raises(NotFoundError):
            await control.bundle(GOOD_DIGEST)

    run(tmp_path, story)


@pytest.mark.parametrize("url", ["", "ftp://a/b", "a.b", "https://", "http://a:x/", "http://a/?b"])
def test_a_mirror_url_that_is_none_is_said_so(url: str) -> None:
    with pytest.raises(UsageError, match="not the URL of a mirror"):
        parse_mirror(url)


@pytest.mark.parametrize("days", [-3, 120])
def test_a_node_whose_clock_is_far_off_says_why_it_reaches_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """What TLS compares certificates with is the machine's clock: here those of control move."""
    issue = Authority.server_identity
    moved_s = -days * 86_400
    said: list[tuple[str, str]] = []

    async def story() -> None:
        async with town(tmp_path) as well:
            await well.join("edge-1")
            control = well.control("edge-1")
            monkeypatch.setattr(
                Authority, "server_identity", lambda ca, now_s: issue(ca, now_s + moved_s)
            )
        async with town(tmp_path, port=well.port) as off:
            for _ in range(3):
                with pytest.raises(UnreachableError):
                    await control.report(report("edge-1"))
                off.clock.ahead_s += limits.RECONNECT_PAUSE_S_MAX
        said.extend(text for text in well.said if text[0] == "control-away")
        control.close()

    asyncio.run(story())
    assert len(said) == 1, said
    assert "this machine's clock says 20" in said[0][1]


def test_what_cuts_a_node_off_is_said_once_for_each_address_until_it_answers() -> None:
    away = Away()
    first = away.failed("a:1", TimeoutError(), 0.0)
    assert first == "a:1 does not answer: no answer in time"
    assert away.failed("a:1", ConnectionResetError("reset"), 1.0) == first
    assert away.failed("b:1", ConnectionRefusedError("refused"), 2.0).endswith("answer: refused")
    assert "unknown ca" in away.failed("a:1", ssl.SSLError(1, "unknown ca"), 3.0)
    assert away.answered("b:1") == "a:1 does not answer: unknown ca"
    assert not away.answered("a:1")


def test_a_node_comes_back_after_a_restart_of_control(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        hand = Hand()
        async with town(tmp_path, port=port, hand=hand) as here:
            await here.join("edge-1")
            control = here.control("edge-1")
            waiting = asyncio.ensure_future(control.assignment(NODE, Generation(0), 20))
            await control.report(report("edge-1"))
        with pytest.raises(UnreachableError):
            await waiting
        with pytest.raises(UnreachableError):
            await control.report(report("edge-1", message="nobody hears"))
        async with town(tmp_path, port=port, hand=hand) as again:
            again.hand.assign(2)
            async with asyncio.timeout(limits.RECONNECT_SPREAD_S + limits.RECONNECT_PAUSE_S_MAX):
                found = await _until(control, Generation(0))
            assert found == 2
        control.close()

    asyncio.run(story())


async def _until(control: FleetControl, known: Generation, name: NodeName = NODE) -> int:
    while True:
        try:
            found = await control.assignment(name, known, 5)
        except UnreachableError:
            continue
        if found is not None:
            return int(found.generation)


def test_another_address_is_tried_when_one_is_away(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        token = parse_token(await here.token())
        away = Address("127.0.0.1", 1)
        identity = here.identity("edge-2")
        await join(identity, here.trusted("edge-2"), (away, here.address), token, "edge-2")
        control = here.control("edge-2")
        here.hand.assign(7)
        async with asyncio.timeout(30):
            found = None
            while found is None:
                try:
                    found = await control.assignment(NodeName("edge-2"), Generation(0), 5)
                except UnreachableError:
                    continue
        assert found.generation == 7

    run(tmp_path, story)


async def _of_two(one: Town, two: Town) -> FleetControl:
    """A node that knows both, and asks `one` first."""
    identity = one.identity("edge-2")
    token = parse_token(await one.token())
    addresses = (one.address, two.address)
    await join(identity, one.trusted("edge-2"), addresses, token, "edge-2")
    return one.control("edge-2")


def test_a_control_process_that_lost_its_store_keeps_no_node_from_what_another_one_knows(
    tmp_path: Path,
) -> None:
    async def story(one: Town) -> None:
        async with town(tmp_path, store=one.store) as two:
            control = await _of_two(one, two)
            one.lead.leading = False
            one.hand.assign(6)
            known = await control.assignment(NodeName("edge-2"), Generation(0), 5)
            assert known is not None
            assert known.generation == 6
            one.lead.age_s = 2 * limits.FOLLOWER_BEHIND_S
            two.hand.assign(7)
            async with asyncio.timeout(limits.ASSIGNMENT_POLL_WAIT_S):
                assert await _until(control, Generation(6), NodeName("edge-2")) == 7
            control.close()

    run(tmp_path, story)


def test_a_bundle_comes_from_another_control_process_when_one_lost_its_store(
    tmp_path: Path,
) -> None:
    digest, envelope = sealed()

    async def story(one: Town) -> None:
        async with town(tmp_path, store=one.store) as two:
            control = await _of_two(one, two)
            one.hand.store_away = True
            two.hand.bundles[digest] = envelope
            assert await control.bundle(digest) == envelope
            assert (one.hand.bundle_reads, two.hand.bundle_reads) == (1, 1)
            control.close()

    run(tmp_path, story)


def test_a_bundle_comes_from_another_control_process_when_the_one_that_assigned_it_is_gone(
    tmp_path: Path,
) -> None:
    digest, envelope = sealed()

    async def story(other: Town) -> None:
        async with town(tmp_path, store=other.store) as leader:
            control = await _of_two(leader, other)
            leader.hand.assign(6)
            known = await control.assignment(NodeName("edge-2"), Generation(0), 5)
            assert known is not None
        other.hand.bundles[digest] = envelope
        async with asyncio.timeout(limits.ASSIGNMENT_POLL_WAIT_S):
            assert await control.bundle(digest) == envelope
        control.close()

    run(tmp_path, story)


def test_an_identity_that_another_process_renewed_is_taken_up(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        control = here.control("edge-1")
        await control.report(report("edge-1"))
        token = await here.token(name="edge-1")
        await here.join("edge-1", token=token)
        await control.report(report("edge-1", message="with the new key"))
        assert [said.message for said in here.hand.reports] == ["", "with the new key"]

    run(tmp_path, story)


def test_a_poll_that_waits_while_the_machine_joins_again_is_answered(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        control = here.control("edge-1")
        polling = asyncio.ensure_future(
            control.assignment(NodeName("edge-1"), Generation(0), wait_s=20.0)
        )
        await here.hand.polled.wait()
        await here.join("edge-1", token=await here.token(name="edge-1"))
        await control.report(report("edge-1"))
        here.hand.assign(1)
        found = await polling
        assert found is not None
        assert found.generation == 1

    run(tmp_path, story)


def test_pauses_are_spread_grow_and_are_bounded() -> None:
    first, later = [], []
    for seed in range(1000):
        pauses = Pauses(Random(seed))
        assert pauses.left_s(100.0) == 0
        pauses.failed(100.0)
        first.append(pauses.left_s(100.0))
        for _ in range(20):
            pauses.failed(100.0)
            assert pauses.left_s(100.0) <= limits.RECONNECT_PAUSE_S_MAX
        later.append(pauses.left_s(100.0))
        pauses.succeeded()
        pauses.failed(200.0)
        assert pauses.left_s(200.0) <= limits.RECONNECT_SPREAD_S
    tenth = limits.RECONNECT_SPREAD_S / 10
    for number in range(10):
        share = sum(number * tenth <= pause < (number + 1) * tenth for pause in first)
        assert 60 <= share <= 140, (number, share)
    assert min(later) >= limits.RECONNECT_PAUSE_S_MAX / 2


def test_what_control_says_about_when_to_come_again_is_bounded() -> None:
    pauses = Pauses(Random(1))
    pauses.told(1e9, 0.0)
    assert pauses.left_s(0.0) <= limits.RETRY_AFTER_S_MAX * 1.5
    pauses.told(-5.0, 0.0)
    assert pauses.left_s(0.0) == 0


def test_a_larger_fleet_reports_less_often_when_there_is_nothing_new() -> None:
    assert quiet_s(1) == limits.REPORT_QUIET_S_MIN
    assert quiet_s(limits.NODES_MAX) <= limits.NODE_SILENT_AFTER_S / 2
    assert quiet_s(1000) > quiet_s(450)
