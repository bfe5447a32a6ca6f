"""Small files that are either the old or the new one after any crash, and private unless said.

Raises plain `OSError`: what a full or read-only disk means is decided by whoever keeps the file.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
PUBLIC_FILE_MODE: Final = 0o644

Writer = Callable[[Path, bytes], None]
"""Replaces a file whole; tests inject one that fails."""


def private_directory(path: Path) -> None:
    """Make `path` and its parents, for the owner alone.

    Raises:
        OSError: it cannot be made.
    """
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)


def write_atomic(path: Path, content: bytes, *, mode: int = FILE_MODE) -> None:
    """Replace `path` by `content`, durable when this returns; nobody ever sees a part of it.

    Raises:
        OSError: the disk is full, read-only, or failing; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        try:
            if mode != FILE_MODE:
                os.fchmod(descriptor, mode)
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def read_bounded(path: Path, size_bytes_max: int) -> bytes:
    """The content of `path`.

    Raises:
        OSError: it cannot be read, or holds more than `size_bytes_max` bytes.
    """
    with path.open("rb") as file:
        content = file.read(size_bytes_max + 1)
    if len(content) > size_bytes_max:
        raise OSError(f"{path} is larger than {size_bytes_max} bytes")
    return content


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
