"""A real Seawall in front of the site under test: `seawall up` from a site file of a few lines."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.forward import free_port

HOST = "localhost"
_START_S, _POLL_S = 90.0, 0.1
_SITE_FILE = """\
version: 1
listen:
  https: {{address: 127.0.0.1:{port}, proxy_protocol: true}}
tls: {{development_ca: true}}
access_log:
  sample: 100%
  request_headers: [referer, accept, accept-language, sec-fetch-mode, sec-fetch-dest, cookie]
sites:
  zoo:
    hosts: [{host}, zoo.test]
    origin: http://127.0.0.1:{origin}
{more}"""
_WATCHED = "    bots: {mode: observe, probe: true}\n"
"""What is done with bots where the caller says nothing."""
_COMMAND = (sys.executable, "-P", "-m", "seawall.cli.main")


@dataclass(frozen=True)
class Edge:
    """A running edge.

    Attributes:
        port: of TLS with PROXY protocol, on 127.0.0.1.
        authority: PEM file of the authority that signed its certificate.
        access: folder of the access records.
    """

    port: int
    authority: Path
    access: Path


@contextlib.contextmanager
def running_edge(folder: Path, origin_port: int, more: str = "") -> Iterator[Edge]:
    """Run the edge until the end of the block.

    Args:
        folder: made; holds the site file, the data directory and the log.
        origin_port: where the site under test listens.
        more: further lines of the site, indented by four.

    Raises:
        RuntimeError: it did not become ready; the message holds what it said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config, data = folder / "seawall.yaml", folder / "data"
    config.write_text(
        _SITE_FILE.format(port=port, host=HOST, origin=origin_port, more=more or _WATCHED)
    )
    where = ("--data-dir", str(data))
    said = folder / "seawall.ndjson"
    with said.open("wb") as events, (folder / "seawall.log").open("wb") as log:
        up = subprocess.Popen(
            [*_COMMAND, "up", "--config", str(config), *where, "--format", "json"],
            stdout=events,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_ready(up, said, folder / "seawall.log")
        yield Edge(port, next(data.rglob("development-ca/ca.pem")), data / "access")
    finally:
        up.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            up.wait(30)
        subprocess.run([*_COMMAND, "down", *where], capture_output=True, check=False, timeout=60)


def _wait_ready(up: "subprocess.Popen[bytes]", said: Path, log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        text = said.read_text(errors="replace")
        events = [json.loads(line) for line in text.split("\n")[:-1] if line.startswith("{")]
        if any(event.get("event") == "ready" for event in events):
            return
        if up.poll() is not None or any(
            "error" in e or e.get("event") == "refused" for e in events
        ):
            break
        time.sleep(_POLL_S)
    words = said.read_text(errors="replace")[-4000:] + log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the edge did not start:\n{words}")


def records(edge: Edge) -> Iterator[bytes]:
    """All access records, oldest first, as lines."""
    found = sorted(edge.access.glob("access.ndjson.*"), key=lambda f: -int(f.suffix[1:]))
    for file in (*found, edge.access / "access.ndjson"):
        if file.exists():
            with file.open("rb") as lines:
                yield from lines
