"""Control's jobs: starts what is due, one at a time, remembers what came of it, and tells it.

When a job is due is decided in `seawall.jobs.schedule`; what a run does, in the process that
`job_process` starts. A run changes the edge only by pushing a feed over the API, as an operator
would. Only the control process that leads runs jobs.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from seawall import limits
from seawall.api.deeds import Deeds
from seawall.api.job_process import JOB, run
from seawall.api.job_views import JobsView, JobView
from seawall.api.releaser import Releaser
from seawall.api.status_views import NoticeView
from seawall.clock import Clock
from seawall.errors import ConflictError, NotFoundError, SeawallError
from seawall.jobs import schedule
from seawall.jobs.memory import GOOD, Ending, Memory, Outcome, from_text, to_text
from seawall.model.jobs import NO_JOBS, JobName
from seawall.release.store import Store
from seawall.tasks import Background

AUTHOR: Final = "seawall"
_KEY: Final = "job."


class JobRunner:
    """One for a control process; use `run` as a task of the one that leads.

    Args:
        background: owns runs; when it is left, a run under way is ended.
        chance: a random number of [0, 1), for spreading due times.
        log: told each outcome.
        deeds: told who did what.

    Attributes:
        program: module that is run for a job; tests have one of their own.
    """

    def __init__(
        self,
        store: Store,
        releaser: Releaser,
        clock: Clock,
        *,
        deeds: Deeds,
        data_dir: Path,
        background: Background,
        chance: Callable[[], float],
        log: Callable[[str, str], None],
    ) -> None:
        self.program = JOB
        self._store = store
        self._deeds = deeds
        self._releaser = releaser
        self._clock = clock
        self._data_dir = data_dir
        self._background = background
        self._chance = chance
        self._log = log
        self._settings = NO_JOBS
        self._memories: dict[JobName, Memory] = {}
        self._unsaved: set[JobName] = set()
        self._writing = asyncio.Lock()
        self._ends_s: dict[JobName, float] = {}
        self._leads_since_s: float | None = None
        self._running: JobName | None = None
        self._step = ("", 0, 0)

    async def run(self) -> None:
        """Start what is due, until cancelled."""
        self._leads_since_s = self._clock.monotonic_s()
        while True:
            await self.poll()
            await self._clock.sleep(limits.JOB_POLL_S)

    async def poll(self) -> None:
        """Look once, and start at most one job; never raises for what a store does."""
        if self._leads_since_s is None:
            self._leads_since_s = self._clock.monotonic_s()
        try:
            await self._take_up()
        except SeawallError as error:
            self._log("jobs-unknown", error.message)
            return
        for name in JobName:
            every_s = self._settings.every_s(name)
            if every_s is None or self._running is not None:
                continue
            if schedule.may_start(self._memories[name], self._now(), self._quiet_s(name)):
                await self._start(name, every_s)

    async def order(self, name: str, author: str) -> JobView:
        """Run a job now, whenever it is due.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it is off, a job runs, or this control process does not lead.
            UnreachableError: the store cannot be written.
        """
        job = _named(name)
        await self._deeds.note(author, "run-job", str(job))
        if self._leads_since_s is None:
            raise ConflictError(
                "not-leading",
                "This control process does not lead; only the leader runs jobs.",
                remedy="Ask the leader; see `seawall status`.",
            )
        await self._take_up()
        every_s = self._settings.every_s(job)
        if every_s is None:
            raise ConflictError(
                "job-off",
                f"The job {job} is not switched on.",
                remedy=f"Write `bots: {{{job}: {{every: 24h}}}}` into the site file and apply.",
            )
        if self._running is not None:
            raise ConflictError(
                "job-running",
                f"The job {self._running} is running, and only one job runs at a time.",
                remedy="Wait until it has ended: see `seawall bots jobs`.",
            )
        await self._start(job, every_s)
        return self._view(job)

    async def view(self) -> JobsView:
        """All jobs."""
        await self._take_up(keep=self._leads_since_s is not None)
        return JobsView(tuple(self._view(name) for name in JobName))

    def notices(self) -> Iterator[NoticeView]:
        """What is wrong with jobs, from what is known in memory."""
        for name in JobName:
            view = self._view(name)
            if view.every_s is None:
                continue
            if view.outcome and Ending(view.outcome) not in GOOD:
                words = f"The job {name} {_SAID[Ending(view.outcome)]}: {view.reason}"
                yield NoticeView("warning", f"job-{view.outcome}", words, view.remedy)
            if view.stale:
                yield NoticeView(
                    "warning",
                    "job-stale",
                    f"The job {name} has not succeeded for {limits.JOB_MISSED_PERIODS} periods "
                    "or longer. The data in use is getting old.",
                    "See `seawall bots jobs`.",
                )

    # --- What is switched on, and what is remembered ---------------------------------------------

    async def _take_up(self, *, keep: bool = True) -> None:
        """Learn of new settings, and of what was remembered before this process."""
        facts = await self._releaser.current_facts()
        if facts is not None:
            self._settings = facts.jobs
        for name in JobName:
            if name not in self._memories or not keep:
                text = await asyncio.to_thread(self._store.meta.get, _KEY + name)
                self._memories[name] = from_text(text)
            if not keep:
                continue
            before = memory = self._memories[name]
            every_s = self._settings.every_s(name)
            if every_s is None:
                memory = schedule.switched_off(memory) if facts is not None else memory
            else:
                if name is not self._running:
                    memory = schedule.cut_off(memory, every_s, self._now())
                memory = schedule.planned(memory, every_s, self._now())
            if memory != before or name in self._unsaved:
                await self._keep(name, memory)
            if before.under_way and not memory.under_way and memory.outcome is not None:
                await self._record(name, memory.outcome)

    async def _keep(self, name: JobName, memory: Memory) -> None:
        """Remember, also for the next process; a store that is full is asked again later."""
        self._memories[name] = memory
        try:
            async with self._writing:
                newest = to_text(self._memories[name])
                await asyncio.to_thread(self._store.meta.set, _KEY + name, newest)
        except SeawallError as error:
            self._unsaved.add(name)
            self._log("job-not-remembered", f"{name}: {error.message}")
        else:
            self._unsaved.discard(name)

    # --- A run -----------------------------------------------------------------------------------

    async def _start(self, name: JobName, every_s: float) -> None:
        memory = schedule.begun(self._memories[name], self._now())
        self._running, self._step = name, ("", 0, 0)
        await self._keep(name, memory)
        if name in self._unsaved:
            # What cannot be remembered must not run again and again.
            await self._finish(name, every_s, _store_away())
            return
        self._log("job-began", name)
        self._background.spawn(self._carry_out(name, every_s), name=f"job {name}")

    async def _carry_out(self, name: JobName, every_s: float) -> None:
        # Cancelled, this leaves a run that was begun and did not end: whoever leads next sees it.
        try:
            outcome = await run(self.program, self._order(name), self._told)
        except Exception as error:  # noqa: BLE001 - a defect that one run meets must not end all jobs
            outcome = _defect(error)
        await self._finish(name, every_s, outcome)

    async def _finish(self, name: JobName, every_s: float, outcome: Outcome) -> None:
        """Write down what a run came to; it counts as running until that is done."""
        self._log(f"job-{outcome.ending}", f"{name}: {outcome.words}")
        try:
            await self._record(name, outcome)
            ended = schedule.ended(self._memories[name], outcome, every_s, self._now())
            await self._keep(name, ended)
        finally:
            self._ends_s[name] = self._clock.monotonic_s()
            self._running = None

    async def _record(self, name: JobName, outcome: Outcome) -> None:
        ending = f"job-{outcome.ending}"
        await self._deeds.noted(AUTHOR, ending, str(name), outcome.words, lost="job-not-recorded")

    def _order(self, name: JobName) -> dict[str, Any]:
        settings = {
            JobName.RETRAIN: self._settings.retrain,
            JobName.RANGES: self._settings.ranges,
        }[name]
        plain = {} if settings is None else asdict(settings)
        return {
            "job": str(name),
            "parent": os.getpid(),
            "data_dir": str(self._data_dir),
            "settings": plain,
        }

    def _told(self, step: str, done: int, of: int) -> None:
        self._step = (step, done, of)

    def _now(self) -> schedule.Now:
        now_s = self._clock.monotonic_s()
        since_s = now_s if self._leads_since_s is None else self._leads_since_s
        return schedule.Now(self._clock.now_s(), now_s - since_s, self._chance())

    def _quiet_s(self, name: JobName) -> float | None:
        end_s = self._ends_s.get(name)
        return None if end_s is None else self._clock.monotonic_s() - end_s

    def _view(self, name: JobName) -> JobView:
        memory = self._memories.get(name, Memory())
        every_s = self._settings.every_s(name)
        leads = self._leads_since_s is not None
        step, done, of = self._step if self._running is name else ("", 0, 0)
        outcome = memory.outcome
        stale = every_s is not None and schedule.stale(memory, every_s, self._clock.now_s())
        return JobView(
            job=str(name),
            every_s=every_s,
            running=self._running is name if leads else memory.under_way,
            step=step,
            done=done,
            of=of,
            began_s=memory.began_s,
            ended_s=memory.ended_s,
            good_s=memory.good_s,
            due_s=None if every_s is None else memory.due_s,
            failures=memory.failures,
            outcome=str(outcome.ending) if outcome else "",
            code=outcome.code if outcome else "",
            reason=outcome.words if outcome else "",
            remedy=outcome.remedy if outcome else "",
            report=outcome.report if outcome else "",
            stale=stale,
        )


_SAID: Final = {
    Ending.REFUSED: "changed nothing",
    Ending.FAILED: "failed",
    Ending.INTERRUPTED: "was interrupted",
}


def _named(name: str) -> JobName:
    try:
        return JobName(name)
    except ValueError:
        raise NotFoundError(
            "job-unknown",
            f"There is no job {name[:60]!r}.",
            remedy=f"There are: {', '.join(JobName)}.",
        ) from None


def _defect(error: Exception) -> Outcome:
    return Outcome(
        Ending.FAILED,
        "internal",
        f"The control process hit an unexpected error while it ran: {error!r}.",
        "Seawall retries it automatically. Please report this with logs/control.log.",
    )


def _store_away() -> Outcome:
    return Outcome(
        Ending.FAILED,
        "job-not-remembered",
        "It was not started, because the store cannot be written.",
        "Free some space on control's disk, or bring its database back.",
    )
