"""`seawall` commands, each in a process of its own that is forked from one with warm libraries.

A command spends nearly all of its processor time on imports, and so do a workbench that is asked
once and each part of an edge. `run` is `subprocess.run`, and `Popen` is `subprocess.Popen`, without
them: the process that forks has loaded what commands and parts load, has compiled one edge, since
each that compiles reads the same model and tables first, and has done nothing else. What is forked
has its own arguments, directory, environment, files and exit code, and forks the parts
that it starts (`seawall.testing.warm`). `test_warm_command.py` proves that no command needs the
company of another to load.
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
from typing import IO, Any, Final

from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.site.disk import read_file
from seawall.site.load import load
from seawall.site.sources import SourceFile, SourceSet
from seawall.testing import forked, warm

LIBRARIES: Final = ("http.client", "pydantic", "rich.table", "ssl", "typer._adapters")
COMMANDS: Final = (
    *("bots", "change", "fleet", "hands", "jobs", "local", "look", "main", "own", "ranges"),
    *("reference", "run", "shadow", "tokens", "watch"),
)
PARTS: Final = ("bots", "control", "control_process", "job", "node", "ready", "roles", "up")
_WARM: Final = (
    *LIBRARIES,
    *(f"seawall.cli.{name}" for name in COMMANDS),
    *(f"seawall.daemon.{name}" for name in PARTS),
    *(forked.WORKBENCH, "seawall.drill.workbench"),
)
_REQUEST_SIZE_BYTES: Final = 256 * 1024
_FILES_MAX: Final = 8
_STREAMS: Final = 3


def run(
    arguments: Sequence[str], *, timeout_s: float, cwd: Path | None, env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `seawall ARGUMENTS` to its end.

    Raises:
        subprocess.TimeoutExpired: it was killed for it.
    """
    command = ["seawall", *arguments]
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(Path(os.devnull).open("rb"))
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        line = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        try:
            streams = dict(enumerate((nothing.fileno(), out.fileno(), err.fileno())))
            order = ("seawall.cli.main", arguments, os.fspath(cwd or Path.cwd()), env)
            forked.ask(line, address(), order, streams)
            line.settimeout(timeout_s)
            code = int(line.recv(forked.NUMBER_SIZE_BYTES))
        except TimeoutError:  # it is killed as nobody waits for it
            raise subprocess.TimeoutExpired(command, timeout_s) from None
        return subprocess.CompletedProcess(command, code, _text(out), _text(err))


class Popen(subprocess.Popen[Any]):
    """A part of Seawall, or a command, that ends with whoever started it; others start cold."""

    _line: socket.socket | None = None

    def _execute_child(self, args: Sequence[Any], *given: Any) -> None:
        command = [os.fspath(each) for each in args]
        module = warm.part_of(command)
        if not module:
            super()._execute_child(args, *given)  # type: ignore[misc]  # - not in typeshed
            return
        _, _, _, pass_fds, cwd, env, _, _, _, *pipes = given[:15]
        streams = enumerate((pipes[0], pipes[3], pipes[5]))
        files = {number: fd if fd >= 0 else number for number, fd in streams}
        files |= {fd: fd for fd in pass_fds}
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = command[command.index(module) + 1 :]
        order = (module, arguments, os.fspath(cwd or Path.cwd()), env or os.environ)
        self.pid = forked.ask(self._line, address(), order, files)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # - as above

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._line is None:
            super()._internal_poll(*given, **named)  # type: ignore[misc]  # - as above
            return self.returncode
        if self.returncode is None:
            self._try_wait(os.WNOHANG)
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """As `os.waitpid`, from whoever may call that."""
        if self._line is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc,no-any-return]  # - as above
        flags = socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0
        if self.returncode is None:
            try:
                code = self._line.recv(forked.NUMBER_SIZE_BYTES, flags)
            except BlockingIOError:
                return 0, 0
            self._line.close()
            self.returncode = int(code or -signal.SIGKILL)
        return self.pid, self.returncode

    def _handle_exitstatus(self, *given: Any, **named: Any) -> None:
        if self._line is None:
            super()._handle_exitstatus(*given, **named)  # type: ignore[misc]  # - as above


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
        request, fds, _, _ = socket.recv_fds(line, _REQUEST_SIZE_BYTES, _FILES_MAX)
        if len(fds) >= _STREAMS:
            pid = os.fork()
            if pid == 0:
                module, arguments, numbers, cwd, env = json.loads(request)
                env[forked.ADDRESS] = bytes(self._listener.getsockname()).decode().lstrip("\0")
                warm.start_by_forks()
                warm.become(
                    module, arguments, dict(zip(numbers, fds, strict=True)), cwd=cwd, env=env
                )
            line.send(str(pid).encode())
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


def main() -> None:
    """Load everything, then fork."""
    for name in _WARM:
        importlib.import_module(name)
    _compile()
    gc.collect()
    gc.freeze()
    Forks(socket.socket(fileno=int(sys.argv[1]))).serve()


def _compile() -> None:
    """Fill what whoever compiles remembers: of what comes with Seawall, and of nothing else."""
    text = (
        "version: 1\n"
        "listen: {http: 127.0.0.1:80}\n"
        'sites: {a: {hosts: [a.test], origin: "http://127.0.0.1:9"}}\n'
    )
    sources = SourceSet("seawall.yaml", (SourceFile("seawall.yaml", text.encode()),))
    loaded = load(sources, read=read_file, now_s=0.0)
    if loaded.edge is None:
        raise AssertionError(loaded.problems)
    check(compile_edge(loaded.edge))


if __name__ == "__main__":
    main()
