"""A workbench process and control's end of the line to it.

Standard library only: control starts its first workbench before it loads its own libraries, which
takes as long as loading those of the workbench.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from seawall import limits

WORKBENCH: Final = "seawall.api.workbench"


class BenchProcess:
    """One workbench, running until `end`.

    Args:
        home: control's private directory.
        program: module to run; drills have one of their own.

    Attributes:
        line: control's end; the workbench reads its end as standard input and writes it as
            standard output, and ends when this one is closed.

    Raises:
        OSError: the machine has no process, memory or file left to give.
    """

    def __init__(self, home: Path, program: str = WORKBENCH) -> None:
        self.line, theirs = socket.socketpair()
        try:
            with theirs:
                for end in (self.line, theirs):  # as wide as the kernel lets it be
                    size_bytes = limits.WORKBENCH_READ_SIZE_BYTES
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", program, os.fspath(home)],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                )
        except BaseException:
            self.line.close()
            raise

    @property
    def pid(self) -> int:
        """Process id; nobody else's while this is not ended."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def exit_code(self, timeout_s: float) -> int | None:
        """Of a workbench that ends in that time (negative: by a signal); None if it does not."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kill it if it runs; a second time does nothing."""
        self.line.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
