"""Control and a node as people run them, each with a directory that stands for its machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import warm_command
from helpers import free_port, wait_until
from seawall.api.client import Client
from seawall.errors import SeawallError

DEADLINE_S = 60.0


def seawall(*arguments: object, code: int = 0) -> str:
    ran = warm_command.run([*map(str, arguments)], timeout_s=DEADLINE_S, cwd=None, env=os.environ)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout if code == 0 else ran.stdout + ran.stderr


@contextlib.contextmanager
def staying(home: Path, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """A command that runs until it is stopped."""
    command = [sys.executable, "-P", "-m", "seawall.cli.main", *map(str, arguments)]
    with (home / "out").open("a") as out:
        process = warm_command.Popen(command, stdout=out, stderr=out, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()


class Machines:
    """Two directories that stand for two machines."""

    def __init__(self, home: Path) -> None:
        self.control = home / "control"
        self.node = home / "node"
        self.home = home
        self.nodes_port = free_port()
        self.http_port = free_port()

    def run_control(self) -> "contextlib.AbstractContextManager[subprocess.Popen[str]]":
        address = f"127.0.0.1:{self.nodes_port}"
        return staying(self.home, "control", "--data-dir", self.control, "--listen-nodes", address)

    def line(self, *options: str) -> list[str]:
        """What `token join` says to type on the node."""
        printed = seawall("token", "join", "--data-dir", self.control, *options).strip()
        words = printed.split()
        assert words[:2] == ["seawall", "node"], printed
        return [str(self.node) if word == "DIR" else word for word in words[1:]]

    def nodes(self) -> list[dict[str, Any]]:
        shown = seawall("nodes", "list", "--data-dir", self.control, "--format", "json")
        found: list[dict[str, Any]] = json.loads(shown)["nodes"]
        return found

    def connected(self) -> tuple[bool, ...]:
        """Whether control hears each of its nodes, asked without a process of its own."""
        with contextlib.suppress(SeawallError), Client.for_data_dir(self.control) as client:
            return tuple(bool(node.connected) for node in client.nodes().nodes)
        return ()

    def wait_control(self) -> None:
        wait_until((self.control / "control.sock").exists, what="control", deadline_s=DEADLINE_S)

    def wait_connected(self) -> None:
        wait_until(lambda: any(self.connected()), what="the node is heard", deadline_s=DEADLINE_S)

    def site(self, text: str) -> Path:
        path = self.home / "seawall.yaml"
        path.write_text(
            f"""version: 1
listen: {{http: 127.0.0.1:{self.http_port}}}
rollout: {{steps: [], waves: [], bake: 1s}}
sites:
  shop:
    hosts: ["*"]
    origin: http://127.0.0.1:9
    routes: [{{name: all, prefix: /, respond: {{status: 200, body: "{text}"}}}}]
"""
        )
        return path

    def answer(self) -> str:
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{self.http_port}/"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        return ""
