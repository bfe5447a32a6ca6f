"""`seawall` commands, each in a process of its own that is forked from one with warm libraries.

A command spends nearly all of its processor time on imports, and so does a workbench that is asked
once. `run` is `subprocess.run` without them: the process that forks has loaded what commands load
and has done nothing else. What is forked has its own arguments, directory, environment, standard
streams and exit code. `test_warm_command.py` proves that no command needs the company of another to
load.
"""

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

from seawall.testing import forked

LIBRARIES: Final = ("http.client", "pydantic", "rich.table", "ssl", "typer._adapters")
COMMANDS: Final = (
    *("bots", "change", "fleet", "hands", "jobs", "local", "look", "main", "own", "ranges"),
    *("reference", "run", "shadow", "tokens", "watch"),
)
WORKBENCHES: Final = (forked.WORKBENCH, "seawall.drill.workbench")
_WARM: Final = (*LIBRARIES, *(f"seawall.cli.{name}" for name in COMMANDS), *WORKBENCHES)
_REQUEST_SIZE_BYTES: Final = 256 * 1024
_CODE_SIZE_BYTES: Final = 64
_STREAMS: Final = 3
_FILES: Final = 256
"""More than the process that forks has open."""


def run(
    arguments: Sequence[str], *, timeout_s: float, cwd: Path | None, env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `seawall ARGUMENTS` to its end.

    Raises:
        subprocess.TimeoutExpired: it was killed for it.
    """
    command = ["seawall", *arguments]
    request = ["seawall.cli.main", [*arguments], str(cwd or Path.cwd()), dict(env)]
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(Path(os.devnull).open("rb"))
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        line = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        line.settimeout(timeout_s)
        try:
            line.connect("\0" + address())
            streams = [nothing.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(line, [json.dumps(request).encode()], streams)
            code = int(line.recv(_CODE_SIZE_BYTES))
        except TimeoutError:  # it is killed as nobody waits for it
            raise subprocess.TimeoutExpired(command, timeout_s) from None
        return subprocess.CompletedProcess(command, code, _text(out), _text(err))


def offer_workbench() -> str:
    """The program that is a workbench with warm libraries; see `seawall.testing.forked`."""
    os.environ[forked.ADDRESS] = address()
    return forked.__name__


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


_STARTING: Final = threading.Lock()


def address() -> str:
    """Of the process that forks, which is started for the first who asks."""
    with _STARTING:
        return _started()


@cache
def _started() -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")  # Linux chooses a name
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(process.communicate)  # the end of its input ends it
        return bytes(listener.getsockname()).decode().removeprefix("\0")


class Forks:
    """The process that forks.

    Args:
        listener: where requests come in; a line that is closed again ends what was forked for it.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: dict[int, tuple[int, socket.socket]] = {}
        self._lines: dict[socket.socket, int] = {}

    def serve(self) -> None:
        """Fork for each request until the end of standard input."""
        while True:
            ready = select.select([0, self._listener, *self._running, *self._lines], [], [])[0]
            if 0 in ready:
                break
            for each in ready:
                if each is self._listener:
                    self._fork()
                elif each in self._running:
                    self._tell_end(each)
                elif each in self._lines:
                    os.kill(self._lines.pop(each), signal.SIGKILL)
        for pid, _ in self._running.values():
            os.kill(pid, signal.SIGKILL)

    def _fork(self) -> None:
        line, _ = self._listener.accept()
        request, fds, _, _ = socket.recv_fds(line, _REQUEST_SIZE_BYTES, _STREAMS)
        if len(fds) == _STREAMS:
            pid = os.fork()
            if pid == 0:
                _become(*json.loads(request), fds)
            self._running[os.pidfd_open(pid)] = pid, line
            self._lines[line] = pid
        for fd in fds:
            os.close(fd)

    def _tell_end(self, pidfd: int) -> None:
        pid, line = self._running.pop(pidfd)
        self._lines.pop(line, None)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            line.send(str(os.waitstatus_to_exitcode(status)).encode())
        line.close()
        os.close(pidfd)


def _become(
    program: str, arguments: list[str], cwd: str, env: dict[str, str], fds: Sequence[int]
) -> NoReturn:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    os.closerange(_STREAMS, _FILES)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["seawall", *arguments]
    try:
        importlib.import_module(program).main()
        code = 0
    except SystemExit as end:
        if threading.active_count() > 1 or not isinstance(end.code, int):
            raise
        code = end.code
    # Taking the libraries down in good order would write to every page that is shared.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def main() -> None:
    """Load everything, then fork."""
    for name in _WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    Forks(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
