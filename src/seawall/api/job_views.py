"""The JSON shapes of jobs. As `api.views`: fields are added and never renamed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobView:
    """Work that control does by itself at intervals; times in Unix seconds.

    Attributes:
        job: `retrain` or `ranges`.
        every_s: from one run to the next; null when it is off.
        running: whether a run is under way.
        step: what it does just now.
        done: how much of the step, of `of`; 0 of 0 when nobody knows.
        began_s: of the last run, or of the one under way.
        ended_s: of the last run; null while one is under way and before the first.
        good_s: end of the last run that went well.
        due_s: when it runs next; null when it is off.
        failures: runs in a row that broke.
        outcome: of the last run: `released`, `unchanged`, `refused`, `failed` or `interrupted`;
            empty before the first.
        code: stable word for the outcome.
        reason: the outcome in words.
        remedy: what to do about it.
        report: folder on control's machine with more.
        stale: no run went well for several periods.
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
    """All jobs, those that are off too."""

    jobs: tuple[JobView, ...]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Run a job now: who."""

    author: str = ""
