"""The keeper of a slot: no process is ever forgotten while it runs."""

import asyncio
import errno
import os
import shutil
import signal
from pathlib import Path

import pytest

from node.support import edge, until
from seawall.clock import SystemClock
from seawall.errors import UnreachableError
from seawall.ids import NodeName
from seawall.node.ads import Link
from seawall.node.envoy import Slot
from seawall.node.keeper import Keeper
from seawall.telemetry.admin import ADMIN_LATE, AdminClient


def keeper_of(home: Path) -> Keeper:
    """Keeps a program that only waits: nothing here asks it anything."""
    program = home / "waits"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o700)
    clock = SystemClock()

    async def never() -> None:
        raise AssertionError("one death is no loop")

    keeper = Keeper(
        Slot("a", home / "a", home / "access"),
        Link(clock),
        node=NodeName("local"),
        binary=program,
        version="",
        concurrency=1,
        clock=clock,
        looping=never,
        changed=lambda: None,
    )
    keeper.want(edge(1, "here"))
    return keeper


def test_a_process_launched_when_the_one_before_died_is_kept(tmp_path: Path) -> None:
    """Whoever waits for the exit may hear of it before the keeper does, and launch another."""

    async def scenario() -> None:
        keeper = keeper_of(tmp_path)
        keeper.launch()
        first = keeper.process
        assert first is not None

        async def commits() -> None:
            await first.exited()
            keeper.launch()

        async with asyncio.TaskGroup() as tasks:
            commit = tasks.create_task(commits())
            running = tasks.create_task(keeper.run())
            await until(lambda: first.identity.pid, what="the first one")
            os.kill(first.identity.pid, signal.SIGKILL)
            await commit
            second = keeper.process
            assert second is not None
            await until(lambda: keeper.restarts == 1, what="the keeper to hear of the exit")
            assert keeper.process is second
            await keeper.stop(drain_s=0)
            running.cancel()
        assert not second.alive

    asyncio.run(scenario())


def test_what_cannot_be_started_is_tried_again_and_blames_no_release(tmp_path: Path) -> None:
    """As on a disk that became read-only. `looping` of this keeper fails the test."""

    async def scenario() -> None:
        keeper = keeper_of(tmp_path)
        keeper.launch()
        assert keeper.process is not None
        place, aside = tmp_path / "a", tmp_path / "aside"
        place.rename(aside)
        place.write_text("no directory")
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(keeper.run())
            os.kill(keeper.pid, signal.SIGKILL)
            await until(lambda: keeper.unstarted.looping, what="starts that fail")
            assert "cannot be started" in keeper.trouble
            place.unlink()
            aside.rename(place)
            await until(lambda: keeper.running, what="a start")
            assert not keeper.trouble
            await keeper.kill()
            running.cancel()

    asyncio.run(scenario())


def test_a_disk_that_became_read_only_ends_no_agent_that_ends_an_envoy(tmp_path: Path) -> None:
    """What cannot be removed is a directory here: root may remove anything else."""

    async def scenario() -> None:
        keeper = keeper_of(tmp_path)
        for end in (keeper.kill(), keeper.stop(drain_s=0)):
            keeper.launch()
            process = keeper.process
            assert process is not None
            for name in ("envoy.json", "taste-http.sock"):
                (tmp_path / "a" / name).unlink(missing_ok=True)
                (tmp_path / "a" / name / "in").mkdir(parents=True, exist_ok=True)
            await end
            assert not process.alive
            assert keeper.process is None
            for name in ("envoy.json", "taste-http.sock"):
                shutil.rmtree(tmp_path / "a" / name)

    asyncio.run(scenario())


@pytest.mark.parametrize("call", ["os.pidfd_open", "seawall.node.identity.start_ticks"])
def test_a_process_that_nobody_can_watch_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As without a free descriptor: the next start would put another one beside it."""
    seen: list[int] = []

    def refuse(pid: int) -> int:
        seen.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def scenario() -> None:
        keeper = keeper_of(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(call, refuse)
            keeper.launch()
        assert keeper.process is None
        assert "Too many open files" in keeper.trouble

    asyncio.run(scenario())
    assert not Path(f"/proc/{seen[0]}").exists()


@pytest.mark.parametrize(
    ("answers", "looks"),
    [((ADMIN_LATE, 1, 0), 3), ((1, ADMIN_LATE, 0), 3), (("envoy-admin-unreachable", 1, 0), 1)],
    ids=["late", "late in between", "gone"],
)
def test_requests_in_flight_may_finish_also_when_envoy_answers_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: tuple[str | int, ...], looks: int
) -> None:
    told = iter(answers)
    asked: list[str | int] = []

    async def gauge(*_: object) -> int:
        asked.append(next(told))
        if isinstance(asked[-1], str):
            raise UnreachableError(asked[-1], "no answer")
        return asked[-1]

    monkeypatch.setattr(AdminClient, "http_gauge", gauge)

    async def scenario() -> None:
        keeper = keeper_of(tmp_path)
        keeper.launch()
        await keeper.stop(drain_s=60)

    asyncio.run(scenario())
    assert len(asked) == looks


def test_an_envoy_that_was_late_is_asked_again_to_begin_its_log_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.envoy.ENVOY_LOG_SIZE_BYTES_MAX", 10)
    slot = Slot("a", tmp_path, tmp_path)
    log = tmp_path / "envoy.log"
    log.write_text("x" * 11)
    late = iter((True, False))

    async def reopen(_: AdminClient) -> None:
        if next(late):
            raise UnreachableError(ADMIN_LATE, "no answer")
        log.touch()

    monkeypatch.setattr(AdminClient, "reopen_logs", reopen)
    asyncio.run(slot.bound_log())
    assert not log.exists()
    asyncio.run(slot.bound_log())
    assert log.exists()
    assert (tmp_path / "envoy.log.1").read_text() == "x" * 11
    log.write_text("dies")
    assert slot.log_tail(begins_at=11) == "dies", "of what was begun anew all is of this life"
    assert slot.log_tail(begins_at=4) == ""
    assert slot.log_tail(3, begins_at=2) == "es"
