"""Who reads what a supervisor says holds it up in nothing."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import wait_until
from seawall import limits
from seawall.daemon.processes import prepare_data_dir, read_run_file
from seawall.daemon.voice import Voice


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe that takes no more; writing to it waits."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


def test_what_nobody_reads_is_said_later_and_too_much_is_left_out() -> None:
    with full_pipe() as (reader, writer):
        voice = Voice(writer)
        line = "a" * 999 + "\n"
        count = limits.SUPERVISOR_UNREAD_SIZE_BYTES_MAX // len(line)
        for number in range(count + 5):
            voice.say(f"{number:03}" + line[3:])
        heard = b""
        while len(heard.lstrip(b"x")) < count * len(line):
            heard += os.read(reader, 65_536)
            voice.go_on()
        lines = heard.lstrip(b"x").decode().splitlines()
        assert [int(line[:3]) for line in lines] == [*range(count)]
        voice.say("again\n")
        assert os.read(reader, 100) == b"again\n"


def test_a_stopped_terminal_is_not_waited_for() -> None:
    master, slave = pty.openpty()
    try:
        voice = Voice(slave)
        termios.tcflow(slave, termios.TCOOFF)  # Ctrl-S
        voice.say("kept\n")
        termios.tcflow(slave, termios.TCOON)
        voice.go_on()
        assert os.read(master, 100) == b"kept\r\n"
        for _ in range(200):  # and one whose ssh session hangs
            voice.say("b" * 999 + "\n")
    finally:
        os.close(master)
        os.close(slave)


def test_a_reader_that_is_gone_is_no_error() -> None:
    with full_pipe() as (_, writer):
        voice = Voice(writer)
        voice.say("kept\n")
        reader, own = os.pipe()
        os.close(reader)
        os.dup2(own, writer)
        os.close(own)
        voice.say("lost\n")
        voice.go_on()


DEAF = "import os, signal, sys; signal.pthread_sigmask(0, signal.valid_signals()); "
"""Blocks every signal, and becomes another program."""


@pytest.mark.parametrize("how", ["full", "closed", "deaf"])
def test_parts_are_started_again_and_stopped_whoever_listens(tmp_path: Path, how: str) -> None:
    prepare_data_dir(tmp_path)
    command = [sys.executable, "-m", "seawall.daemon.roles", "--data-dir", str(tmp_path), "node"]
    if how == "closed":
        command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    if how == "deaf":
        command = [sys.executable, "-c", f"{DEAF}os.execv(sys.argv[1], sys.argv[1:])", *command]
    with full_pipe() as (_, writer):
        process = subprocess.Popen(command, stdout=writer, stderr=writer)
        try:
            for _ in range(2):
                _end_its_node(tmp_path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


def _end_its_node(data_dir: Path) -> None:
    """Kill the process that it keeps running, and wait until there is another one."""
    run_file = data_dir / "run" / "node.json"
    first = wait_until(lambda: read_run_file(run_file), what="its node runs")
    first.send(signal.SIGKILL)
    wait_until(lambda: read_run_file(run_file) not in {None, first}, what="another one runs")
