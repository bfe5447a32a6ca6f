"""Unix sockets that are private, and that work whatever the path of the data directory is.

A socket address holds 107 bytes of path (`unix(7)`, `sun_path`), and gRPC takes text only, in which
it reads `%41` as `A`; a data directory may be deeper, and the bytes of its name need be no text in
this locale, or in any.
`short_path` reaches such a socket through `/proc/self/fd`, so nothing moves and nothing is linked.
`claim` and `listen_private` remove a socket file that a dead process left behind, and never one
that somebody still answers on: two owners of one socket would each see half of the requests.
"""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from seawall.errors import ConflictError

SOCKET_MODE: Final = 0o600
"""Only the owner may connect: whoever can, controls the edge."""
_PATH_SIZE_BYTES_MAX: Final = 100
"""Under the 107 of the address, so that a temporary suffix still fits."""
_WAITING_MAX: Final = 128
"""Connections that nobody has taken yet; one more waits until one is."""
_PROBE_TIMEOUT_S: Final = 1.0
"""A live owner accepts in microseconds; a hung one still counts as an owner."""


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for the socket `path` that fits every socket address, valid inside the `with` block.

    A connection made or a socket bound inside the block stays good after it.

    Raises:
        OSError: the directory of a long path cannot be opened.
    """
    plain = os.fspath(path)
    if plain.isascii() and "%" not in plain and len(plain) <= _PATH_SIZE_BYTES_MAX:
        yield plain
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def claim(path: Path) -> None:
    """Make `path` free to bind: remove a socket file nobody answers on.

    Raises:
        ConflictError: another process answers there, or it is not a socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConflictError(
            "socket-path-taken",
            f"{path} exists and is not a socket.",
            remedy="Move the file away, or choose another data directory.",
        )
    if _answers(path):
        raise ConflictError(
            "socket-in-use",
            f"Another process is already listening on {path}.",
            remedy="Stop that process first, or choose another data directory.",
        )
    with suppress(FileNotFoundError):
        path.unlink()


def inode(path: Path) -> int:
    """What names the file at `path`; 0 when there is none."""
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def listen_private(path: Path) -> socket.socket:
    """A listening stream socket at `path`, mode 0600; replaces a socket file nobody answers on.

    Raises:
        ConflictError: somebody answers there already.
        OSError: the directory is missing or not writable.
    """
    claim(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # On Linux the mode of an unbound socket becomes the mode of its file: it is never wider.
        os.fchmod(listener.fileno(), SOCKET_MODE)
        with short_path(path) as address:
            listener.bind(address)
        path.chmod(SOCKET_MODE)
        listener.listen(_WAITING_MAX)
    except BaseException:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, short_path(path) as address:
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (TimeoutError, BlockingIOError):
            return True
    return True
