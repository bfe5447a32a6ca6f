"""One child process of the supervisor: how it is started, watched, and started again.

Every child is started as `python -P -m seawall.daemon.NAME --data-dir D --parent-fd N ...` in a
process group of its own, so that a Ctrl-C in the terminal reaches the supervisor alone, which then
stops the parts in the right order. `--parent-fd` is the read end of a pipe that only the
supervisor holds open for writing: end of file on it means that the supervisor is gone.
Standard library only.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.daemon.processes import PRIVATE_DIRECTORY_MODE, RunFile

_LOG_MODE: Final = 0o600
_TAIL_SIZE_BYTES: Final = 2_000


class Child:
    """A part that must run as long as the supervisor does.

    Args:
        name: `control` or `node`; names its module, its run file and its output file.
        arguments: command line after the common ones.
    """

    def __init__(self, name: str, data_dir: Path, parent_fd: int, arguments: list[str]) -> None:
        self.name = name
        self._run_file = RunFile(data_dir / "run" / f"{name}.json")
        self._output = data_dir / "logs" / f"{name}.out"
        self._parent_fd = parent_fd
        self._arguments = [
            *(sys.executable, "-P", "-m", f"seawall.daemon.{name}"),
            *("--data-dir", os.fspath(data_dir), "--parent-fd", str(parent_fd)),
            *arguments,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._failures = 0
        self._words = ""
        self._start_at_s = 0.0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self, now_s: float) -> None:
        """Start it.

        Raises:
            OSError: the machine has no process, memory or file left to give.
        """
        self._started_s = now_s
        output = self._opened_output()
        try:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._parent_fd,),
                process_group=0,
            )
        finally:
            os.close(output)
        self._run_file.tell(self._process.pid, self._failures, self._words)

    def tick(self, now_s: float) -> str:
        """Start it again when it is down and its pause is over; bound its output file.

        Returns:
            What happened, in one sentence, or an empty string.
        """
        self._bound_output()
        self._run_file.tell_again()
        if self._process is not None and self._process.poll() is None:
            if self._failures and now_s - self._started_s >= limits.CHILD_STABLE_AFTER_S:
                self._failures, self._words = 0, ""
                self._run_file.tell(self._process.pid)
            return ""
        if self._process is not None:
            ended, self._process = self._process, None
            words = self._schedule(ended.returncode, now_s)
            self._run_file.tell(ended.pid, self._failures, self._words)
            return words
        if now_s >= self._start_at_s:
            try:
                self.start(now_s)
            except OSError as error:
                return self._schedule(f"not started: {error.strerror}", now_s)
        return ""

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until `tick` has something to start; None while it runs."""
        return None if self._process is not None else max(0.0, self._start_at_s - now_s)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; a second one tells the child not to wait for anything."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stopped(self) -> bool:
        """Whether it has ended (and then nothing says any more that it runs)."""
        if self._process is not None and self._process.poll() is None:
            return False
        self._run_file.remove()
        return True

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._run_file.remove()

    def last_words(self) -> str:
        """The last line it wrote: usually why it ended."""
        try:
            with self._output.open("rb") as file:
                file.seek(max(0, self._output.stat().st_size - _TAIL_SIZE_BYTES))
                lines = file.read(_TAIL_SIZE_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _schedule(self, status: int | str, now_s: float) -> str:
        if now_s - self._started_s >= limits.CHILD_STABLE_AFTER_S:
            self._failures = 0
        pause_s = min(
            limits.CHILD_RESTART_PAUSE_MIN_S * 2**self._failures, limits.CHILD_RESTART_PAUSE_MAX_S
        )
        self._failures = min(self._failures + 1, 16)
        self._start_at_s = now_s + pause_s
        self._words = self.last_words() if status not in {0, -signal.SIGKILL} else ""
        return (
            f"{self.name} ended ({ended_how(status)}); restarting it in {pause_s:.1f} s; "
            "the edge serves on." + (f" Its last words: {self._words}" if self._words else "")
        )

    def _opened_output(self) -> int:
        """What it writes; nowhere where there is no place for that: it must run all the same."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with suppress(OSError):
            # Whoever needs room on a disk removes logs.
            self._output.parent.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)
            return os.open(self._output, flags, _LOG_MODE)
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def _bound_output(self) -> None:
        # The file is opened for appending: after the cut, writing goes on at its new end.
        try:
            if self._output.stat().st_size > limits.CHILD_OUTPUT_SIZE_BYTES_MAX:
                os.truncate(self._output, 0)
        except OSError:
            return


def ended_how(status: int | str) -> str:
    """The status of a process that has ended, or why there is none, in words."""
    if isinstance(status, str):
        return status
    if status >= 0:
        return f"exit code {status}"
    with suppress(ValueError):  # those for real time, all but two of them, have no name
        return f"signal {signal.Signals(-status).name}"
    return f"signal {-status}"


def reap_strangers(own: Collection[int]) -> None:
    """Let go of ended processes that became this one's children when their own parent died.

    The first process of a container is given all of them; without this an Envoy that was adopted
    stays as a zombie when it ends.

    Args:
        own: children whose end somebody else here waits for.
    """
    for _ in range(limits.STRANGERS_REAPED_MAX):
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
        except ChildProcessError:
            return
