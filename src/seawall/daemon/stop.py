"""Ending what runs on a data directory from outside: `seawall down`, and the demo's new start."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.daemon.processes import LEAVE, Process, envoys, read_run_file

_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Running:
    """What runs on a data directory; `name` is for people.

    Attributes:
        processes: one supervisor, or the Envoys that outlived one, the one that serves last.
        supervised: it is a supervisor.
    """

    name: str
    processes: tuple[Process, ...]
    supervised: bool = True

    @property
    def words(self) -> str:
        """For example `Envoy (processes 17, 19)`."""
        pids = ", ".join(str(process.pid) for process in self.processes)
        return f"{self.name} (process{'es' if len(self.processes) > 1 else ''} {pids})"


def running(data_dir: Path) -> Running | None:
    """The supervisor, or the Envoys that outlived one; None when nothing runs."""
    supervisor = read_run_file(data_dir / "run" / "up.json")
    if supervisor is not None:
        return Running("Seawall", (supervisor,))
    left = envoys(data_dir)
    # A candidate first: the kernel would give it everything once what serves is gone.
    return Running("Envoy", left[::-1], supervised=False) if left else None


def stop(found: Running) -> bool:
    """Ask all to end and wait; whether they ended in time. A supervisor ends all its parts."""
    return _end(found, signal.SIGTERM, limits.STOP_TIMEOUT_S + limits.STOP_NOW_TIMEOUT_S)


def leave(supervisor: Running) -> bool:
    """Ask a supervisor to end and let Envoy serve on; whether it ended in time."""
    return _end(supervisor, LEAVE, limits.LEAVE_TIMEOUT_S + limits.STOP_NOW_TIMEOUT_S)


def _end(found: Running, signum: signal.Signals, wait_s: float) -> bool:
    for process in found.processes:
        process.send(signum)
    for _ in range(int(wait_s / _POLL_S)):
        if not any(process.alive() for process in found.processes):
            return True
        time.sleep(_POLL_S)
    return not any(process.alive() for process in found.processes)
