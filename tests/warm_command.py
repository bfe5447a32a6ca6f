"""`seawall` commands, each in a process of its own that is forked from one with warm libraries.

A command spends nearly all of its processor time on imports. `run` is `subprocess.run` without
them: the process that forks has loaded what commands load and has done nothing else. What is
forked has its own arguments, directory, environment, standard streams and exit code, and ends as
any Python does. `test_warm_command.py` proves that no command needs the company of another to load.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final, NoReturn

LIBRARIES: Final = ("http.client", "pydantic", "rich.table", "ssl", "typer._adapters")
COMMANDS: Final = (
    *("bots", "change", "fleet", "hands", "jobs", "local", "look", "main", "own", "ranges"),
    *("reference", "run", "shadow", "tokens", "watch"),
)
_REQUEST_SIZE_BYTES: Final = 256 * 1024
_FORK_TIMEOUT_S: Final = 60.0
_STREAMS: Final = 3
_FDS: Final = _STREAMS + 1
_PID_SIZE_BYTES: Final = 64


def run(
    arguments: Sequence[str], *, timeout_s: float, cwd: Path | None, env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `seawall ARGUMENTS` to its end.

    Raises:
        subprocess.TimeoutExpired: it was killed for it.
    """
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(Path(os.devnull).open("rb"))
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(ours)
        with theirs:
            request = json.dumps([list(arguments), str(cwd or Path.cwd()), dict(env)]).encode()
            fds = (nothing.fileno(), out.fileno(), err.fileno(), theirs.fileno())
            _hand_over(request, fds)
        code = _ended(ours, timeout_s)
        if code is None:
            raise subprocess.TimeoutExpired(["seawall", *arguments], timeout_s)
        return subprocess.CompletedProcess(["seawall", *arguments], code, _text(out), _text(err))


def _hand_over(request: bytes, fds: Sequence[int]) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    assert _parent().sendmsg([request], rights) == len(request)


def _ended(line: socket.socket, timeout_s: float) -> int | None:
    """The exit code, or None for a process that took too long and was killed."""
    line.settimeout(_FORK_TIMEOUT_S)
    pid = int(line.recv(_PID_SIZE_BYTES))
    line.settimeout(timeout_s)
    try:
        return int(line.recv(_PID_SIZE_BYTES))
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        return None


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


_STARTING: Final = threading.Lock()


def _parent() -> socket.socket:
    with _STARTING:
        return _started()


@cache
def _started() -> socket.socket:
    """Start the process that forks; it ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def main() -> None:
    """Fork for each request; the forked one becomes the command."""
    line = socket.socket(fileno=int(sys.argv[1]))
    for name in (*LIBRARIES, *(f"seawall.cli.{name}" for name in COMMANDS)):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready in select.select([line, *running], [], [])[0]:
            if ready is not line:
                _tell_end(ready, *running.pop(ready))
                continue
            request, fds, _, _ = socket.recv_fds(line, _REQUEST_SIZE_BYTES, _FDS)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                line.close()
                _become(*json.loads(request), fds)
            for fd in fds[:_STREAMS]:
                os.close(fd)
            os.write(fds[_STREAMS], str(pid).encode())
            running[os.pidfd_open(pid)] = pid, fds[_STREAMS]


def _tell_end(pidfd: int, pid: int, line: int) -> None:
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(line, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(line)
    os.close(pidfd)


def _become(arguments: list[str], cwd: str, env: dict[str, str], fds: Sequence[int]) -> NoReturn:
    for number, fd in enumerate(fds[:_STREAMS]):
        os.dup2(fd, number)
    os.closerange(_STREAMS, 256)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["seawall", *arguments]
    from seawall.cli.main import main as seawall  # noqa: PLC0415 - not what `run` needs

    try:
        seawall()
    except SystemExit as end:
        if threading.active_count() > 1 or not isinstance(end.code, int):
            raise
        # Taking the libraries down in good order would write to every page that is shared.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(end.code)
    raise AssertionError("the command ended without an exit code")


if __name__ == "__main__":
    main()
