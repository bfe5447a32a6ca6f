"""Child processes of a benchmark: started, measured through /proc, and always stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

START_DEADLINE_S = 60.0


@dataclass
class Program:
    """A running program with all its child processes."""

    pid: int

    @property
    def members(self) -> list[psutil.Process]:
        """The process and its descendants that are alive."""
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """CPU time used so far, to the nanosecond where the kernel keeps it."""
        return sum(_cpu_s(member.pid) for member in self.members)

    def terminate(self) -> None:
        """Ask the first process to end, and wait for it for a bounded time."""
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            first = psutil.Process(self.pid)
            first.terminate()
            first.wait(30)

    def memory_bytes(self) -> int:
        """Resident memory."""
        return sum(member.memory_info().rss for member in self.members)


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], cwd: Path, *, log_dir: Path | None = None
) -> Iterator[Program]:
    """Run `command` in a session of its own until the end of the block.

    Args:
        command: program and arguments.
        cwd: where it runs.
        log_dir: where its output goes; `cwd` without it.
    """
    with ((log_dir or cwd) / "output.log").open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield Program(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str) -> float:
    """Seconds until `condition()` held; fails at a deadline."""
    start_s = time.monotonic()
    while not condition():
        if time.monotonic() - start_s > START_DEADLINE_S:
            raise SystemExit(f"waited {START_DEADLINE_S:g} s in vain until {what}")
        time.sleep(0.002)
    return time.monotonic() - start_s


def accepts(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _cpu_s(pid: int) -> float:
    total = 0.0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(thread.read_text().split()[0]) / 1e9
    if total:
        return total
    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0
