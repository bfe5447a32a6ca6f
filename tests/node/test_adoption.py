"""Envoy outlives its agent, and the next agent takes it over without touching a connection."""

import asyncio
import errno
import os
from pathlib import Path

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

from helpers import free_port
from node.streams import dripping, echo, open_drip, open_upgrade, origin
from node.support import (
    Connection,
    agent_script,
    answer,
    cluster,
    edge,
    get,
    listener,
    make_node,
    routes,
    running,
    until,
    whole,
)
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.ids import NodeName
from seawall.node.identity import Identity
from seawall.procfs import working_in
from seawall.rollout.ports import Phase

SCRIPT = Path(__file__).with_name("agent_process.py")


def test_a_killed_agent_is_replaced_and_no_connection_notices(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with origin() as upstream:
            async with agent_script(SCRIPT, tmp_path, port, upstream) as process:
                keep_alive = await Connection.open(port)
                assert await keep_alive.get() == b"ok"
                upgraded, download = await open_upgrade(port), await open_drip(port)
                process.kill()
                await process.wait()
            await echo(upgraded, b"nobody watches over us")
            assert await keep_alive.get() == b"ok"
            node = make_node(tmp_path)
            async with running(node):
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                assert node.agent.keeper.process is not None
                assert node.agent.keeper.process.adopted
                await until(lambda: node.agent.course.booted, what="told to the course")
                assert node.agent.course.phase is Phase.GOOD
                await node.reported(lambda r: r.envoy is not None and r.envoy.live)
                envoys = [report.envoy for report in node.control.reports if report.envoy]
                assert all(envoy.live for envoy in envoys), "told as down, and it served"
                [life] = {report.life for report in node.control.reports}
                assert len(life) == 16, "the same for as long as the agent lives"
                await echo(upgraded, b"adopted")
                assert await keep_alive.get() == b"ok"
                after = whole(cluster("origin", upstream), listener(port), routes([answer("new")]))
                await node.give(after, generation=2)
                await node.reported(lambda r: r.phase is Phase.GOOD and r.generation == 2)
                assert await keep_alive.get() == b"new"
                await echo(upgraded, b"still here")
                await dripping(download)
                for client in (keep_alive, upgraded, download):
                    await client.close()

    asyncio.run(story())


def test_an_adopted_envoy_that_dies_is_started_again(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with origin() as upstream:
            async with agent_script(SCRIPT, tmp_path, port, upstream):
                pass
            node = make_node(tmp_path)
            async with running(node):
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                process = node.agent.keeper.process
                assert process is not None
                assert process.adopted
                os.kill(process.identity.pid, 9)
                await until(lambda: node.agent.keeper.restarts == 1, what="the restart")
                await until(lambda: node.agent.keeper.link.session.settled, what="settled again")
                client = await Connection.open(port)
                assert await client.get() == b"ok"
                await client.close()

    asyncio.run(story())


def test_an_envoy_that_was_started_again_on_a_full_disk_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()

    def full(_: Identity, _directory: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def story() -> None:
        first = make_node(tmp_path)
        async with running(first, keep_envoy=True):
            await first.serve(edge(port, "one"))
            process = first.agent.keeper.process
            assert process is not None
            monkeypatch.setattr(Identity, "write", full)
            os.kill(process.identity.pid, 9)
            await until(lambda: first.agent.keeper.restarts == 1, what="the restart")
            await until(lambda: first.agent.keeper.link.session.settled, what="settled again")
            pid = first.agent.keeper.pid
            assert pid != process.identity.pid
        node = make_node(tmp_path)
        async with running(node):
            await until(lambda: node.agent.keeper.link.session.settled, what="settled")
            assert node.agent.keeper.process is not None
            assert node.agent.keeper.process.adopted
            assert node.agent.keeper.pid == pid

    asyncio.run(story())


@pytest.mark.parametrize("gone", ["bundles/*", "state*.json", "trusted.pub"])
@pytest.mark.parametrize("process", ["the same", "a new one"])
def test_an_envoy_that_runs_is_taken_over_when_nothing_of_what_it_serves_can_be_read(
    tmp_path: Path, gone: str, process: str
) -> None:
    port = free_port()
    body = Bootstrap(stats_flush_interval={"seconds": 7}).SerializeToString()
    more = [Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")] if process != "the same" else []

    async def story() -> None:
        first = make_node(tmp_path)
        async with running(first, keep_envoy=True):
            await first.serve(edge(port, "one"))
            pid = first.agent.keeper.pid
        node = make_node(tmp_path)
        node.releaser = first.releaser
        key = (tmp_path / "node" / "trusted.pub").read_bytes()
        for path in (tmp_path / "node").glob(gone):
            path.write_bytes(b"damaged")
        async with running(node):
            await until(lambda: node.agent.course.booted, what="told to the course")
            client = await Connection.open(port)
            assert await client.get() == b"one"
            (tmp_path / "node" / "trusted.pub").write_bytes(key)
            second = await node.give(edge(port, "two", *more), generation=9)
            await node.reported(lambda r: r.release == second and r.envoy and r.envoy.live)
            assert (node.agent.keeper.pid == pid) is (process == "the same")
            assert await client.get() == b"two"
            await client.close()
            assert {await get(port) for _ in range(20)} == {b"two"}
            await until(lambda: _envoys(tmp_path) == {node.agent.keeper.pid}, what="one Envoy")

    asyncio.run(story())


@pytest.mark.parametrize("damaged", [1, 2])
def test_what_could_not_be_read_is_told_until_control_has_brought_it_again(
    tmp_path: Path, damaged: int
) -> None:
    port = free_port()

    async def story() -> None:
        first = make_node(tmp_path)
        async with running(first, keep_envoy=True):
            await first.serve(edge(port, "one"))
            second = await first.serve(edge(port, "two"))
            good = first.agent.state.good
        for served in good[:damaged]:
            (tmp_path / "node" / "bundles" / f"{served.digest}.bundle").write_bytes(b"damaged")
        await first.control.go_away()
        first.control.reports.clear()
        node = make_node(tmp_path, first.control)
        async with running(node):
            await until(node.agent.notices, what="a notice")
            assert "was skipped" in node.agent.notices()[0]
            assert await get(port) == (b"one" if damaged == 1 else b"two")
            await first.control.come_back()
            await node.reported(lambda r: r.release == second and not r.notices)
            assert await get(port) == b"two"

    asyncio.run(story())


def _envoys(data_dir: Path) -> set[int]:
    """Process ids of all Envoys that work there."""
    return set(working_in({str(path) for path in (data_dir / "node").resolve().iterdir()}))


def test_an_envoy_that_was_found_with_nothing_to_give_it_is_not_started_empty(
    tmp_path: Path,
) -> None:
    port = free_port()

    async def story() -> None:
        first = make_node(tmp_path)
        async with running(first, keep_envoy=True):
            await first.serve(edge(port, "one"))
        for path in (tmp_path / "node" / "bundles").iterdir():
            path.unlink()
        node = make_node(tmp_path)
        async with running(node):
            await until(lambda: node.agent.keeper.pid, what="it is found")
            os.kill(node.agent.keeper.pid, 9)
            await until(lambda: not node.agent.keeper.pid, what="its death is seen")
            second = await node.give(edge(port, "two"), generation=9)
            await node.reported(lambda r: r.release == second and r.envoy and r.envoy.live)
            assert await get(port) == b"two"

    asyncio.run(story())


def test_a_stranger_with_the_same_process_id_is_never_adopted(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with origin() as upstream:
            first = make_node(tmp_path)
            async with running(first):
                await first.serve(
                    whole(cluster("o", upstream), listener(port), routes([answer("one")]))
                )
            (tmp_path / "node" / "stable" / "envoy.json").write_text(
                f'{{"pid": {os.getpid()}, "start_ticks": 1, "version": "", "bootstrap_digest": ""}}'
            )
            node = make_node(tmp_path)
            async with running(node):
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                assert node.agent.keeper.process is not None
                assert not node.agent.keeper.process.adopted
                assert node.agent.keeper.process.identity.pid != os.getpid()

    asyncio.run(story())


def test_an_envoy_that_was_started_under_another_name_of_its_node_is_told_of_releases(
    tmp_path: Path,
) -> None:
    """As after joining a fleet anew: what Envoy calls itself was said when it started."""
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path, node=NodeName("local")), keep_envoy=True) as node:
            await node.serve(edge(port, "one"))
            pid = node.agent.keeper.pid
        renamed = make_node(tmp_path, node=NodeName("web-1"))
        async with running(renamed):
            await until(lambda: renamed.agent.keeper.link.session.settled, what="settled")
            assert renamed.agent.keeper.pid == pid
            made = renamed.releaser.release(edge(port, "two"))
            await renamed.control.assign(*made, generation=2, node=renamed.agent.node)
            await renamed.reported(lambda r: r.phase is Phase.GOOD and r.generation == 2)
            client = await Connection.open(port)
            assert await client.get() == b"two"
            await client.close()

    asyncio.run(story())
