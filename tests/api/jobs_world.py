"""Jobs of a control process in this event loop: a clock of their own, and a stand-in to run."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from api.world import World, until, world
from clocks import AheadClock
from seawall import limits
from seawall.api.job_views import JobView
from seawall.api.jobs import JobRunner

TESTS = Path(__file__).parents[1]
DAY = 86_400.0
POLL_S = 0.01
ON = "bots: {retrain: {every: 24h, budget: 1%, without: identity}}\n"


@asynccontextmanager
async def jobs_world(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, ahead_s: float = 0.0
) -> AsyncIterator[tuple[World, AheadClock]]:
    """Control with a first release, and the stand-in as the program of its jobs.

    The clock is that of the jobs alone: nodes would be silent for days otherwise.
    """
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    clock = AheadClock()
    clock.ahead_s = ahead_s
    async with world(folder / "data") as at:
        runner(at)._clock = clock
        runner(at).program = "api.job_program"
        if not at.current:
            await at.applied(at.text(extra=ON))
        await runner(at).poll()
        yield at, clock


def runner(at: World) -> JobRunner:
    return at.service.hands.jobs


def behave(at: World, how: str) -> None:
    (at.data_dir / "behave").write_text(how)


async def job(at: World, name: str = "retrain") -> JobView:
    return next(one for one in (await runner(at).view()).jobs if one.job == name)


async def due(at: World, clock: AheadClock, passed_s: float = 3 * limits.JOB_GRACE_S) -> JobView:
    """Let time pass; the job, after the run that this began."""
    clock.ahead_s += passed_s
    before = (await job(at)).ended_s
    await runner(at).poll()
    return await ended(at, before)


async def ended(at: World, before_s: float | None, name: str = "retrain") -> JobView:
    """The job, after a run whose end was not yet known."""
    async with asyncio.timeout(60):
        while True:
            found = await job(at, name)
            if not found.running and found.ended_s != before_s:
                return found
            await asyncio.sleep(POLL_S)


async def notices(at: World) -> dict[str, str]:
    return {one.code: one.text for one in (await at.service.status()).notices}


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


async def hanging(at: World) -> list[int]:
    """The processes of a run that hangs."""
    pids = at.data_dir / "pids"
    await until(pids.exists, "the run hangs")
    found = [int(pid) for pid in pids.read_text().split()]
    assert all(map(alive, found))
    return found
