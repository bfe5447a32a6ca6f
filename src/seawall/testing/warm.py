"""Starts the parts of an edge by forks instead of cold Pythons, for the tests.

A part spends nearly all of the processor time of its start on imports. In a process that has loaded
what parts load (`tests/warm_command.py` forks such processes), `start_by_forks` makes `seawall up`
and what it starts forks: each with a process id, group, streams, arguments and exit code of its
own, as if it had been started. Envoy, and whatever is not a part, is started as ever.
"""

import atexit
import contextlib
import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, TextIO

from seawall.testing import forked

_PYTHON: Final = 3
"""Words of a command before the module: Python and two options."""
_FILES: Final = 1024
"""More than whoever forks has open."""


def start_by_forks() -> None:
    """From now on in this process, and in what it forks."""
    subprocess.Popen = Popen  # type: ignore[misc]  # - that is the point
    os.execv = _go_on_as  # type: ignore[assignment]  # - as above


def part_of(command: Sequence[str]) -> str:
    """The module of a command that starts a part of Seawall; empty for any other command."""
    named = len(command) > _PYTHON and [*command[:_PYTHON]] == [sys.executable, "-P", "-m"]
    return command[_PYTHON] if named and command[_PYTHON].startswith("seawall.") else ""


class Popen(subprocess.Popen[Any]):
    """A part is a fork of this process; beside threads, a workbench is one of a warm process."""

    def _execute_child(self, args: Any, *given: Any) -> None:
        command = [os.fspath(args)] if isinstance(args, str | os.PathLike) else [*args]
        module = part_of(command)
        if module == forked.WORKBENCH:
            command[_PYTHON], module = forked.__name__, ""
        if not module or len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - pathlib is slow
            super()._execute_child(command, *given)  # type: ignore[misc]  # - typeshed has no such names
            return
        _, _, _, pass_fds, cwd, env, _, _, _, *pipes = given[:15]
        process_group = given[-1]
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            if process_group >= 0:
                os.setpgid(0, process_group)
            streams = enumerate((pipes[0], pipes[3], pipes[5]))
            files = {number: fd for number, fd in streams if fd >= 0} | {fd: fd for fd in pass_fds}
            become(module, command[_PYTHON + 1 :], files, cwd=cwd, env=env)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # - as above


def become(
    module: str,
    arguments: Sequence[str],
    files: Mapping[int, int],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> NoReturn:
    """Be that part, and end as it ends.

    Args:
        module: its `main` is called.
        arguments: of its command.
        files: by the numbers that they shall have; standard streams that are not named stay, all
            others are closed.
        cwd: the directory to work in; None for the one here.
        env: its environment; None for the one here.
    """
    code: object = 1
    try:
        _forget_signals()
        _keep_files(files)
        _open_streams()
        if cwd is not None:
            os.chdir(cwd)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        gc.freeze()
        sys.argv = [module, *arguments]
        code = importlib.import_module(module).main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program
        traceback.print_exc()
    _end(code)


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            here = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, here)


def _keep_files(files: Mapping[int, int]) -> None:
    above = [os.dup2(fd, _FILES + place) for place, fd in enumerate(files.values())]
    for number, fd in zip(files, above, strict=True):
        os.dup2(fd, number)
    kept = sorted({0, 1, 2, *files})
    for number, following in zip(kept, [*kept[1:], _FILES + len(above)], strict=True):
        os.closerange(number + 1, following)


def _open_streams() -> None:
    """Those of before know other files: whether they can seek, and what was not written yet."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as Python at its start
    sys.stdout = _writer(1, sys.stdout, line_buffering=False)
    sys.stderr = _writer(2, sys.stderr, line_buffering=True)


def _writer(number: int, like: TextIO, *, line_buffering: bool) -> TextIO:
    return open(
        number,
        "w",
        buffering=1 if line_buffering else -1,
        encoding=like.encoding,
        errors=like.errors,
        closefd=False,
    )


def _end(code: object) -> NoReturn:
    """End without taking the libraries down: that would write to every page that is shared."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as `sys.exit` does
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as Python ends
    atexit._run_exitfuncs()  # noqa: SLF001 - as above
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit((code or 0) & 0xFF if isinstance(code, int | None) else 1)


def _go_on_as(path: str, command: Sequence[str]) -> NoReturn:
    module = part_of(command)
    if not module:
        raise FileNotFoundError(path)
    become(module, command[_PYTHON + 1 :], {})
