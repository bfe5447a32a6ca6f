"""Room on the disk that is kept for a store whose disk becomes full.

A store in SQLite cannot even be read without a file beside it that it makes anew, and a rollback
has to be written down. So a file of nothing is kept beside the store. It is given back to the disk
when the store fails for want of space, and is made again when there is room.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.limits import (
    STORE_RESERVE_ROOM_BYTES_MIN,
    STORE_RESERVE_SIZE_BYTES,
    STORE_RESERVE_SIZE_BYTES_MIN,
)

_FILE: Final = "reserve"
_MODE: Final = 0o600
SIZES_BYTES: Final = (
    STORE_RESERVE_SIZE_BYTES,
    STORE_RESERVE_SIZE_BYTES // 4,
    STORE_RESERVE_SIZE_BYTES_MIN,
)
"""The first of these that fits is taken."""


class Reserve:
    """The room kept beside the store at `store`."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(_FILE)

    @property
    def kept(self) -> bool:
        """Whether there is something to give."""
        return self._path.exists()

    def keep(self) -> None:
        """Take the room, or what there is of it, unless it is taken already."""
        if self.kept:
            return
        for size_bytes in SIZES_BYTES:
            try:
                self._take(size_bytes)
            except OSError:
                self.give()  # a part of it would only look like one
            else:
                return

    def keep_of_plenty(self) -> None:
        """The same, where it is not the last room there is: somebody may need that now."""
        with suppress(OSError):
            found = os.statvfs(self._path.parent)
            if found.f_bavail * found.f_frsize >= STORE_RESERVE_ROOM_BYTES_MIN:
                self.keep()

    def give(self) -> bool:
        """Give it back to the disk; whether there was any."""
        with suppress(OSError):
            self._path.unlink()
            return True
        return False

    def _take(self, size_bytes: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        finally:
            os.close(descriptor)
