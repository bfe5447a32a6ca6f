"""Whether Seawall's files are still those that this process was started from.

A process holds in memory what it has loaded; what it starts later is read from disk. Files that
were replaced in between (`pip install --upgrade` under a running edge) make two versions talk.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent


class Installation:
    """The program files as they are when this is made.

    Args:
        package: their directory.
    """

    def __init__(self, package: Path = _PACKAGE) -> None:
        self._package = package
        self._began = self._state()

    def replaced(self) -> bool:
        """Whether any of them is another one now, or gone, or new."""
        return self._state() != self._began

    def _state(self) -> int:
        return hash(frozenset(_files(self._package)))


@cache
def started_from() -> Installation:
    """That of this process: the files as they were when this was first asked."""
    return Installation()


def _files(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    """Path, size in bytes and time of change of every source file; none of what cannot be read."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.name.endswith(".py"):
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns
        except OSError:  # gone since the directory was read: so it is missing in the set
            continue
