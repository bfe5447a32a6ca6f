"""Control processes and nodes as in life, but for Envoy: real processes, sockets and TLS."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import warm_command
from helpers import POLL_S, free_port, wait_until
from seawall.api.calls import is_running
from seawall.api.client import Client
from seawall.clock import SystemClock
from seawall.errors import SeawallError
from seawall.exchange import Address
from seawall.fleet.identity import Identity
from seawall.fleet.join import join, parse_token
from seawall.fleet.remote import FleetControl
from seawall.release.signing import load_public_key
from seawall.testing.memory_node import MemoryNode

START_S = 60.0
LEADS_S = 90.0
_KEYS = ("ca.key", "ca.pem", "signing.key")


@dataclass
class ControlProcess:
    """`python -m seawall.daemon.control` on a data directory of its own."""

    home: Path
    port: int = field(default_factory=free_port)
    database: str = ""
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *, keys_of: "ControlProcess | None" = None) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        if keys_of is not None:
            (self.home / "control").mkdir(mode=0o700)
            for name in _KEYS:
                shutil.copy2(keys_of.home / "control" / name, self.home / "control" / name)
        with (self.home / "out").open("ab") as out:
            self._process = warm_command.Popen(
                [
                    *(sys.executable, "-P", "-m", "seawall.daemon.control"),
                    *("--data-dir", self.home, "--listen-nodes", self.address),
                ],
                env={**os.environ, "SEAWALL_DATABASE": self.database},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        wait_until(self._up, what="control answers", deadline_s=START_S)

    def client(self) -> Client:
        return Client.for_data_dir(self.home)

    def leads(self) -> bool:
        with contextlib.suppress(SeawallError), self.client() as client:
            return client.nodes().leading
        return False

    def kill(self) -> None:
        """As a power cut would."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(30)

    def signal(self, signum: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
            self._process.kill()
            self._process.wait(30)

    def _up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.home / "out").read_text()[-3000:]
        return is_running(self.home)


@contextlib.contextmanager
def two_controls(home: Path, database: str) -> Iterator[tuple[ControlProcess, ControlProcess]]:
    """One that leads, and one that stands by."""
    leader = ControlProcess(home / "a", database=database)
    follower = ControlProcess(home / "b", database=database)
    with contextlib.ExitStack() as stack:
        stack.callback(leader.stop)
        stack.callback(follower.stop)
        leader.start()
        wait_until(leader.leads, what="the first leads", deadline_s=LEADS_S)
        follower.start(keys_of=leader)
        yield leader, follower


class Loop:
    """An event loop in a thread, for nodes that go on while a test waits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._tasks: list[asyncio.Task[Any]] = []
        self._closers: list[Callable[[], None]] = []

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        async def begin() -> None:
            self._tasks.append(asyncio.ensure_future(work))

        self.run(begin())

    def at_end(self, closer: Callable[[], None]) -> None:
        self._closers.append(closer)

    def close(self) -> None:
        async def end() -> list[BaseException]:
            for task in self._tasks:
                task.cancel()
            ended = await asyncio.gather(*self._tasks, return_exceptions=True)
            for closer in self._closers:
                closer()
            # Those that were closed are taken leave of, over TLS.
            while self._connected():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(POLL_S)
            return [e for e in ended if not isinstance(e, asyncio.CancelledError)]

        try:
            failures = self.run(end(), START_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(30)
            self._loop.close()
        assert not any(failures), failures

    def _connected(self) -> bool:
        """Whether a connection of this loop has a socket still; there is no public way to ask."""
        transports = self._loop._transports  # type: ignore[attr-defined]  # - said above
        return any(transport._sock is not None for transport in [*transports.values()])


@contextlib.contextmanager
def loop() -> Iterator[Loop]:
    made = Loop()
    try:
        yield made
    finally:
        made.close()


def joined(
    control: ControlProcess, home: Path, name: str, *, others: tuple[str, ...] = (), seed: int = 1
) -> FleetControl:
    """A machine that joined; the way of its agent to control."""
    with control.client() as client:
        token = client.join_token(groups=("canary",) if seed == 1 else ())
    addresses = tuple(
        Address(host, int(port))
        for host, _, port in (at.rpartition(":") for at in (control.address, *others))
    )
    identity = Identity(home / name / "identity")
    trusted = home / name / "node" / "trusted.pub"
    asyncio.run(join(identity, trusted, addresses, parse_token(token.token), name))
    return FleetControl(identity, SystemClock(), Random(seed), trusted=trusted)


def memory_node(control: FleetControl, home: Path, name: str) -> MemoryNode:
    return MemoryNode(control, load_public_key(home / name / "node" / "trusted.pub"), name=name)
