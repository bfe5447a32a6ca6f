"""What a supervisor says on its standard streams, without ever waiting for who reads it.

A terminal that was stopped with Ctrl-S, an ssh session that hangs or a log collector that does not
read would otherwise hold up whoever must start the parts of an edge again. What cannot be written
now is written later; what is too much then is left out. Standard library only.
"""

import os
import select
import sys
from typing import Final

from seawall import limits

STDOUT: Final = 1
STDERR: Final = 2
_PIPE_CHUNK_SIZE_BYTES: Final = 4096
"""A pipe that is writable takes as much at once, and as one piece."""
_TERMINAL_CHUNK_SIZE_BYTES: Final = 128
"""A pseudo-terminal counts its room in steps of 256 bytes, and makes two of each line break."""


def hold_standard_files() -> None:
    """Open what whoever started us has closed: a file of ours would get its number otherwise."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(opened, True)  # noqa: FBT003 - takes it so only
    os.close(opened)


class Voice:
    """One standard stream of this process.

    Args:
        descriptor: of the stream, which stays as it is: others share its flags.
    """

    def __init__(self, descriptor: int) -> None:
        stream = sys.stdout if descriptor == STDOUT else sys.stderr
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor = descriptor
        self._unread = bytearray()

    def say(self, text: str) -> None:
        """Write it, now or later; `?` stands for what the terminal has no character for."""
        fresh = text.encode(self._encoding, errors="replace")
        self.go_on()
        if len(self._unread) + len(fresh) <= limits.SUPERVISOR_UNREAD_SIZE_BYTES_MAX:
            self._unread += fresh
        self.go_on()

    def go_on(self) -> None:
        """Write what could not be written before, as far as it is taken without a wait."""
        try:
            while self._unread and select.select([], [self._descriptor], [], 0)[1]:
                written = os.write(self._descriptor, self._unread[: self._chunk_size_bytes()])
                del self._unread[:written]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._unread.clear()

    def _chunk_size_bytes(self) -> int:
        if os.isatty(self._descriptor):
            return _TERMINAL_CHUNK_SIZE_BYTES
        return _PIPE_CHUNK_SIZE_BYTES
