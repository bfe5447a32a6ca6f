"""What the agent asks of its own process: to be the only one in its directory, and enough files."""

import fcntl
import os
import resource
from pathlib import Path

from seawall.errors import ConflictError


def only_one(path: Path) -> int:
    """Lock `path`; the lock lasts until the returned descriptor is closed, or the process ends.

    Raises:
        ConflictError: another process holds it.
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConflictError(
            "agent-already-running",
            f"Another agent works on {path.parent}.",
            remedy="Stop it first, or choose another data directory.",
        ) from error
    return descriptor


def raise_file_limit() -> None:
    """Envoy inherits the limit: a connection needs a descriptor or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return
