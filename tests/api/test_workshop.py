import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

import warm_command
from api.world import site_text, sources, until
from seawall import limits
from seawall.api import workshop as workshop_module
from seawall.api.bench_process import WORKBENCH, BenchProcess
from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.progress import ReleaseRefusedError
from seawall.api.workshop import Workshop
from seawall.clock import SystemClock
from seawall.errors import ConflictError, UnreachableError, UsageError
from seawall.installation import Installation
from seawall.model import DEFAULT_POLICY, Feature, Switch
from seawall.release.bundle import decode, digest_of
from seawall.release.release import Kind

Story = Callable[[Workshop], Awaitable[None]]
START_TIMEOUT_S = 30.0


class JumpyClock(SystemClock):
    """Monotonic time that a test moves; sleeping only lets others run."""

    def __init__(self) -> None:
        self.moved_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.moved_s

    async def sleep(self, duration_s: float) -> None:  # noqa: ARG002 - the shape of a clock
        await asyncio.sleep(0)


def run(
    tmp_path: Path,
    story: Story,
    clock: SystemClock | None = None,
    *,
    cold: bool = False,
    first: BenchProcess | None = None,
) -> list[str]:
    """What is logged of a story; with `cold`, the workbench itself is what its workshop started."""
    told: list[str] = []
    program = WORKBENCH if cold else warm_command.offer_workbench()

    async def main() -> None:
        workshop = Workshop(
            tmp_path,
            clock or SystemClock(),
            log=lambda event, text: told.append(f"{event} {text}"),
            program=program,
            first=first,
        )
        try:
            await story(workshop)
        finally:
            await workshop.close()

    asyncio.run(main())
    return told


async def prepared(workshop: Workshop, current: bytes | None = None, **options: object) -> object:
    steps: list[tuple[str, str]] = []
    made = await workshop.prepare(
        sources(site_text(18_080)),
        Kind.SITE,
        (),
        current,
        validate_same=bool(options.get("validate_same")),
        step=lambda state, stage, _: steps.append((state, stage)),
        coming=lambda: steps.append(("coming", "")),
    )
    told = ("coming", "") in steps
    assert told == bool(options.get("coming")), "that a release may come of it"
    assert digest_of(made.bundle) == made.digest
    return made, [stage for state, stage in steps if state == "done"]


def test_a_release_is_prepared_step_by_step(tmp_path: Path) -> None:
    async def story(workshop: Workshop) -> None:
        made, stages = await prepared(workshop)  # type: ignore[misc]  # - a pair
        gate = ["limits", "compatibility", "guard", "scores", "clients", "validate", "taster"]
        assert stages == ["check", "compile", *gate]
        assert [stage.stage for stage in made.report.stages] == gate
        assert made.policy == DEFAULT_POLICY
        assert made.locations["route shop/api"] == ("/etc/seawall/seawall.yaml", 8, 9)
        assert decode(made.bundle).sources == sources(site_text(18_080))
        same, again = await prepared(workshop, made.bundle)  # type: ignore[misc]  # - a pair
        assert (same.same, again) == (True, ["check", "compile"])
        _, asked = await prepared(workshop, made.bundle, validate_same=True, coming=True)  # type: ignore[misc]  # - a pair
        assert asked[-2:] == ["validate", "taster"]

    assert run(tmp_path, story) == []


@pytest.mark.parametrize(
    "text", ["version: 1\nnonsense: 1\n", site_text(18_080), site_text(18_081)]
)
def test_no_sacrificial_envoy_is_left_whatever_becomes_of_a_release(
    tmp_path: Path, text: str
) -> None:
    """It is started before the site file is read: refused, unchanged and released alike."""

    async def story(workshop: Workshop) -> None:
        made, _ = await prepared(workshop)  # type: ignore[misc]  # - a pair
        with suppress(ReleaseRefusedError):
            await workshop.prepare(
                sources(text), Kind.SITE, (), made.bundle, validate_same=False, step=lambda *_: None
            )
        work_dir = tmp_path / "taste"
        await until(lambda: not list(work_dir.glob("taste-*")), "its directory is gone")
        assert (work_dir / "tasted.json").exists()

    assert run(tmp_path, story) == []


@pytest.mark.parametrize(
    ("kind", "extras"),
    [
        (Kind.SWITCH, Extras(on=Switch(Feature.RETRIES, None, 2e9, "", "ann"), pinned=True)),
        (Kind.CERTIFICATES, AS_CURRENT),
    ],
)
def test_what_changes_no_site_file_undoes_none_that_came_while_it_was_asked_for(
    tmp_path: Path, kind: Kind, extras: Extras
) -> None:
    async def story(workshop: Workshop) -> None:
        made, _ = await prepared(workshop)  # type: ignore[misc]  # - a pair
        found = await workshop.prepare(
            *(sources(site_text(18_081)), kind, (), made.bundle),
            validate_same=False,
            step=lambda *_: None,
            extras=extras,
        )
        assert decode(found.bundle).sources == sources(site_text(18_080))
        assert found.same == (kind is Kind.CERTIFICATES)

    assert run(tmp_path, story) == []


def _tasters(work_dir: Path) -> list[int]:
    """Processes that work in a directory of a sacrificial Envoy, also one that is removed."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str((entry / "cwd").readlink()).startswith(f"{work_dir}/taste-"):
                found.append(int(entry.name))
    return found


def test_a_release_that_changes_nothing_starts_no_sacrificial_envoy(tmp_path: Path) -> None:
    async def story(workshop: Workshop) -> None:
        made, _ = await prepared(workshop)  # type: ignore[misc]  # - a pair
        work_dir = tmp_path / "taste"
        await until(lambda: not list(work_dir.glob("taste-*")), "the first one is gone")
        before = work_dir.stat().st_mtime_ns  # each one has a directory of its own there
        same, _ = await prepared(workshop, made.bundle)  # type: ignore[misc]  # - a pair
        assert same.same
        await workshop.check(sources(site_text(18_080)), None, full=False)  # after all was tidied
        assert work_dir.stat().st_mtime_ns == before
        with suppress(ReleaseRefusedError):
            await workshop.prepare(
                *(sources("version: 1\n"), Kind.SITE, (), made.bundle),
                validate_same=False,
                step=lambda *_: None,
            )
        await workshop.check(sources(site_text(18_080)), None, full=False)
        assert work_dir.stat().st_mtime_ns != before, "what may be a change has one"

    assert run(tmp_path, story) == []


@pytest.mark.parametrize("way", ["cancelled", "closed", "killed", "lost"])
def test_a_sacrificial_envoy_ends_with_whoever_started_it_at_whatever_moment(
    tmp_path: Path, way: str
) -> None:
    """A job that is given up, control that stops, a workbench that is killed or hangs."""

    async def story(workshop: Workshop) -> None:
        made, _ = await prepared(workshop)  # type: ignore[misc]  # - a pair
        for port in range(18_081, 18_083):
            job = asyncio.ensure_future(
                workshop.prepare(
                    *(sources(site_text(port)), Kind.SITE, (), made.bundle),
                    validate_same=False,
                    step=lambda *_: None,
                )
            )
            await until(lambda: _tasters(tmp_path / "taste"), "one is started")
            assert not job.done()
            assert workshop.pid is not None
            if way == "cancelled":
                job.cancel()
            elif way == "closed":
                await workshop.close()
            else:
                os.kill(workshop.pid, signal.SIGKILL if way == "killed" else signal.SIGSEGV)
            with suppress(UnreachableError, asyncio.CancelledError):
                await job
            await until(lambda: not _tasters(tmp_path / "taste"), "nothing of it is left")

    run(tmp_path, story, cold=way == "lost")


def test_a_refusal_comes_across_with_all_it_says(tmp_path: Path) -> None:
    async def story(workshop: Workshop) -> None:
        with pytest.raises(ReleaseRefusedError) as refused:
            await workshop.prepare(
                sources("version: 1\nnonsense: 1\n"),
                Kind.SITE,
                (),
                None,
                validate_same=False,
                step=lambda *_: None,
            )
        assert refused.value.code == "site-file-refused"
        assert refused.value.problems
        assert refused.value.remedy
        with pytest.raises(UsageError, match="no site file"):
            await workshop.collect(tmp_path / "missing.yaml")
        assert (await workshop.check(sources(site_text(18_080)), None, full=False)).ok

    assert run(tmp_path, story) == []


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV])
def test_a_workbench_that_dies_costs_its_job_and_nothing_else(
    tmp_path: Path, signum: signal.Signals
) -> None:
    async def story(workshop: Workshop) -> None:
        await workshop.check(sources(site_text(18_080)), None, full=False)
        assert workshop.pid is not None
        os.kill(workshop.pid, signal.SIGSTOP)
        job = asyncio.ensure_future(workshop.check(sources(site_text(18_080)), None, full=False))
        await asyncio.sleep(0)
        os.kill(workshop.pid, signum)
        os.kill(workshop.pid, signal.SIGCONT)
        with pytest.raises(UnreachableError, match=f"code -{int(signum)}"):
            await job
        assert (await workshop.check(sources(site_text(18_080)), None, full=False)).ok

    told = run(tmp_path, story, cold=True)
    assert len(told) == 1
    assert told[0].startswith("workbench-lost check")


def test_a_workbench_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(workshop: Workshop) -> None:
        await workshop.check(sources(site_text(18_080)), None, full=False)
        first = workshop.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(limits, "WORKBENCH_JOB_TIMEOUT_S", 0.05)
        with pytest.raises(UnreachableError, match="longer than"):
            await workshop.check(sources(site_text(18_080)), None, full=False)
        monkeypatch.undo()
        assert (await workshop.check(sources(site_text(18_080)), None, full=False)).ok
        assert workshop.pid != first

    run(tmp_path, story, cold=True)


def test_an_idle_workbench_goes_and_comes_back_when_needed(tmp_path: Path) -> None:
    clock = JumpyClock()

    async def story(workshop: Workshop) -> None:
        await workshop.check(sources(site_text(18_080)), None, full=False)
        assert workshop.pid is not None
        watching = asyncio.ensure_future(workshop.run())
        clock.moved_s += limits.WORKBENCH_IDLE_S
        await until(lambda: workshop.pid is None, "the idle workbench is ended")
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert (await workshop.check(sources(site_text(18_080)), None, full=False)).ok

    assert run(tmp_path, story, clock) == []


def test_a_workbench_that_was_started_before_control_loaded_does_the_first_job(
    tmp_path: Path,
) -> None:
    first = BenchProcess(tmp_path, warm_command.offer_workbench())

    async def story(workshop: Workshop) -> None:
        assert workshop.pid == first.pid
        assert (await workshop.check(sources(site_text(18_080)), None, full=False)).ok
        assert workshop.pid == first.pid

    assert run(tmp_path, story, first=first) == []
    assert not first.running


def test_a_workbench_that_ended_before_its_first_job_is_replaced(tmp_path: Path) -> None:
    first = BenchProcess(tmp_path, warm_command.offer_workbench())
    os.kill(first.pid, signal.SIGKILL)
    assert first.exit_code(START_TIMEOUT_S) == -signal.SIGKILL

    async def story(workshop: Workshop) -> None:
        assert (await workshop.check(sources(site_text(18_080)), None, full=False)).ok
        assert workshop.pid != first.pid

    assert run(tmp_path, story, first=first) == []


def test_a_workbench_of_files_that_were_replaced_since_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed"
    package.mkdir()
    began = Installation(package)
    monkeypatch.setattr(workshop_module, "started_from", lambda: began)
    first = BenchProcess(tmp_path, warm_command.offer_workbench())
    (package / "newer.py").write_text("")

    async def story(workshop: Workshop) -> None:
        with pytest.raises(ConflictError, match="were replaced"):
            await workshop.check(sources(site_text(18_080)), None, full=False)
        assert workshop.pid is None

    assert run(tmp_path, story, first=first) == []
    assert not first.running
