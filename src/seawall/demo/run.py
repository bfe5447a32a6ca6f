"""`seawall demo`: the website, the supervisor in front of it, and what to try next.

The demo's state is its own and is made anew at every start; nothing outside its folder is touched.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from seawall.console.output import Output, joined, styled
from seawall.console.words import argument, duration
from seawall.daemon.ports import Address, holder
from seawall.daemon.probe import probe
from seawall.daemon.processes import stop_signals
from seawall.daemon.stop import running, stop
from seawall.demo.website import free_port, running_website
from seawall.errors import ConflictError, RefusedError, UnreachableError

_LOOPBACK: Final = "127.0.0.1"
_PORTS: Final = {"http": 8080, "https": 8443}
_POLL_S: Final = 0.2
_LINE_SIZE_BYTES_MAX: Final = 1 << 20
_MARK: Final = "made by seawall demo\n"

_SITE_FILE: Final = """\
# The site file of the demo; change it while the demo runs, then: seawall apply
version: 1
listen:
  http: {http}
  https: {https}
tls:
  development_ca: true        # certificates of a CA that lives in the demo's data directory
sites:
  demo:
    hosts: ["localhost", "{loopback}", "*"]
    origin: {origin}
    routes:
      - {{name: api, prefix: /api, class: api, timeout: 5s}}
      - {{name: events, path: /events}}
      - {{name: echo, path: /echo, websocket: true}}
      - {{name: download, path: /download}}
"""


def run_demo(output: Output, home: Path) -> int:
    """Run until Ctrl-C; returns the exit code.

    Raises:
        ConflictError: the folder holds something that is not a demo.
        UnreachableError: a request does not pass through the edge.
    """
    state = _fresh(home)
    addresses = {kind: _address(output, kind) for kind in _PORTS}
    with running_website() as port:
        config = home / "seawall.yaml"
        config.write_text(
            _SITE_FILE.format(
                http=addresses["http"],
                https=addresses["https"],
                loopback=_LOOPBACK,
                origin=f"http://{_LOOPBACK}:{port}",
            )
        )
        output.show(styled(f"A demo website runs at http://{_LOOPBACK}:{port}/", "dim"))
        with _supervisor(config, state) as up:
            for event in _events(up):
                if event.get("event") == "ready":
                    _prove(event)
                    _welcome(output, config, state, addresses, event)
                elif event.get("event") == "refused" or "error" in event:
                    error = event.get("error", event)
                    output.error(error["message"], code=error["code"], do=error["remedy"])
                elif event.get("event") not in {"stopped", "note"}:
                    output.show(styled(event.get("message", ""), "dim"))
            return up.wait()


@contextmanager
def _supervisor(config: Path, state: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """`seawall up` in a process group of its own; our stop signals are passed on to it."""
    command = [
        *(sys.executable, "-P", "-m", "seawall.daemon.up", "--format", "json"),
        *("--config", os.fspath(config), "--data-dir", os.fspath(state)),
    ]
    # Without a buffer: `select` tells nothing of a second line that was read with the first.
    up = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0, process_group=0
    )

    def pass_on(_signum: int, _frame: FrameType | None) -> None:
        up.terminate()

    before = {signum: signal.signal(signum, pass_on) for signum in stop_signals()}
    try:
        with up:
            try:
                yield up
            except BaseException:
                up.terminate()
                raise
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _events(up: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    """What the supervisor says, one object a line, until it ends."""
    stream: IO[bytes] | None = up.stdout
    while stream is not None:
        readable, _, _ = select.select([stream], [], [], _POLL_S)
        if not readable:
            if up.poll() is not None:
                return
            continue
        line = stream.readline(_LINE_SIZE_BYTES_MAX)
        if not line:
            return
        yield json.loads(line)


def _prove(event: dict[str, Any]) -> None:
    """Send a request over every kind of listener.

    Raises:
        UnreachableError: one of them did not pass.
    """
    for url in event["urls"]:
        try:
            status = probe(url, event["listeners"])
        except OSError as error:
            raise UnreachableError(
                "no-answer", f"{url} does not answer: {error}.", remedy="See the logs."
            ) from error
        if status != 200:  # noqa: PLR2004 - the demo's page answers 200
            raise RefusedError("bad-answer", f"{url} answered {status} instead of 200.")


def _welcome(
    output: Output,
    config: Path,
    state: Path,
    addresses: dict[str, Address],
    event: dict[str, Any],
) -> None:
    seawall = argument(Path(sys.argv[0]))
    where = f"--data-dir {argument(state)}"
    file = argument(config)
    url = f"http://{_LOOPBACK}:{addresses['http'].port}/"
    secure = f"https://localhost:{addresses['https'].port}/"
    output.show(
        joined(
            styled(f"\nSeawall serves after {duration(event['took_s'])}", "bold green"),
            styled(", and a request passed over HTTP and HTTPS:\n"),
        ),
        joined(styled("  "), styled(url, "bold")),
        joined(styled("  "), styled(secure, "bold"), styled("  (a development certificate)")),
        styled("\nTry next, in another terminal:\n", "bold"),
        styled("1. See what serves:"),
        styled(f"     {seawall} status {where}"),
        styled("2. Change the edge while the page is open; nothing on it drops:"),
        styled(f"     sed -i 's/timeout: 5s/timeout: 10s/' {file}"),
        styled(f"     {seawall} apply --config {file} {where} -m 'a longer timeout'"),
        styled("3. Ask for the story of one request:"),
        styled(
            f'     {seawall} why {where} "$(curl -si {url}api/fail'
            " | tr -d '\\r' | sed -n 's/^x-request-id: //p')\""
        ),
        styled("\nCtrl-C stops all of it.", "dim"),
    )


def _address(output: Output, kind: str) -> Address:
    wanted = Address(kind, _LOOPBACK, _PORTS[kind])
    found = holder(wanted)
    if found is None:
        return wanted
    other = Address(kind, _LOOPBACK, free_port())
    output.show(
        styled(f"Port {wanted.port} is taken by {found}: {kind} uses {other.port}.", "yellow")
    )
    return other


def _fresh(home: Path) -> Path:
    """The demo's folder with an empty state; returns the data directory in it.

    Raises:
        ConflictError: the folder holds something else, or a demo runs there.
    """
    mark, state = home / ".seawall-demo", home / "state"
    if home.exists() and any(home.iterdir()) and not mark.exists():
        raise ConflictError(
            "not-a-demo",
            f"{home} contains files that do not belong to the demo.",
            remedy="Choose an empty or new folder with --data-dir.",
        )
    former = running(state)
    if former is not None and former.name == "Seawall":
        raise ConflictError(
            "already-running",
            f"A demo already runs on {home} (process {former.processes[0].pid}).",
            remedy="Stop it with Ctrl-C, or choose another folder with --data-dir.",
        )
    if former is not None:
        stop(former)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.write_text(_MARK)
    shutil.rmtree(state, ignore_errors=True)
    return state
