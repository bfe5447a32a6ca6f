"""The control process as the supervisor runs it, and the node's way to it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import warm_command
from api.world import ANN, site_text, sources, world
from helpers import free_port, wait_until
from node.control_contract import Arranged, check_control
from seawall.api.calls import is_running
from seawall.api.client import Client
from seawall.clock import SystemClock
from seawall.daemon.control_http import HttpControl
from seawall.daemon.control_process import running
from seawall.errors import UnreachableError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.signing import load_public_key
from seawall.rollout.ports import Assignment, NodeReport, Phase
from seawall.telemetry.window import SiteCounts, Window
from seawall.testing.memory_node import MemoryNode


@contextmanager
def control_process(data_dir: Path, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process, and the write end of its parent's pipe."""
    read_end, write_end = os.pipe()
    arguments = [sys.executable, "-P", "-m", "seawall.daemon.control"]
    arguments += ["--data-dir", str(data_dir), "--parent-fd", str(read_end), *more]
    process = warm_command.Popen(arguments, pass_fds=(read_end,), stderr=subprocess.PIPE)
    os.close(read_end)
    try:
        yield process, write_end
    finally:
        process.kill()
        process.communicate()
        os.close(write_end)


def test_it_serves_until_sigterm_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with control_process(tmp_path / "data") as (process, _):
        wait_until(lambda: is_running(tmp_path / "data"), what="control answers")
        with Client.for_data_dir(tmp_path / "data") as client:
            assert client.status().state == "empty"
            assert client.status().control.pid == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (tmp_path / "data" / "control.sock").exists()
    events = [
        json.loads(line)["event"]
        for line in (tmp_path / "data/logs/control.log").read_text().splitlines()
    ]
    assert events[0] == "started"
    assert "stopping" in events
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_socket_file_that_was_taken_away_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "data" / "control.sock"
    with control_process(tmp_path / "data") as (process, _):
        for _ in range(2):
            wait_until(lambda: is_running(tmp_path / "data"), what="control answers")
            path.unlink()
        wait_until(path.exists, what="the socket is there again")
        with Client.for_data_dir(tmp_path / "data") as client:
            assert client.status().control.pid == process.pid, "it was never started anew"
        assert path.stat().st_mode & 0o077 == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not path.exists()


def test_it_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    with control_process(tmp_path / "data") as (process, parent):
        wait_until(lambda: is_running(tmp_path / "data"), what="control answers")
        spare = os.dup(parent)
        os.close(parent)
        assert process.poll() is None
        os.close(spare)
        assert process.wait(20) == 0
        os.dup2(os.open(os.devnull, os.O_WRONLY), parent)


def test_a_second_one_on_the_same_directory_is_refused_and_the_first_serves_on(
    tmp_path: Path,
) -> None:
    with control_process(tmp_path / "data"):
        wait_until(lambda: is_running(tmp_path / "data"), what="control answers")
        with control_process(tmp_path / "data") as (second, _):
            _, words = second.communicate(timeout=30)
            assert second.returncode == 1
            assert b"Another control process" in words
        assert is_running(tmp_path / "data")


@pytest.mark.parametrize("api", ["nonsense", "127.0.0.1:99999", "203.0.113.1:80", ":"])
def test_an_address_it_cannot_listen_on_is_told(tmp_path: Path, api: str) -> None:
    with control_process(tmp_path / "data", "--api", api) as (process, _):
        _, words = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"--api" in words
        assert b"Traceback" not in words


def test_a_damaged_store_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "data" / "control").mkdir(parents=True)
    (tmp_path / "data" / "control" / "seawall.db").write_bytes(b"not a database" * 1000)
    with control_process(tmp_path / "data") as (process, _):
        _, words = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"damaged" in words or b"not a Seawall store" in words
        assert b"Traceback" not in words


def test_it_comes_back_after_kill_with_everything_it_knew(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    async def release() -> None:
        async with world(data_dir) as here:
            await here.applied(site_text(free_port()))

    asyncio.run(release())
    for _ in range(2):
        with control_process(data_dir) as (process, _):
            wait_until(lambda: is_running(data_dir), what="control answers")
            with Client.for_data_dir(data_dir) as client:
                status = client.status()
                assert status.current is not None
                assert status.current.id == "r1"
            process.kill()
            process.wait(20)


def test_http_control_keeps_every_promise_of_the_port(tmp_path: Path) -> None:
    """The assignment comes from a real release, so the contract's digest is the real one."""

    async def story() -> None:
        data_dir = tmp_path / "data"
        data_dir.mkdir(mode=0o700)
        port = HttpControl(data_dir / "control.sock")
        async with running(data_dir, None, SystemClock()) as control:
            control.carry_out()
            first = sources(site_text(free_port()))

            async def assign(_: ReleaseId, __: Digest, ___: bytes) -> Assignment:
                events = control.service.apply(first, caller=ANN)
                async for event in events:
                    if event.event == "progress" and event.stage == "fetch":
                        break
                found = await control.service.assignment(NodeName("local"), Generation(0), 20.0)
                assert isinstance(found, Assignment)
                arranged.digest = found.digest
                arranged.envelope = await control.service.bundle(found.digest)
                return found

            async def foretell() -> None:
                control.board.foretell(NodeName("local"))

            arranged = Arranged(port, assign, foretell=foretell)
            await check_control(arranged)
        with pytest.raises(UnreachableError):
            await port.bundle(Digest("0" * 64))
        with pytest.raises(UnreachableError):
            await port.assignment(NodeName("local"), Generation(0), 0.01)
        with pytest.raises(UnreachableError):
            await port.report(NodeReport(NodeName("local"), Generation(0), None, None, Phase.GOOD))

    asyncio.run(story())


def test_windows_travel_over_http_and_become_traffic_and_metrics(tmp_path: Path) -> None:
    async def story() -> None:
        data_dir = tmp_path / "data"
        data_dir.mkdir(mode=0o700)
        clock = SystemClock()
        async with running(data_dir, None, clock) as control:
            port = HttpControl(data_dir / "control.sock")
            node = MemoryNode(port, load_public_key(data_dir / "control" / "signing.pub"))
            counts = SiteCounts(50, 40, 0, 5, 5, 0, latency_p50_s=0.01, latency_p95_s=0.2)
            window = Window(
                NodeName("local"),
                "stable",
                ReleaseId("r1"),
                Generation(1),
                clock.now_s() - 10,
                10.0,
                {"shop": counts},  # type: ignore[dict-item]  # - a name in a test
                {
                    "requests": 60.0,
                    "responses_1xx": 0.0,
                    "responses_2xx": 48.0,
                    "responses_3xx": 1.0,
                    "responses_4xx": 5.0,
                    "responses_5xx": 6.0,
                },
            )
            await node.say(window)
            status = await control.service.status()
            assert (status.edge.requests, status.edge.requests_per_s) == (60, 6.0)
            assert status.edge.error_share == pytest.approx(0.1)
            assert (status.sites[0].site, status.sites[0].latency_p95_s) == ("shop", 0.2)
            metrics = (await control.service.metrics()).decode()
            assert 'seawall_requests_total{code_class="5xx",site="shop"} 5.0' in metrics

    asyncio.run(story())
