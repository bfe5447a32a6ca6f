"""Jobs as control runs them, with real processes: begun, heard, lost, ended, and remembered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.jobs_world import (
    DAY,
    ON,
    alive,
    behave,
    due,
    ended,
    hanging,
    job,
    jobs_world,
    notices,
    runner,
)
from api.world import ANN, World, live, until
from seawall import limits
from seawall.api.job_views import JobRequest
from seawall.errors import ConflictError, NotFoundError, UnreachableError


def test_a_due_job_runs_once_is_ordered_as_written_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, "good")
            planned = await job(at)
            assert planned.due_s is not None
            assert (planned.every_s, planned.outcome, planned.began_s) == (DAY, "", None)
            assert (await job(at, "ranges")).every_s is None
            found = await due(at, clock)
            assert (found.outcome, found.code, found.reason) == (
                "released",
                "good",
                "It went well.",
            )
            assert found.due_s is not None
            assert DAY - 60 < found.due_s - clock.now_s() < DAY + 2 * limits.JOB_SPREAD_S_MAX
            assert "job-released" not in await notices(at)
            order = (at.data_dir / "order.json").read_text()
            for part in ('"job": "retrain"', '"feed": "bot-model"', '"budget": 0.01', "identity"):
                assert part in order
            (at.data_dir / "order.json").unlink()
            clock.ahead_s += limits.JOB_GAP_S
            await runner(at).poll()
            assert not (await job(at)).running
            assert not (at.data_dir / "order.json").exists()
        ahead_s = clock.ahead_s
        async with jobs_world(tmp_path, monkeypatch, ahead_s=ahead_s) as (at, _):
            after = await job(at)
            assert (after.outcome, after.due_s, after.good_s) == (
                "released",
                found.due_s,
                found.good_s,
            )
            audit = await at.service.audit(limit=20)
            assert ("job-released", "retrain") in [(e.what, e.subject) for e in audit.entries]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            "crash",
            "ended with code 1 and reported no outcome. Its last words: these are its last words",
        ),
        ("abort", "crashed (signal SIGABRT)"),
        ("killed", "was killed"),
    ],
)
def test_a_run_that_is_lost_is_a_named_state_and_comes_again_sooner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, words: str
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, how)
            found = await due(at, clock)
            assert (found.outcome, found.code, found.failures) == ("failed", "job-lost", 1)
            assert words in found.reason
            assert found.due_s is not None
            assert found.due_s - clock.now_s() < 2 * limits.JOB_RETRY_S
            assert words in (await notices(at))["job-failed"]
            metrics = (await at.service.metrics()).decode()
            assert 'seawall_job_failures{job="retrain"} 1.0' in metrics
            assert 'seawall_job_outcome{job="retrain",outcome="failed"} 1.0' in metrics
            behave(at, "good")
            found = await due(at, clock, 2 * limits.JOB_RETRY_S)
            assert (found.outcome, found.failures) == ("released", 0)
            assert "job-failed" not in await notices(at)

    asyncio.run(scenario())


def test_lines_that_make_no_sense_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, "garbage")
            assert (await due(at, clock)).outcome == "released"

    asyncio.run(scenario())


def test_a_defect_of_control_ends_one_run_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, "good")
            with monkeypatch.context() as broken:
                broken.setattr(runner(at), "_order", lambda _: {"data_dir": object()})
                found = await due(at, clock)
            assert (found.outcome, found.code) == ("failed", "internal")
            found = await due(at, clock, 2 * limits.JOB_RETRY_S)
            assert (found.outcome, found.failures) == ("released", 0)

    asyncio.run(scenario())


def test_a_refusal_is_told_waits_its_period_and_gets_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, "refused")
            found = await due(at, clock)
            assert (found.outcome, found.failures, found.remedy) == ("refused", 0, "Mend.")
            assert found.due_s is not None
            assert found.due_s - clock.now_s() > DAY - 60
            told = await notices(at)
            assert told["job-refused"] == "The job retrain changed nothing: It was refused."
            assert "job-stale" not in told
            clock.ahead_s += limits.JOB_MISSED_PERIODS * DAY
            assert (await job(at)).stale
            assert "job-stale" in await notices(at)
            assert 'seawall_job_stale{job="retrain"} 1.0' in (await at.service.metrics()).decode()

    asyncio.run(scenario())


def test_nothing_of_a_run_outlives_control_and_the_next_one_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, _):
            behave(at, "hang")
            await runner(at).order("retrain", "ann")
            pids = await hanging(at)
            found = await job(at)
            assert found.running
            await until(lambda: runner(at)._step[0], "a step is told")
            assert ((await job(at)).step, (await job(at)).of) == ("Hang", 4)
            assert 'seawall_job_running{job="retrain"} 1.0' in (await at.service.metrics()).decode()
        assert not any(map(alive, pids))
        async with jobs_world(tmp_path, monkeypatch) as (at, _):
            found = await job(at)
            assert (found.outcome, found.running, found.failures) == ("interrupted", False, 1)
            assert "job-interrupted" in await notices(at)
            await job(at)
            told = [entry.what for entry in (await at.service.audit(limit=20)).entries]
            assert told.count("job-interrupted") == 1

    asyncio.run(scenario())


def test_a_run_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, _):
            behave(at, "hang")
            monkeypatch.setattr(limits, "JOB_TIMEOUT_S", 2.0)
            await runner(at).order("retrain", "ann")
            found = await ended(at, None)
            assert found.code == "job-timed-out"
            for pid in (at.data_dir / "pids").read_text().split():
                assert not alive(int(pid))

    asyncio.run(scenario())


def test_what_makes_no_sense_is_refused_and_one_run_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, _):
            hands = at.service.hands
            with pytest.raises(NotFoundError, match="no job 'nothing'"):
                await hands.run_job("nothing", JobRequest(), ANN)
            with pytest.raises(ConflictError, match="ranges is not switched on"):
                await hands.run_job("ranges", JobRequest(), ANN)
            behave(at, "hang")
            assert (await hands.run_job("retrain", JobRequest(), ANN)).running
            with pytest.raises(ConflictError, match="retrain is running"):
                await hands.run_job("retrain", JobRequest(), ANN)
            await hanging(at)

    asyncio.run(scenario())


def test_a_control_process_that_does_not_lead_runs_none(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text(extra=ON))
        with pytest.raises(ConflictError, match="does not lead"):
            await at.service.hands.run_job("retrain", JobRequest(), ANN)
        assert (await job(at)).due_s is None

    live(tmp_path, scenario)


def test_what_cannot_be_remembered_is_not_run_and_is_remembered_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, "good")
            meta = at.service.store.meta

            def full(*_: Any) -> None:
                raise UnreachableError("store-full", "The disk is full.")

            kept = meta.set
            monkeypatch.setattr(meta, "set", full)
            clock.ahead_s += 3 * limits.JOB_GRACE_S
            await runner(at).poll()
            found = await job(at)
            assert (found.outcome, found.code) == ("failed", "job-not-remembered")
            assert not (at.data_dir / "order.json").exists()
            monkeypatch.setattr(meta, "set", kept)
            await runner(at).poll()
            assert "job-not-remembered" in (meta.get("job.retrain") or "")

    asyncio.run(scenario())


def test_a_job_that_is_switched_off_is_due_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with jobs_world(tmp_path, monkeypatch) as (at, clock):
            behave(at, "good")
            await due(at, clock)
            await at.applied(at.text())
            clock.ahead_s += 9 * DAY
            await runner(at).poll()
            found = await job(at)
            assert (found.every_s, found.due_s, found.stale) == (None, None, False)
            assert found.outcome == "released"
            assert "seawall_job" not in (await at.service.metrics()).decode()

    asyncio.run(scenario())
