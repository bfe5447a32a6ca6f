"""When a job runs: from what is remembered of it and two clocks to the next due time. Pure.

The wall clock plans, because it goes on while no control process runs; the monotonic clock of the
process holds runs apart, because the wall clock may be set. So a clock that is set back delays a
run by at most one period, and one that is set forward causes at most one run.
"""

from dataclasses import dataclass, replace

from seawall import limits
from seawall.jobs.memory import BROKEN, GOOD, Ending, Memory, Outcome, clipped

_DOUBLINGS_MAX = 16
"""More of them only make a number larger that is cut at the period anyway."""


@dataclass(frozen=True, slots=True)
class Now:
    """The moment that is decided for.

    Attributes:
        wall_s: Unix seconds; may be wrong, and may jump.
        up_s: since this process began to lead, by the monotonic clock.
        chance: a random number of [0, 1), for spreading.
    """

    wall_s: float
    up_s: float
    chance: float


def planned(memory: Memory, every_s: float, now: Now) -> Memory:
    """The memory with a due time that makes sense for this period and this clock.

    A job that was never planned, or whose period changed, is planned from its last run; one whose
    due time lies further ahead than any plan reaches was planned by another clock.
    """
    since_s = memory.since_s if memory.since_s is not None else now.wall_s
    latest_s = now.wall_s + _spread(every_s, 1.0)
    if memory.due_s is None or memory.every_s != every_s:
        due_s = _first(memory, every_s, now)
    elif memory.due_s > latest_s:
        due_s = now.wall_s + _spread(every_s, now.chance)
    else:
        return memory if memory.since_s is not None else replace(memory, since_s=since_s)
    return replace(memory, due_s=due_s, every_s=every_s, since_s=since_s)


def may_start(memory: Memory, now: Now, quiet_s: float | None) -> bool:
    """Whether a run that nobody ordered may begin.

    Args:
        memory: planned.
        now: the moment.
        quiet_s: since the last run ended, by the monotonic clock; None when this process saw none.
    """
    if memory.due_s is None or now.up_s < limits.JOB_GRACE_S:
        return False
    if quiet_s is not None and quiet_s < limits.JOB_GAP_S:
        return False
    return memory.due_s <= now.wall_s


def begun(memory: Memory, now: Now) -> Memory:
    """A run begins."""
    return replace(memory, began_s=now.wall_s, ended_s=None)


def ended(memory: Memory, outcome: Outcome, every_s: float, now: Now) -> Memory:
    """A run has ended; the next is planned from now on, whenever this one was due."""
    failures = memory.failures + 1 if outcome.ending in BROKEN else 0
    wait_s = _spread(every_s, now.chance)
    if failures:
        doubled_s = limits.JOB_RETRY_S * 2 ** min(failures - 1, _DOUBLINGS_MAX)
        wait_s = min(wait_s, _spread(doubled_s, now.chance))
    return replace(
        memory,
        due_s=now.wall_s + wait_s,
        every_s=every_s,
        ended_s=now.wall_s,
        good_s=now.wall_s if outcome.ending in GOOD else memory.good_s,
        failures=failures,
        outcome=clipped(outcome),
    )


def cut_off(memory: Memory, every_s: float, now: Now) -> Memory:
    """A run that an earlier control process began and did not end: it broke."""
    if not memory.under_way:
        return memory
    outcome = Outcome(
        Ending.INTERRUPTED,
        "job-interrupted",
        "The control process ended during the last run, whose partial results were discarded.",
        "Seawall retries it automatically.",
    )
    return ended(memory, outcome, every_s, now)


def switched_off(memory: Memory) -> Memory:
    """A job that the site file does not want any more: nothing is due, and nothing gets old."""
    return replace(memory, due_s=None, good_s=None, since_s=None, failures=0)


def stale(memory: Memory, every_s: float, wall_s: float) -> bool:
    """Whether no run has gone well for too long."""
    last_s = memory.good_s if memory.good_s is not None else memory.since_s
    return last_s is not None and wall_s - last_s > every_s * limits.JOB_MISSED_PERIODS


def _first(memory: Memory, every_s: float, now: Now) -> float:
    """Soon for a job that never ran; one period after its last run otherwise, and never later."""
    if memory.ended_s is None:
        return now.wall_s + limits.JOB_GRACE_S * (1 + now.chance)
    return min(memory.ended_s, now.wall_s) + _spread(every_s, now.chance)


def _spread(duration_s: float, chance: float) -> float:
    return duration_s + chance * min(duration_s * limits.JOB_SPREAD, limits.JOB_SPREAD_S_MAX)
