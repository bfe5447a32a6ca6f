"""Who a process id belongs to, and the run files that say who runs a data directory.

A process id alone proves nothing: the kernel gives it to somebody else later. Here a process is
always a pair of its id and its start time in kernel ticks, so that nothing of ours ever signals a
stranger. Standard library only: the supervisor imports this file and little else.
"""

import errno
import fcntl
import json
import os
import pwd
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seawall import limits
from seawall.errors import ConflictError, UnreachableError, UsageError
from seawall.procfs import START_TIME_FIELD, executable_name, stat_fields, working_in

PRIVATE_DIRECTORY_MODE: Final = 0o700
LEAVE: Final = signal.SIGUSR1
"""Tells a supervisor to end and let Envoy serve on. One that knows nothing of it dies of it, which
comes to the same."""
START_BROKE: Final = 70
"""Exit code of what tells of a start and met a defect of its own: that says nothing of the edge."""
_SIGNS: Final = ("run/up.lock", "control", "node", "identity")
"""Each of them tells a data directory, also one that was restored from a backup."""
_NO_SIGN: Final = frozenset({"run", "logs", "lost+found"})
"""What a start that failed early leaves, and what a new disk holds."""
_PRIVATE_FILE_MODE: Final = 0o600
_RUN_FILE_SIZE_BYTES_MAX: Final = 4096
_LOGIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?")
"""A name that sudo gives, also one of a domain."""
_ENVOY: Final = "envoy"
"""The name of its executable."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine, told apart from any later owner of the same id."""

    pid: int
    start_ticks: int

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return start_ticks(self.pid) == self.start_ticks

    def send(self, signum: signal.Signals) -> None:
        """Signal it, if it is still the same process."""
        if self.alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signum)


def start_ticks(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = stat_fields(pid)
    except OSError:
        return None
    if len(fields) <= START_TIME_FIELD or fields[0] in {"Z", "X"}:
        return None
    return int(fields[START_TIME_FIELD])


def write_run_file(path: Path, pid: int, ends: int = 0, words: str = "") -> None:
    """Say in `path` that `pid` runs; replaced in one step, mode 0600.

    Args:
        path: of the run file.
        pid: of the process; one that is gone is told as none.
        ends: how often in a row it has ended soon after it was started.
        words: its last ones, when it ended.
    """
    words = words[: limits.LAST_WORDS_LENGTH_CHARS_MAX]
    record = {"pid": pid, "start_ticks": start_ticks(pid), "ends": ends, "words": words}
    fresh = path.with_suffix(".new")
    descriptor = os.open(
        fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE_FILE_MODE
    )
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(record, file, ensure_ascii=False)  # six bytes for a character at most
    fresh.replace(path)


class RunFile:
    """The run file of one process, written again and again until it could be.

    Nothing depends on it that cannot wait: it tells others whom to ask to stop.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pid: int | None = None
        self._ends = 0
        self._words = ""

    def tell(self, pid: int, ends: int = 0, words: str = "") -> OSError | None:
        """As `write_run_file`; why that cannot be said yet."""
        self._pid, self._ends, self._words = pid, ends, words
        return self.tell_again()

    def tell_again(self) -> OSError | None:
        """Say what could not be said before."""
        if self._pid is None:
            return None
        try:
            write_run_file(self._path, self._pid, self._ends, self._words)
        except OSError as error:
            return error
        self._pid = None
        return None

    def remove(self) -> None:
        """Say that nothing runs; what cannot be removed names a process that is gone."""
        self._pid = None
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_run_file(path: Path) -> Process | None:
    """The live process a run file names; None when there is none or the file is no record."""
    try:
        record = _record(path)
        process = Process(int(record["pid"]), int(record["start_ticks"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return process if process.alive() else None


def hardly_starts(data_dir: Path, waited_s: float) -> bool:
    """Whether control is late, or ends again and again: its next start will hardly be another."""
    return waited_s > limits.CONTROL_START_TIMEOUT_S or keeps_ending(data_dir, "control")


def keeps_ending(data_dir: Path, name: str) -> bool:
    """Whether the child `name` of a supervisor ends again and again soon after its start."""
    ends = _told(data_dir, name, "ends")
    return isinstance(ends, int) and ends >= limits.CHILD_ENDS_MAX


def last_words(data_dir: Path, name: str) -> str:
    """What the child `name` of a supervisor said last when it ended, while it is not well again."""
    words = _told(data_dir, name, "words")
    return words if isinstance(words, str) else ""


def _told(data_dir: Path, name: str, key: str) -> Any:
    """What the run file of a child says; None when it is not there or no record."""
    try:
        return _record(data_dir / "run" / f"{name}.json")[key]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _record(path: Path) -> Any:
    with path.open("rb") as file:
        return json.loads(file.read(_RUN_FILE_SIZE_BYTES_MAX))


def envoys(data_dir: Path) -> tuple[Process, ...]:
    """The live Envoys of a data directory, the one that serves first.

    There are two for a while after a release that needed a new process. One whose file could not
    be written, on a full disk, is known by where it works.
    """
    files = [data_dir / "node" / "stable" / "envoy.json"]
    files += sorted((data_dir / "node").glob("*/envoy.json"))
    found = [read_run_file(file) for file in files] + [*_at_work_in(data_dir / "node")]
    return tuple(dict.fromkeys(process for process in found if process is not None))


def _at_work_in(node: Path) -> Iterator[Process]:
    if not node.is_dir():
        return
    places = {os.path.realpath(place) for place in node.glob("*") if place.is_dir()}
    for pid in working_in(places):
        with suppress(OSError):  # it ended
            if executable_name(pid) == _ENVOY and (ticks := start_ticks(pid)) is not None:
                yield Process(pid, ticks)


def user_name() -> str:
    """The login name of whoever runs this process, or its number when it has no name.

    By sudo it is the person who asked: all of them work as the service's one user.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    person = os.environ.get("SUDO_USER", "")
    return f"{person} (as {name})" if _LOGIN.fullmatch(person) and person != name else name


def stop_signals() -> tuple[signal.Signals, ...]:
    """What ends a supervisor: Ctrl-C, SIGTERM, and a closed terminal, unless under nohup."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    hang_up = () if ignored else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hang_up)


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data directory and its private folders.

    Raises:
        UsageError: it cannot be made or written, belongs to somebody else, or is one of other
            things: making that private would shut out whoever else needs it.
    """
    try:
        if (other := _foreign(data_dir)) is not None:
            raise UsageError(
                "data-dir-not-empty",
                f"The directory {data_dir} is not a Seawall data directory: it contains {other}.",
                remedy="Choose a new or empty directory with --data-dir.",
            )
        for folder in (data_dir, data_dir / "run", data_dir / "logs"):
            folder.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
        status = data_dir.stat()
        if status.st_uid == os.geteuid() and status.st_mode & 0o777 != PRIVATE_DIRECTORY_MODE:
            data_dir.chmod(PRIVATE_DIRECTORY_MODE)
    except OSError as error:
        raise UsageError(
            "data-dir-unusable",
            f"The data directory {data_dir} cannot be used: {error.strerror}.",
            remedy="Choose a directory that you own with --data-dir.",
        ) from error
    if status.st_uid != os.geteuid():
        raise UsageError(
            "data-dir-not-yours",
            f"The data directory {data_dir} belongs to another user (uid {status.st_uid}).",
            remedy="Run as that user, or choose another directory with --data-dir.",
        )


def _foreign(data_dir: Path) -> str | None:
    """Something in a directory that is there, and has no sign of Seawall."""
    if not data_dir.is_dir() or any((data_dir / sign).exists() for sign in _SIGNS):
        return None
    return next((one.name for one in data_dir.iterdir() if one.name not in _NO_SIGN), None)


@contextmanager
def writing(data_dir: Path) -> Iterator[None]:
    """Around what must be written into the data directory before anything else can be done.

    Raises:
        UnreachableError: it cannot: the disk is full, mostly.
    """
    try:
        yield
    except OSError as error:
        raise UnreachableError(
            "data-dir-not-written",
            f"The data directory {data_dir} cannot be written: {error.strerror or error}.",
            remedy="Free some space there, or make it writable, and start again.",
        ) from error


def no_process(error: OSError) -> UnreachableError:
    """Why nothing can be started."""
    return UnreachableError(
        "not-started",
        f"The machine cannot start another process: {error.strerror}.",
        remedy="Free some memory or raise the process limit of this user (`ulimit -u`), then start "
        "again.",
    )


def lock_data_dir(data_dir: Path) -> int:
    """Become the one supervisor of `data_dir`; returns the descriptor that holds the lock.

    The kernel drops the lock when this process ends, however it ends.

    Raises:
        ConflictError: another supervisor holds it.
    """
    path = data_dir / "run" / "up.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE_MODE)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # it can be locked all the same
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        owner = read_run_file(data_dir / "run" / "up.json")
        who = f"process {owner.pid}" if owner else "another process"
        raise ConflictError(
            "already-running",
            f"Seawall already runs on {data_dir} ({who}).",
            remedy="Use `seawall apply` to change it, or stop it first with Ctrl-C or "
            + (f"`kill {owner.pid}`." if owner else "SIGTERM."),
        ) from error
    return descriptor
