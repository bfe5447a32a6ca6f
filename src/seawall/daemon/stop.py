"""Ending what runs on a data directory from outside: `seawall down`, and the demo's new start."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.daemon.processes import Process, read_run_file

_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Running:
    """What runs on a data directory; `name` is for people."""

    name: str
    process: Process


def running(data_dir: Path) -> Running | None:
    """The supervisor, or the Envoy that outlived one; None when nothing runs."""
    for name, file in (("Seawall", "run/up.json"), ("Envoy", "node/stable/envoy.json")):
        process = read_run_file(data_dir / file)
        if process is not None:
            return Running(name, process)
    return None


def stop(found: Running) -> bool:
    """Ask it to end and wait; whether it ended in time. A supervisor ends all its parts."""
    found.process.send(signal.SIGTERM)
    for _ in range(int((limits.STOP_TIMEOUT_S + limits.STOP_NOW_TIMEOUT_S) / _POLL_S)):
        if not found.process.alive():
            return True
        time.sleep(_POLL_S)
    return not found.process.alive()
