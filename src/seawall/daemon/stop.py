"""Ending what runs on a data directory from outside: `seawall down`, and the demo's new start."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.daemon.processes import Process, envoys, read_run_file

_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Running:
    """What runs on a data directory; `name` is for people."""

    name: str
    process: Process


def running(data_dir: Path) -> Running | None:
    """The supervisor, or the Envoy that outlived one; None when nothing runs."""
    supervisor = read_run_file(data_dir / "run" / "up.json")
    if supervisor is not None:
        return Running("Seawall", supervisor)
    left = envoys(data_dir)
    return Running("Envoy", left[0]) if left else None


def stop(found: Running) -> bool:
    """Ask it to end and wait; whether it ended in time. A supervisor ends all its parts."""
    found.process.send(signal.SIGTERM)
    for _ in range(int((limits.STOP_TIMEOUT_S + limits.STOP_NOW_TIMEOUT_S) / _POLL_S)):
        if not found.process.alive():
            return True
        time.sleep(_POLL_S)
    return not found.process.alive()
