"""The short-lived child that tells of a start, `seawall.daemon.ready`, as its parent sees it.

A service manager may wait for two minutes, say, until it calls a start failed and ends what it
started. A release that is brought out at a start may take longer. So the child says through a pipe
when something serves, whatever else it has to do. Standard library only, as all of the parent.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_SERVES: Final = b"1"


class Telling:
    """One such child. Its end of the pipe is `--serving-fd`."""

    def __init__(self, config: Path, data_dir: Path, *, json_output: bool) -> None:
        """Start it.

        Raises:
            OSError: the machine has no process to give.
        """
        self._heard, said = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        command = [
            *(sys.executable, "-P", "-m", "seawall.daemon.ready", "--serving-fd", str(said)),
            *("--config", os.fspath(config), "--data-dir", os.fspath(data_dir)),
            *("--format", "json" if json_output else "text"),
        ]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, process_group=0, pass_fds=(said,)
            )
        except OSError:
            os.close(self._heard)
            raise
        finally:
            os.close(said)
        self.pid: Final = self._process.pid

    def says_that_it_serves(self) -> bool:
        """Whether it has said so since it was asked last; it does at most once."""
        try:
            return os.read(self._heard, 1) == _SERVES
        except BlockingIOError:
            return False

    def ended(self) -> int | None:
        """Its exit code, or None while it runs. Once there is one, it is asked nothing more."""
        code = self._process.poll()
        if code is not None:
            os.close(self._heard)
        return code

    def kill(self) -> None:
        """End it, and wait until it has."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def say_that_it_serves(serving_fd: int) -> None:
    """Say to the parent that something serves; a parent that is gone does not matter."""
    with suppress(OSError):
        os.write(serving_fd, _SERVES)
