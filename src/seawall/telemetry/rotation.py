"""Rotation of the access records: total size bounded, nothing lost while Envoy runs.

The current file is renamed to `.1` (older ones move up, the oldest goes), then Envoy is asked to
reopen it; until it does, it goes on writing to the renamed file. When the disk is nearly full the
rotated files go first, oldest first: serving needs no records. Only file operations live here;
`collector` decides when, and tells Envoy.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from seawall.limits import (
    ACCESS_LOG_DISK_FREE_BYTES_MIN,
    ACCESS_LOG_FILE_SIZE_BYTES_MAX,
    ACCESS_LOG_FILES_MAX,
)


def due(current: Path) -> bool:
    """Whether the current file is large enough to be rotated."""
    try:
        return current.stat().st_size >= ACCESS_LOG_FILE_SIZE_BYTES_MAX
    except OSError:
        return False


def rotate(current: Path) -> None:
    """Move every file one number up; the oldest is overwritten.

    Raises:
        OSError: a rename failed; the files that moved before it stay moved, none is lost.
    """
    for number in range(ACCESS_LOG_FILES_MAX - 1, 0, -1):
        source = _numbered(current, number - 1)
        with suppress(FileNotFoundError):
            source.replace(_numbered(current, number))


def free_bytes(directory: Path) -> int | None:
    """Bytes that may still be written to the file system of `directory`; None when unknown."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None


def make_room(current: Path) -> int:
    """Remove rotated files, oldest first, until enough disk is free; how many were removed."""
    removed = 0
    for number in range(ACCESS_LOG_FILES_MAX - 1, 0, -1):
        free = free_bytes(current.parent)
        if free is None or free >= ACCESS_LOG_DISK_FREE_BYTES_MIN:
            break
        with suppress(FileNotFoundError):
            _numbered(current, number).unlink()
            removed += 1
    return removed


def _numbered(current: Path, number: int) -> Path:
    return current.with_name(f"{current.name}.{number}") if number else current
