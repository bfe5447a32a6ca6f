"""The only reads of this package: bounded, and of regular files only.

A pipe or a device cannot hold the program. Apart from `collect`, so that control, which reads files
but no YAML, does not hold a YAML parser in memory.
"""

import os
import stat
from typing import Final

from seawall import limits

_REFERENCED_SIZE_BYTES_MAX: Final = max(
    limits.REFERENCED_FILE_SIZE_BYTES_MAX, limits.LIST_SIZE_BYTES_MAX
)


def read_file(path: str) -> bytes:
    """A file that the site file names; the reader to give to `load`.

    Reads one byte more than allowed, so that `load` can tell a file that is too large.

    Raises:
        OSError: missing, unreadable, or not a regular file.
    """
    return read_bounded(path, _REFERENCED_SIZE_BYTES_MAX + 1)


def file_mode(path: str) -> int:
    """Permission bits of a file.

    Raises:
        OSError: it cannot be looked at.
    """
    return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116 - paths are text in this package


def read_bounded(path: str, size_max: int) -> bytes:
    """At most `size_max` bytes of a regular file.

    Raises:
        OSError: missing, unreadable, or not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a regular file", path)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(size_max)
    finally:
        os.close(descriptor)
