"""Rotation of the access records: total size bounded, nothing lost while Envoy runs.

The current file is renamed to `.1` (older ones move up, the oldest goes), then Envoy is asked to
reopen it; until it does, it goes on writing to the renamed file. When the disk is nearly full the
rotated files go first, oldest first: serving needs no records. Only file operations live here;
`collector` decides when, and tells Envoy.
"""

import errno
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from seawall.files import write_error
from seawall.limits import (
    ACCESS_LOG_DISK_FREE_BYTES_MIN,
    ACCESS_LOG_DISK_FULL_BYTES,
    ACCESS_LOG_FILE_SIZE_BYTES_MAX,
    ACCESS_LOG_FILES_MAX,
    MIB,
)

Identity: TypeAlias = tuple[int, int]
"""Tells a file from another one of the same name: its device and inode."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def due(current: Path) -> bool:
    """Whether the current file is large enough to be rotated."""
    try:
        return current.stat().st_size >= ACCESS_LOG_FILE_SIZE_BYTES_MAX
    except OSError:
        return False


def identity(current: Path) -> Identity | None:
    """Which file the current one is; None when there is none."""
    try:
        status = current.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def replaced(current: Path, opened: Identity | None) -> bool:
    """Whether Envoy may write to another file than the current one.

    Args:
        current: where it was told to write.
        opened: what was there when it was last asked to open it.
    """
    now = identity(current)
    return now != opened if now is not None else current.parent.is_dir()


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


def disk_notice(directory: Path, *, removed: int) -> str:
    """What is wrong with the disk of `directory`, for people; empty when nothing is.

    Args:
        directory: of the access records.
        removed: so many files were given up just now.
    """
    free, error = free_bytes(directory), write_error(directory, b"\n")
    if isinstance(error, FileNotFoundError):  # there is no such directory before the first Envoy
        error = None
    lost = (
        "access records and logs are lost, and a new release may be refused. Traffic is still "
        "served"
    )
    if error is not None and error.errno not in _FULL:
        return (
            f"The disk of {directory} cannot be written ({error.strerror or error}): {lost}. "
            "Look in the kernel's log for the reason, and make it writable again."
        )
    if error is not None or (free is not None and free < ACCESS_LOG_DISK_FULL_BYTES):
        return f"The disk of {directory} is full: {lost}. Free some space there."
    if removed or (free is not None and free < ACCESS_LOG_DISK_FREE_BYTES_MIN):
        return (
            f"The disk of {directory} is nearly full: {(free or 0) // MIB} MiB free. Old access "
            "records are deleted. Traffic is still served."
        )
    return ""


def make_room(current: Path) -> int:
    """Remove rotated files, oldest first, until enough disk is free; how many were removed."""
    removed = 0
    for number in range(ACCESS_LOG_FILES_MAX - 1, 0, -1):
        free = free_bytes(current.parent)
        if free is None or free >= ACCESS_LOG_DISK_FREE_BYTES_MIN:
            break
        with suppress(OSError):  # it is not there, or the disk is read-only
            _numbered(current, number).unlink()
            removed += 1
    return removed


def _numbered(current: Path, number: int) -> Path:
    return current.with_name(f"{current.name}.{number}") if number else current
