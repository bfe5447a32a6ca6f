"""A copy in memory that stands in for a data directory on a disk that takes no new files.

A disk that has become read-only, or has no inode left, takes no socket and no database. What is
needed to serve, and to decide, is small: it is copied to a file system in memory, and everything
works there as it would have on the disk, until the machine or the operator ends it. Standard
library only: the supervisor imports this file.
"""

import errno
import hashlib
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.daemon.processes import envoys, read_run_file
from seawall.errors import UnreachableError

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of our own in it, owner checked
_SUFFIX_BYTES: Final = 8
_ORIGINAL: Final = "copy-of"
"""Names the directory that was copied."""
_LEFT_OUT: Final = shutil.ignore_patterns(
    "access", "logs", "run", "reports", "*.sock", "*.map", "*.log", "*.log.1", "*-shm", "reserve"
)
_SERVED: Final = ("node/state.json", "control/seawall.db")


def served(data_dir: Path) -> bool:
    """Whether something was served, or decided, from a data directory before."""
    return any((data_dir / name).exists() for name in _SERVED)


def place_of(data_dir: Path) -> Path:
    """Where a data directory is worked in now: itself, or the copy that something runs on."""
    place = _place(data_dir)
    if not _is_own(place):
        return data_dir
    works = read_run_file(place / "run" / "up.json") is not None or bool(envoys(place))
    return place if works else data_dir


def original_of(place: Path) -> str:
    """Of which data directory `place` is a copy; empty when it is none.

    Nor is one that somebody has moved to a disk: it is a data directory from then on.
    """
    with suppress(OSError, ValueError):
        original = (place / _ORIGINAL).read_text()
        return original if _place(Path(original)) == place else ""
    return ""


def copy(data_dir: Path) -> Path:
    """Copy what is needed of a data directory into memory, anew unless an Envoy works there.

    Raises:
        UnreachableError: it is too large, or there is no room for it.
    """
    place = _place(data_dir)
    if envoys(place):
        return place
    if _is_others(place):
        place = place.with_name(f"{place.name}-{os.urandom(_SUFFIX_BYTES).hex()}")
    try:
        _copy(data_dir, place)
    except (OSError, shutil.Error) as error:
        raise UnreachableError(
            "data-dir-not-written",
            f"The data directory {data_dir} accepts no new files, and cannot be copied to "
            f"{place}: {error}.",
            remedy="Make the disk writable again; or copy the directory to another disk "
            "(`cp -a`), and start with `--data-dir` of the copy.",
        ) from error
    return place


def remove(place: Path) -> None:
    """Take a copy away when it ends: there are keys in it."""
    if original_of(place):
        shutil.rmtree(place, ignore_errors=True)


def _copy(data_dir: Path, place: Path) -> None:
    if _size_bytes(data_dir) > limits.STAND_IN_SIZE_BYTES_MAX:
        raise OSError(errno.EFBIG, "it is too large for that")
    if _is_own(place):
        shutil.rmtree(place)
    place.mkdir(mode=0o700)
    shutil.copytree(data_dir, place, symlinks=True, ignore=_LEFT_OUT, dirs_exist_ok=True)
    (place / _ORIGINAL).write_text(os.fspath(data_dir))


def _is_own(place: Path) -> bool:
    """Whether it is a directory of this user: anybody can make something of that name."""
    with suppress(OSError):
        found = place.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return False


def _is_others(place: Path) -> bool:
    return os.path.lexists(place) and not _is_own(place)


def _place(data_dir: Path) -> Path:
    """The one name; or another that begins so, where somebody else has taken it."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(data_dir))).hexdigest()[:16]
    place = _MEMORY / f"seawall-{os.geteuid()}-{name}"
    if not _is_others(place):
        return place
    return next(filter(_is_own, sorted(_MEMORY.glob(f"{place.name}-*"))), place)


def _size_bytes(data_dir: Path) -> int:
    total = 0
    for folder, folders, files in os.walk(data_dir):
        left_out = _LEFT_OUT(folder, [*folders, *files])
        folders[:] = [name for name in folders if name not in left_out]
        with suppress(FileNotFoundError):
            total += sum(
                os.lstat(Path(folder, name)).st_size for name in files if name not in left_out
            )
    return total
