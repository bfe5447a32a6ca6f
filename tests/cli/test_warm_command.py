"""A forked command is what a started one is, and no command needs what another one has loaded."""

import contextlib
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seawall.cli
import warm_command
from seawall.api import frames
from seawall_process import COMMAND

_EACH = """
import importlib, os, sys
for name in {libraries}:
    importlib.import_module(name)
failed = []
for name in {modules}:
    pid = os.fork()
    if pid == 0:
        importlib.import_module(name)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        failed.append(name)
print(*failed)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("no-such-command",), 2),
        (("status", "--data-dir", "nowhere"), 3),
        (("status", "--data-dir", "nowhere", "--format", "json"), 3),
        (("check", "--config", "broken.yaml"), 1),
    ],
)
def test_it_says_and_ends_as_a_started_one(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    (tmp_path / "broken.yaml").write_text("version: 1\nsites: 7\n")
    cold = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    warm = warm_command.run(arguments, timeout_s=60, cwd=tmp_path, env=os.environ)
    assert (warm.returncode, warm.stdout, warm.stderr) == (code, cold.stdout, cold.stderr)
    assert cold.returncode == code


@pytest.mark.parametrize(
    ("module", "arguments", "code"),
    [
        ("seawall.cli.main", ("up", "--config", "nowhere.yaml"), 2),
        ("seawall.daemon.up", ("--help",), 0),
        ("seawall.daemon.control", ("--data-dir", "/dev/null/x"), 1),
    ],
)
def test_a_part_says_and_ends_as_a_started_one(
    tmp_path: Path, module: str, arguments: tuple[str, ...], code: int
) -> None:
    said = []
    for kind in (subprocess.Popen, warm_command.Popen):
        with kind(
            [sys.executable, "-P", "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
        ) as process:
            out, _ = process.communicate(timeout=60)
            said.append((process.returncode, out))
    assert said[0] == said[1]
    assert said[0][0] == code


def test_a_part_that_is_killed_is_gone_at_once(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", "seawall.daemon.bots", "--data-dir", str(tmp_path)]
    command += ["--parent-fd", str(read_end)]
    with warm_command.Popen(command, pass_fds=[read_end]) as part:
        os.close(read_end)
        assert part.poll() is None
        part.kill()
        assert part.wait(60) == -signal.SIGKILL
        assert not Path(f"/proc/{part.pid}").exists()
    os.close(write_end)


def test_it_has_its_own_environment_and_shows_where_it_failed(tmp_path: Path) -> None:
    def told(**more: str) -> "subprocess.CompletedProcess[str]":
        arguments = ("init", "--origin", "http://no\udcfftext", "-o", "-")
        return warm_command.run(arguments, timeout_s=60, cwd=tmp_path, env={**os.environ, **more})

    assert told(SEAWALL_TRACEBACK="1").returncode == 1
    assert "Traceback" in told(SEAWALL_TRACEBACK="1").stderr
    assert told().returncode == 2
    assert "no-text" in told().stderr


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    arguments = ("status", "--data-dir", ".")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "control.sock"))
        silent.listen()
        with pytest.raises(subprocess.TimeoutExpired):
            warm_command.run(arguments, timeout_s=2.0, cwd=tmp_path, env=os.environ)
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(60)
            while connection.recv(1024):
                pass  # what it asked, and then its end


def test_every_module_of_the_commands_loads_before_all_others() -> None:
    modules = [f"seawall.cli.{found.name}" for found in pkgutil.iter_modules(seawall.cli.__path__)]
    assert {f"seawall.cli.{name}" for name in warm_command.COMMANDS} <= {*modules}
    code = _EACH.format(libraries=warm_command.LIBRARIES, modules=modules)
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [], ran.stderr


@contextlib.contextmanager
def workbench(home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    program = warm_command.offer_workbench()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", program, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield process


def test_a_workbench_that_is_killed_is_gone(tmp_path: Path) -> None:
    with workbench(tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.writelines(frames.framed(("collect", (tmp_path / "none.yaml",), {})))
        process.stdin.flush()
        answer = frames.read(process.stdout)
        assert answer is not None
        assert answer[0] == "refused"
        process.kill()
        assert process.stdout.read() == b"", "who could write there has ended"
        assert process.wait(60) == -signal.SIGKILL


def test_a_workbench_without_work_ends_as_a_started_one(tmp_path: Path) -> None:
    with workbench(tmp_path) as process:
        assert process.communicate(timeout=60)[0] == b""
        assert process.returncode == 0
