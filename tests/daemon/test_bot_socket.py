"""The bot service is found again when somebody takes its socket away."""

import os
import socket
import sys
from pathlib import Path

import warm_command
from helpers import wait_until
from seawall.sockets import short_path


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client, short_path(path) as address:
            client.settimeout(5.0)
            client.connect(address)
            client.sendall(b"GET /internal/counts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_its_socket_is_made_again(tmp_path: Path) -> None:
    for folder in ("node", "logs"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "node" / "bots.sock"
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", "seawall.daemon.bots", "--data-dir", os.fspath(tmp_path)]
    command += ["--parent-fd", str(read_end)]
    with warm_command.Popen(command, pass_fds=(read_end,)) as service:
        try:
            wait_until(lambda: _answers(path), what="it answers", deadline_s=60.0)
            path.unlink()
            wait_until(lambda: _answers(path), what="it answers again")
            assert path.stat().st_mode & 0o777 == 0o600
        finally:
            os.close(write_end)  # as when its agent has ended
            os.close(read_end)
            service.wait(20)
