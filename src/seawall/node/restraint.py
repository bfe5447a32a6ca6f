"""A candidate must never harm stable: what it may take of the machine, and what it has taken.

Lower priority, first to be killed when memory is short, and a bound on its memory that the kernel
holds even when the agent is not looking. All of it can be taken back when the candidate becomes
stable; where this user may not raise a priority again, it is not lowered.
"""

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.limits import (
    TRIAL_MEMORY_BYTES_MIN,
    TRIAL_MEMORY_SHARE_MAX,
    TRIAL_NICE,
    TRIAL_OOM_SCORE,
)
from seawall.procfs import stat_fields

_UTIME_FIELD: Final = 11
_STIME_FIELD: Final = 12
_RESIDENT_FIELD: Final = 21
"""Of `procfs.stat_fields`."""
_NICE_LIMIT_BASE: Final = 20
"""RLIMIT_NICE of 20 - n allows a nice value of n."""
_NICE_MAX: Final = 19
_OOM: Final = "oom_score_adj"
_OOM_SCORE_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: CPU seconds since it started, memory in RAM now."""

    cpu_s: float
    resident_bytes: int


def usage(pid: int) -> Usage | None:
    """Readings of a process; None when it is gone."""
    try:
        fields = stat_fields(pid)
    except OSError:
        return None
    ticks = int(fields[_UTIME_FIELD]) + int(fields[_STIME_FIELD])
    return Usage(
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        resident_bytes=int(fields[_RESIDENT_FIELD]) * os.sysconf("SC_PAGE_SIZE"),
    )


def restrain(pid: int) -> None:
    """Put a trial's process behind everything else; what is not allowed here is left out."""
    if _may_raise_priority():
        _set_nice(pid, min(_own_nice() + TRIAL_NICE, _NICE_MAX))
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    share_bytes = int(machine_bytes * TRIAL_MEMORY_SHARE_MAX)
    _set_memory(pid, max(TRIAL_MEMORY_BYTES_MIN, share_bytes))
    _write(pid, _OOM, min(_own_oom_score() + TRIAL_OOM_SCORE, _OOM_SCORE_MAX))


def release(pid: int) -> None:
    """It is stable now: take everything back."""
    _set_nice(pid, _own_nice())
    _set_memory(pid, None)
    _write(pid, _OOM, _own_oom_score())


def _may_raise_priority() -> bool:
    if os.geteuid() == 0:
        return True
    allowed, _ = resource.getrlimit(resource.RLIMIT_NICE)
    return allowed == resource.RLIM_INFINITY or allowed >= _NICE_LIMIT_BASE - _own_nice()


def _own_nice() -> int:
    """The agent's, which is also stable's."""
    return os.getpriority(os.PRIO_PROCESS, 0)


def _own_oom_score() -> int:
    """The agent's, which is also stable's: service managers set it, and a lower one is refused."""
    try:
        return int(Path(f"/proc/self/{_OOM}").read_text())
    except (OSError, ValueError):
        return 0


def _set_nice(pid: int, value: int) -> None:
    """Of every thread: Linux keeps it for each, and later ones inherit it.

    Envoy has a session of its own, which the scheduler may treat as one group with its own nice.
    """
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - only the names are wanted
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread), value)
    _write(pid, "autogroup", value)


def _set_memory(pid: int, bytes_max: int | None) -> None:
    """Only the soft limit: the hard one could never be raised again."""
    with suppress(OSError, ValueError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
        soft = hard if bytes_max is None else bytes_max
        if hard not in (resource.RLIM_INFINITY, soft):
            soft = min(soft, hard)
        resource.prlimit(pid, resource.RLIMIT_DATA, (soft, hard))


def _write(pid: int, name: str, value: int) -> None:
    with suppress(OSError):
        Path(f"/proc/{pid}/{name}").write_text(str(value))
