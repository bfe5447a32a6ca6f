"""Control's HTTP face on a real Unix socket (and TCP), with everything behind it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from helpers import free_port
from seawall.clock import SystemClock
from seawall.daemon.control import Ways
from seawall.daemon.control_http import HttpControl
from seawall.daemon.control_process import running
from seawall.release.signing import load_public_key
from seawall.sockets import short_path
from seawall.testing.memory_node import MemoryNode

START_TIMEOUT_S = 30.0


@dataclass
class Served:
    """A running control and its node, in a thread of their own."""

    data_dir: Path
    node: MemoryNode
    tcp_port: int

    @property
    def socket(self) -> Path:
        return self.data_dir / "control.sock"

    def http(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://control", timeout=20)

    def raw(self, sent: bytes, *, timeout_s: float = 20.0) -> bytes:
        """Everything the server answers to `sent` until it closes."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            with short_path(self.socket) as address:
                connection.connect(address)
            connection.sendall(sent)
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
            return answer


@contextmanager
def served(data_dir: Path, *, tcp: bool = False) -> Iterator[Served]:
    """Run control in a thread until the block ends."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    port = free_port() if tcp else 0
    ready = threading.Event()
    found: list[Served] = []
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failures: list[BaseException] = []

    async def main() -> None:
        stop = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stop))
        api = f"127.0.0.1:{port}" if tcp else ""
        async with running(data_dir, None, SystemClock(), ways=Ways(api=api)) as control:
            port_of_node = HttpControl(data_dir / "control.sock")
            control.start()
            key = load_public_key(data_dir / "control" / "signing.pub")
            node = MemoryNode(port_of_node, key)
            following = asyncio.ensure_future(node.run())
            found.append(Served(data_dir, node, port))
            ready.set()
            await stop.wait()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(START_TIMEOUT_S), "control did not start"
        assert not failures, failures
        yield found[0]
    finally:
        if stops:
            loop, stop = stops[0]
            loop.call_soon_threadsafe(stop.set)
        thread.join(START_TIMEOUT_S)
        assert not thread.is_alive(), "control did not stop"
    assert not failures, failures
