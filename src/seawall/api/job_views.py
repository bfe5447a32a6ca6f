"""The JSON shapes of jobs. As `api.views`: fields are added and never renamed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobView:
    """Work that control does by itself at intervals; times are Unix seconds.

    Attributes:
        job: `retrain` or `ranges`.
        every_s: time from one run to the next; null if the job is off.
        running: whether a run is under way.
        step: what the run is doing now.
        done: how much of the step is done, out of `of`; both are 0 if unknown.
        began_s: start of the last run, or of the one under way.
        ended_s: end of the last run; null during a run and before the first.
        good_s: end of the last successful run.
        due_s: when it runs next; null if the job is off.
        failures: failed runs in a row.
        outcome: of the last run: `released`, `unchanged`, `refused`, `failed` or `interrupted`;
            empty before the first.
        code: stable identifier of the outcome.
        reason: the outcome in words.
        remedy: what to do about it.
        report: directory with details on control's machine.
        stale: no run has succeeded for several periods.
    """

    job: str
    every_s: float | None
    running: bool = False
    step: str = ""
    done: int = 0
    of: int = 0
    began_s: float | None = None
    ended_s: float | None = None
    good_s: float | None = None
    due_s: float | None = None
    failures: int = 0
    outcome: str = ""
    code: str = ""
    reason: str = ""
    remedy: str = ""
    report: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class JobsView:
    """All jobs, including those that are off."""

    jobs: tuple[JobView, ...]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Run a job now; `author` says who asks for it."""

    author: str = ""
