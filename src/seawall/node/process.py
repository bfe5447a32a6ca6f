"""What a process asks of the system: to be the only one of its kind in a directory, and files."""

import fcntl
import os
import resource
from pathlib import Path

from seawall.errors import ConflictError


def only_one(path: Path, code: str, words: str) -> int:
    """Lock `path`; the lock lasts until the returned descriptor is closed, or the process ends.

    Args:
        path: the file to lock; made when it is missing.
        code: of the error when another process holds it.
        words: which one that is.

    Raises:
        ConflictError: another process holds it.
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        remedy = "Stop it first, or choose another data directory."
        raise ConflictError(code, words, remedy=remedy) from error
    return descriptor


def raise_file_limit() -> None:
    """Envoy inherits the limit: a connection needs a descriptor or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return
