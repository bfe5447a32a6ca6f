"""A real `seawall up` in a directory of its own, and the `seawall` command beside it.

    with running_website() as origin, seawall_up(tmp_path, origin) as edge:
        assert edge.run("status").returncode == 0

Leaving the block stops it like Ctrl-C does; whatever is left then is killed, so that a failing test
leaves nothing behind either.
"""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import warm_command
from helpers import free_port, wait_until
from seawall.api.client import Client
from seawall.api.status_views import StatusView
from seawall.daemon.processes import Process, read_run_file
from seawall.daemon.standin import place_of
from seawall.errors import NotFoundError, SeawallError

START_DEADLINE_S: Final = 60.0
STOP_DEADLINE_S: Final = 40.0
COMMAND: Final = (sys.executable, "-P", "-m", "seawall.cli.main")
PARTS: Final = {
    "up": "run/up.json",
    "control": "run/control.json",
    "node": "run/node.json",
    "envoy": "node/stable/envoy.json",
}


def site_file(port: int, origin: str, *, more: str = "") -> str:
    """The smallest useful site file; `more` are lines of the site `demo`.

    The steps of a rollout are short: a test does not wait for the evidence of its few requests. So
    is the bake: a feed waits for that of the release before it.
    """
    return (
        "version: 1\n"
        f"listen: {{http: 127.0.0.1:{port}}}\n"
        "sites:\n"
        "  demo:\n"
        '    hosts: ["*"]\n'
        f'    origin: "{origin}"\n'
        + more
        + "rollout: {steps: [{share: 10%, soak: 0s, deadline: 2s}], bake: 1s}\n"
    )


def seawall(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; with `env` in a Python that is started with it."""
    if env is None:
        return warm_command.run(
            arguments, timeout_s=START_DEADLINE_S, cwd=cwd, env={**os.environ, "NO_COLOR": ""}
        )
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=START_DEADLINE_S,
        check=False,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "", **env},
    )


@dataclass
class Edge:
    """One `seawall up`; `events` are the JSON objects it has written so far, `api` is HOST:PORT."""

    directory: Path
    port: int
    origin: str
    process: "subprocess.Popen[str]"
    reader: threading.Thread = field(init=False)
    events: list[dict[str, Any]] = field(default_factory=list)
    api: str = ""

    @property
    def config(self) -> Path:
        return self.directory / "seawall.yaml"

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def where(self) -> tuple[str, ...]:
        return ("--config", str(self.config), "--data-dir", str(self.data_dir))

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command beside the running edge."""
        return seawall(*arguments, *self.where, cwd=self.directory)

    def agent(self) -> int:
        """Process id of the agent that control has heard; 0 while that is not known."""
        seen = self.status()
        return seen.nodes[0].agent_pid if seen is not None and seen.nodes else 0

    def client(self) -> Client:
        """To look, as commands do, without starting a process each time."""
        return Client.for_data_dir(place_of(self.data_dir))

    def status(self) -> StatusView | None:
        """What `status` would show; None while nobody answers."""
        with contextlib.suppress(SeawallError), self.client() as client:
            return client.status()
        return None

    def newest(self) -> str:
        """Of its releases."""
        with self.client() as client:
            return client.releases(limit=1).releases[0].id

    def notices(self) -> list[str]:
        """What `status` warns of."""
        with self.client() as client:
            return [notice.text for notice in client.status().notices]

    def wait_for_record(self, request_id: str) -> Mapping[str, object]:
        """The record of a request that was made, once it can be told about."""

        def written() -> Mapping[str, object]:
            with contextlib.suppress(NotFoundError), self.client() as client:
                return client.why(request_id).record
            return {}

        return wait_until(written, what=f"the record of {request_id}")

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one JSON object that a command answers with."""
        done = self.run(*arguments, "--format", "json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def write(self, *, more: str = "", text: str | None = None) -> None:
        """Change the site file."""
        self.config.write_text(text or site_file(self.port, self.origin, more=more))

    def get(self, path: str = "/api/time") -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()

    def part(self, name: str) -> Process | None:
        """A live process of this edge: `up`, `control`, `node` or `envoy`."""
        return read_run_file(self.data_dir / PARTS[name])

    def pid(self, name: str) -> int:
        """Its process id, once it runs."""
        found = wait_until(lambda: self.part(name), what=f"{name} runs", deadline_s=30)
        assert found is not None
        return found.pid

    def event(self, name: str) -> dict[str, Any]:
        """An event of that name, waited for."""

        def found() -> dict[str, Any] | None:
            # Looked at first: what it wrote before it ended is there then.
            all_read = not self.reader.is_alive()
            event = next((e for e in self.events if e.get("event") == name), None)
            return self._fail(name) if event is None and all_read else event

        event = wait_until(found, what=f"event {name}", deadline_s=START_DEADLINE_S)
        assert event is not None
        return event

    def error(self) -> dict[str, Any]:
        """Why it gave up, waited for."""
        found: dict[str, Any] | None = wait_until(
            lambda: next((e["error"] for e in self.events if "error" in e), None),
            what="it says why",
        )
        assert found is not None
        return found

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_DEADLINE_S)

    def kill(self, name: str) -> None:
        """SIGKILL to one part, and wait until it is gone."""
        found = self.part(name)
        assert found is not None, f"{name} does not run"
        found.send(signal.SIGKILL)
        if name == "up":
            self.process.wait(STOP_DEADLINE_S)
        wait_until(lambda: not found.alive(), what=f"{name} is gone")

    def _fail(self, name: str) -> dict[str, Any]:
        raise AssertionError(f"seawall up ended without {name}: {self.events}\n{self._logs()}")

    def _logs(self) -> str:
        logs = sorted((self.data_dir / "logs").glob("*"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in logs)


@contextlib.contextmanager
def seawall_up(
    directory: Path,
    origin: str,
    *,
    port: int = 0,
    text: str | None = None,
    ready: bool = True,
    api: str = "",
    options: tuple[str, ...] = (),
    cold: bool = False,
) -> Iterator[Edge]:
    """Write a site file (unless there is one) and run `seawall up` on it, with the API at `api`.

    Its parts are forks with warm libraries, unless it is `cold`: for tests that know a part by its
    command line, or run other sources.
    """
    port = port or free_port()
    config = directory / "seawall.yaml"
    if text is not None or not config.exists():
        config.write_text(text if text is not None else site_file(port, origin))
    kind = subprocess.Popen if cold else warm_command.Popen
    process = kind(
        [
            *(*COMMAND, "up", "--config", str(config), "--data-dir", str(directory / "data")),
            *("--concurrency", "1", "--format", "json", *(("--api", api) if api else ())),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
    )
    edge = Edge(directory, port, origin, process, api=api)
    edge.reader = threading.Thread(target=_read, args=(edge,), daemon=True)
    edge.reader.start()
    try:
        if ready:
            edge.event("ready")
        yield edge
    finally:
        _end(edge)
        edge.reader.join(STOP_DEADLINE_S)
        assert process.stdout is not None
        process.stdout.close()


def _read(edge: Edge) -> None:
    assert edge.process.stdout is not None
    for line in edge.process.stdout:
        try:
            edge.events.append(json.loads(line))
        except ValueError:
            edge.events.append({"event": "garbage", "line": line})


def _end(edge: Edge) -> None:
    if edge.process.poll() is None:
        edge.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            edge.process.wait(STOP_DEADLINE_S)
    if edge.process.poll() is None:
        edge.process.kill()
        edge.process.wait()
    for name in PARTS:
        if found := edge.part(name):
            found.send(signal.SIGKILL)
