"""The agent with a real Envoy: commits, refusals, deaths, and what it finds on its disk."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

from helpers import free_port
from node.support import (
    Connection,
    Node,
    bad_cluster,
    cluster,
    edge,
    get,
    make_node,
    running,
    until,
)
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.errors import ConflictError
from seawall.limits import LAST_KNOWN_GOOD_GENERATIONS_MIN
from seawall.node.files import write_atomic
from seawall.node.state import StateFile
from seawall.rollout.ports import Phase


def kill_envoy(node: Node) -> int:
    """SIGKILL to the running Envoy; its process id."""
    process = node.agent.keeper.process
    assert process is not None
    os.kill(process.identity.pid, signal.SIGKILL)
    return process.identity.pid


async def other_envoy(node: Node, old: int) -> int:
    """Wait until another Envoy serves; its process id."""
    report = await node.reported(
        lambda r: r.envoy and r.envoy.live and r.envoy.pid != old, "a new Envoy"
    )
    assert report.envoy is not None
    return report.envoy.pid


def test_a_first_release_is_served_and_becomes_last_known_good(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            release = await node.serve(edge(port, "one"))
            assert await get(port) == b"one"
            report = await node.reported(lambda r: r.listeners and r.envoy and r.envoy.live)
            assert report.last_known_good == (release,)
            assert report.listeners == (f"127.0.0.1:{port}",)

    asyncio.run(story())


def test_a_route_change_reaches_a_connection_that_stays_open(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.serve(edge(port, "one"))
            client = await Connection.open(port)
            assert await client.get() == b"one"
            await node.serve(edge(port, "two"))
            assert await client.get() == b"two"
            await client.close()

    asyncio.run(story())


def test_a_refused_cluster_is_reported_with_its_owner_and_later_releases_are_taken(
    tmp_path: Path,
) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            first = await node.serve(edge(port, "one"))
            client = await Connection.open(port)
            await node.give(edge(port, "two", bad_cluster()))
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert report.release == first
            assert report.nacks[0].resource == "bad"
            assert report.nacks[0].owner == "origin bad"
            assert "table size of maglev must be prime" in report.nacks[0].envoy_words
            assert await client.get() == b"one"
            for text in ("three", "four"):
                await node.serve(edge(port, text, cluster("extra", 1)))
                assert await client.get() == text.encode()
            await client.close()

    asyncio.run(story())


def test_a_first_release_that_envoy_refuses_leaves_a_node_that_takes_the_next(
    tmp_path: Path,
) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.give(edge(port, "one", bad_cluster()))
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert report.release is None
            await node.serve(edge(port, "two"))
            assert await get(port) == b"two"

    asyncio.run(story())


def test_a_bootstrap_that_envoy_cannot_start_with_is_rejected(tmp_path: Path) -> None:
    port = free_port()
    body = Bootstrap(layered_runtime={"layers": [{"name": "twice"}] * 2}).SerializeToString()
    broken = Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.give(edge(port, "one", broken))
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert "died" in report.message
            await node.serve(edge(port, "two"))
            assert await get(port) == b"two"

    asyncio.run(story())


def test_a_bootstrap_that_is_no_message_is_rejected_before_envoy_sees_it(tmp_path: Path) -> None:
    broken = Resource(TypeUrl.BOOTSTRAP, "bootstrap", b"\xff\xff\xff", "edge")

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.give(edge(free_port(), "one", broken))
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert "is not a Bootstrap" in report.message

    asyncio.run(story())


def test_a_killed_envoy_is_started_again_from_disk_without_control(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.serve(edge(port, "one"))
            await node.control.go_away()
            pid = kill_envoy(node)
            await until(lambda: node.agent.keeper.restarts == 1, what="the restart")
            await until(lambda: node.agent.keeper.link.session.settled, what="settled again")
            assert node.agent.keeper.process is not None
            assert node.agent.keeper.process.identity.pid != pid
            assert await get(port) == b"one"

    asyncio.run(story())


def test_a_node_serves_from_its_disk_when_control_is_absent_at_boot(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.serve(edge(port, "one"))
        again = make_node(tmp_path)
        await again.control.go_away()
        async with running(again):
            await until(lambda: again.agent.keeper.link.session.settled, what="settled")
            assert await get(port) == b"one"
            await until(lambda: again.agent.course.phase is Phase.GOOD, what="the course knows")

    asyncio.run(story())


def test_an_envoy_that_keeps_dying_is_given_the_last_good_release(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            first = await node.serve(edge(port, "one"))
            second = await node.give(edge(port, "two"), bake_s=1000)
            await node.reported(lambda r: r.release == second and r.phase is Phase.BAKING)
            pid = node.agent.keeper.process.identity.pid if node.agent.keeper.process else 0
            for _ in range(3):
                kill_envoy(node)
                pid = await other_envoy(node, pid)
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert report.release == first
            assert "kept dying" in report.message
            await until(lambda: node.agent.keeper.link.session.settled, what="settled again")
            assert await get(port) == b"one"

    asyncio.run(story())


def test_a_damaged_release_on_disk_gives_way_to_the_next_good_one(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.serve(edge(port, "one"))
            await node.serve(edge(port, "two"))
            newest = node.agent.state.good[0].digest
        path = tmp_path / "node" / "bundles" / f"{newest}.bundle"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        again = make_node(tmp_path)
        async with running(again):
            report = await again.reported(lambda r: r.release == "r1" and r.notices)
            assert "r2 on disk was skipped" in report.notices[0]
            await until(lambda: again.agent.keeper.link.session.settled, what="settled")
            assert await get(port) == b"one"

    asyncio.run(story())


def test_a_bundle_signed_by_another_key_is_rejected(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        stranger = make_node(tmp_path / "stranger").releaser
        async with running(make_node(tmp_path / "node")) as node:
            first = await node.serve(edge(port, "one"))
            await node.control.assign(*stranger.release(edge(port, "two")))
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert report.release == first
            assert "not signed by the trusted key" in report.message

    asyncio.run(story())


def test_a_smaller_generation_is_refused(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.give(edge(port, "one"), generation=7)
            await node.reported(lambda r: r.phase is Phase.GOOD and r.generation == 7)
            node.control.obey_known = False
            await node.give(edge(port, "two"), generation=3)
            report = await node.reported(
                lambda r: any("generations only go up" in n for n in r.notices)
            )
            assert report.generation == 7
            assert await get(port) == b"one"

    asyncio.run(story())


def test_at_least_three_good_releases_stay_on_disk_and_others_go(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            for number in range(LAST_KNOWN_GOOD_GENERATIONS_MIN + 4):
                await node.serve(edge(port, str(number)))
            good = {f"{served.digest}.bundle" for served in node.agent.state.good}
            assert len(good) >= LAST_KNOWN_GOOD_GENERATIONS_MIN
            kept = {path.name for path in (tmp_path / "node" / "bundles").iterdir()}
            assert kept == good

    asyncio.run(story())


def test_a_full_disk_is_said_and_changes_are_still_served(tmp_path: Path) -> None:
    port = free_port()
    full = False

    def write(path: Path, content: bytes) -> None:
        if full:
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    async def story() -> None:
        nonlocal full
        async with running(make_node(tmp_path, write=write)) as node:
            await node.serve(edge(port, "one"))
            full = True
            second = await node.give(edge(port, "two"))
            report = await node.reported(lambda r: r.release == second and r.notices)
            assert "No space left on device" in report.notices[0]
            assert await get(port) == b"two"
            full = False
            third = await node.serve(edge(port, "three"))
            report = await node.reported(lambda r: r.release == third and not r.notices)
            assert report.last_known_good[0] == third

    asyncio.run(story())


def test_what_a_full_disk_did_not_take_is_written_when_there_is_room_without_another_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.agent.NODE_STATE_RETRY_S", 0.05)
    port = free_port()
    full = False

    def write(path: Path, content: bytes) -> None:
        if full:
            raise OSError(28, "No space left on device")
        write_atomic(path, content)

    async def story() -> None:
        nonlocal full
        async with running(make_node(tmp_path, write=write)) as node:
            await node.serve(edge(port, "one"))
            full = True
            second = await node.give(edge(port, "two"))
            await node.reported(lambda r: r.last_known_good[:1] == (second,) and r.notices)
            full = False
            await node.reported(lambda r: not r.notices)
            state, problems = StateFile(tmp_path / "node").load()
            assert (state, problems) == (node.agent.state, ())
            assert (tmp_path / "node" / "bundles" / f"{state.good[0].digest}.bundle").is_file()

    asyncio.run(story())


def test_two_agents_never_share_a_directory(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.reported(lambda _: True)
            with pytest.raises(ConflictError):
                await make_node(tmp_path).agent.run()

    asyncio.run(story())


def test_a_release_that_only_a_new_process_can_take_is_served_by_one(tmp_path: Path) -> None:
    port = free_port()
    body = Bootstrap(stats_flush_interval={"seconds": 7}).SerializeToString()
    other = Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.serve(edge(port, "one"))
            old = node.agent.keeper.process
            assert old is not None
            client = await Connection.open(port)
            assert await client.get() == b"one"
            await node.serve(edge(port, "two", other))
            new = node.agent.keeper.process
            assert new is not None
            assert new.identity.pid != old.identity.pid
            await client.close()
            await old.exited()
            assert await get(port) == b"two"
            assert (tmp_path / "node" / "stable").readlink() == Path("b")
            await node.serve(edge(port, "three"))
            assert (tmp_path / "node" / "stable").readlink() == Path("a")
            assert await get(port) == b"three"
            assert node.agent.keeper.restarts == 0

    asyncio.run(story())


def test_a_swap_that_fails_leaves_the_old_process_serving(tmp_path: Path) -> None:
    port = free_port()
    body = Bootstrap(layered_runtime={"layers": [{"name": "twice"}] * 2}).SerializeToString()
    broken = Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            first = await node.serve(edge(port, "one"))
            client = await Connection.open(port)
            await node.give(edge(port, "two", broken))
            report = await node.reported(lambda r: r.phase is Phase.REJECTED)
            assert report.release == first
            assert "layer" in report.message
            assert await client.get() == b"one"
            await node.serve(edge(port, "three"))
            assert await client.get() == b"three"
            await client.close()

    asyncio.run(story())


def test_an_envoy_left_over_from_a_swap_is_drained_by_the_next_agent(tmp_path: Path) -> None:
    port = free_port()
    body = Bootstrap(stats_flush_interval={"seconds": 7}).SerializeToString()
    other = Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")

    async def story() -> None:
        async with running(make_node(tmp_path), keep_envoy=True) as node:
            await node.serve(edge(port, "one"))
            busy = await Connection.open(port)
            assert await busy.get() == b"one"
            old = node.agent.keeper.process
            assert old is not None
            await node.serve(edge(port, "two", other))
        again = make_node(tmp_path)
        async with running(again):
            await until(lambda: again.agent.keeper.link.session.settled, what="settled")
            assert again.agent.keeper.slot.name == "b"
            assert again.agent.keeper.process is not None
            assert again.agent.keeper.process.adopted
            await busy.close()
            gone = Path(f"/proc/{old.identity.pid}/exe")
            await until(lambda: not _runs(gone), what="the old Envoy to go")
            assert await get(port) == b"two"

    asyncio.run(story())


def _runs(executable: Path) -> bool:
    try:
        return bool(executable.readlink())
    except OSError:
        return False


def test_envoys_own_log_is_begun_anew_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr("seawall.node.envoy.ENVOY_LOG_SIZE_BYTES_MAX", 1000)

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            await node.serve(edge(port, "one"))
            directory = node.agent.keeper.slot.directory
            await until((directory / "envoy.log.1").exists, what="the older part of the log")
            await until((directory / "envoy.log").exists, what="the new log")

    asyncio.run(story())


def test_an_envoy_that_dies_while_a_release_bakes_makes_it_bake_again(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            release = await node.give(edge(port, "one"), bake_s=2.0)
            await node.reported(lambda r: r.release == release and r.phase is Phase.BAKING)
            due_s = node.agent.course.bake_due_s
            assert due_s is not None
            kill_envoy(node)
            await until(lambda: node.agent.course.bake_due_s != due_s, what="the bake anew")
            assert (node.agent.course.bake_due_s or 0.0) > due_s
            assert node.agent.course.phase is Phase.BAKING
            await node.reported(lambda r: r.phase is Phase.GOOD)

    asyncio.run(story())
