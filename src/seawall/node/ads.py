"""The delta-ADS server: carries messages between Envoy processes and their sessions, no more.

One Unix socket, private to its owner, serves every Envoy of this node; the slot in the node id in
the first request of a stream says which session speaks. What is sent, and when, is decided by
`xds.session`; a request that cannot be read ends its stream (Envoy opens a new one in 0.1 s) and
never the server.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from google.protobuf.message import DecodeError

from seawall.clock import Clock
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.heap import give_back
from seawall.limits import (
    COMMIT_TIMEOUT_S,
    MIB,
    XDS_HEAL_TIMEOUT_S,
    XDS_MESSAGE_SIZE_BYTES_MAX,
)
from seawall.node.bootstrap import slot_in
from seawall.node.tickets import Tickets
from seawall.node.xds.messages import Effect, Rejected, Request, Response, Settled
from seawall.node.xds.session import Session
from seawall.socket_watch import listen_again
from seawall.sockets import SOCKET_MODE, claim, inode, short_path
from seawall.tasks import Background

_LOG: Final = structlog.stdlib.get_logger("seawall.node")
SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD: Final = "DeltaAggregatedResources"
_TICKETS_FILE: Final = "tickets.json"
_TICKETS_POLL_S: Final = 60.0
_STOP_GRACE_S: Final = 0.2
_LARGE_BYTES: Final = MIB
"""After sending more than this the memory it took is given back."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a commit ended: settled, refused by Envoy, or not answered in time.

    Attributes:
        settled: Envoy acknowledged everything.
        rejected: what it refused; the session has turned back by itself.
        waiting: what it had not acknowledged when the time was over.
    """

    settled: bool
    rejected: tuple[Rejected, ...] = ()
    waiting: tuple[tuple[TypeUrl, str], ...] = ()


class Link:
    """One Envoy process's session, its open stream, and whoever waits for a commit.

    Args:
        clock: for the session.
        dress: adds to every snapshot what the node keeps for all its Envoys.
    """

    def __init__(
        self, clock: Clock, dress: Callable[[Snapshot], Snapshot] = lambda plain: plain
    ) -> None:
        self.session = Session()
        self._clock = clock
        self._dress = dress
        self._outbox: deque[Response] = deque()
        self._send = asyncio.Event()
        self._moved = asyncio.Condition()
        self._stream = 0
        self._told: set[int] = set()
        self._rejected: list[Rejected] = []

    async def commit(
        self, snapshot: Snapshot, *, proven: bool = False, timeout_s: float = COMMIT_TIMEOUT_S
    ) -> Outcome:
        """Make `snapshot` the target and wait until Envoy has taken or refused it.

        After a refusal the session heals Envoy; that is waited for too, for a bounded time.

        Raises:
            RefusedError: the snapshot has an empty set that would empty Envoy.
        """
        dressed = self._dress(snapshot)
        serial = self.session.aim(dressed, self._clock.monotonic_s(), proven=proven)
        self._told.clear()
        self._rejected.clear()
        self._send.set()

        def answered() -> bool:
            return (
                serial in self._told
                or self.session.serial != serial  # refused, or somebody else has a newer target
                or any(r.serial == serial for r in self._rejected)
            )

        if not await self._wait(answered, timeout_s):
            return Outcome(settled=False, waiting=self.session.waiting())
        if serial in self._told:
            return Outcome(settled=True)
        await self._wait(lambda: self.session.settled or self.session.stuck, XDS_HEAL_TIMEOUT_S)
        return Outcome(settled=False, rejected=tuple(self._rejected))

    def restart(self) -> None:
        """The Envoy was stopped on purpose: forget what it held and what it should hold."""
        self._stream += 1
        self._outbox.clear()
        self.session = Session()
        self._send.set()

    def aim(self, snapshot: Snapshot) -> None:
        """Make `snapshot` the target without waiting: to undo, or before Envoy has started."""
        self.session.aim(self._dress(snapshot), self._clock.monotonic_s(), proven=True)
        self._send.set()

    def dress_anew(self) -> bool:
        """What `dress` adds has changed: tell Envoy. False while a commit is on its way."""
        if self.session.target is None:
            return True
        if not self.session.settled:
            return False
        self.aim(self.session.target)
        return True

    async def connected(self, timeout_s: float) -> bool:
        """Wait until Envoy has a stream open."""
        return await self._wait(lambda: self.session.connected, timeout_s)

    async def _wait(self, condition: Any, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(condition)
        except TimeoutError:
            return bool(condition())
        return True

    # --- One stream ----------------------------------------------------------------------------

    async def open(self) -> int:
        """A new stream takes over; its number says later whether it is still the current one."""
        self._stream += 1
        self._outbox.clear()
        self.session.opened(self._clock.monotonic_s())
        await self._tell([])
        return self._stream

    async def close(self, stream: int) -> None:
        """A stream ended; an older one changes nothing."""
        if stream == self._stream:
            self.session.disconnected()
            self._outbox.clear()
            await self._tell([])

    async def receive(self, request: Request) -> None:
        """Envoy spoke."""
        await self._tell(self.session.request(request, self._clock.monotonic_s()))

    async def responses(self, stream: int) -> tuple[Response, ...] | None:
        """Wait for what is to be sent on `stream`; None when another stream has replaced it."""
        while True:
            if stream != self._stream:
                return None
            now_s = self._clock.monotonic_s()
            await self._tell(self.session.tick(now_s))
            if self._outbox:
                batch = tuple(self._outbox)
                self._outbox.clear()
                return batch
            due_s = self.session.wakeup_s(now_s)
            try:
                async with asyncio.timeout(None if due_s is None else max(0.0, due_s - now_s)):
                    await self._send.wait()
            except TimeoutError:
                continue
            self._send.clear()

    async def _tell(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Response():
                    self._outbox.append(effect)
                case Settled(serial):
                    self._told.add(serial)
                case Rejected():
                    self._rejected.append(effect)
        if self._outbox:
            self._send.set()
        async with self._moved:
            self._moved.notify_all()


class AdsServer:
    """Serves ADS on the Unix socket `path` between `start` and `stop`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._tickets = Tickets(path.with_name(_TICKETS_FILE))
        self._background = Background(_log)
        self._links: dict[str, Link] = {}
        self._servers: list[Any] = []
        self.malformed_requests = 0

    def link(self, node_id: str) -> Link:
        """The session of the Envoy in the slot of this node id; made on first use."""
        return self._links.setdefault(slot_in(node_id), Link(self._clock, self._tickets.dress))

    def forget(self, node_id: str) -> None:
        """That Envoy is gone for good."""
        self._links.pop(slot_in(node_id), None)

    async def start(self) -> None:
        """Listen.

        Raises:
            ConflictError: another process answers on the socket.
            OSError: it cannot be bound.
        """
        self._tickets.refresh(self._clock.now_s())
        await self._listen()
        self._background.spawn(self._renew_tickets(), name="session tickets")
        kept = listen_again(self._path, inode(self._path), self._serve_anew, self._clock)
        self._background.spawn(kept, name="socket of xDS")

    async def _listen(self) -> None:
        claim(self._path)
        server = grpc.aio.server(
            options=(
                ("grpc.max_send_message_length", XDS_MESSAGE_SIZE_BYTES_MAX),
                ("grpc.max_receive_message_length", XDS_MESSAGE_SIZE_BYTES_MAX),
                ("grpc.so_reuseport", 0),
            )
        )
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
        )
        with short_path(self._path) as address:
            server.add_insecure_port(f"unix:{address}")
            self._path.chmod(SOCKET_MODE)
            await server.start()
        self._servers.append(server)

    async def _serve_anew(self) -> None:
        await self._listen()
        _LOG.info("socket-made-again", path=os.fspath(self._path))

    async def stop(self) -> None:
        """End every stream and stop listening."""
        await self._background.close()
        while self._servers:
            await self._servers.pop().stop(_STOP_GRACE_S)

    async def _renew_tickets(self) -> None:
        behind: list[Link] = []
        while True:
            await self._clock.sleep(_TICKETS_POLL_S)
            if self._tickets.refresh(self._clock.now_s()):
                behind = list(self._links.values())
            behind = [link for link in behind if not link.dress_anew()]

    async def _serve(self, _: Any, context: Any) -> None:
        first = await self._read(context)
        link = self._links.get(slot_in(first.node.id)) if first is not None else None
        if first is None or link is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unreadable or unknown node id")
            return
        stream = await link.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(_write(link, stream, context))
                message: DeltaDiscoveryRequest | None = first
                while message is not None:
                    await link.receive(_request(message))
                    message = await self._read(context)
                writer.cancel()
        finally:
            await link.close(stream)

    async def _read(self, context: Any) -> DeltaDiscoveryRequest | None:
        """The next request; None at the end of the stream or when it cannot be read."""
        raw = await context.read()
        if raw is grpc.aio.EOF:
            return None
        try:
            return DeltaDiscoveryRequest.FromString(raw)
        except DecodeError:
            self.malformed_requests += 1
            return None


def _log(task: str, error: BaseException) -> None:
    _LOG.error("task-failed", task=task, error=repr(error))


async def _write(link: Link, stream: int, context: Any) -> None:
    while (responses := await link.responses(stream)) is not None:
        written = 0
        for response in responses:
            message = _serialize(response)
            written += len(message)
            await context.write(message)
            del message
        if written > _LARGE_BYTES:
            give_back()


def _request(message: DeltaDiscoveryRequest) -> Request:
    return Request(
        type_url=message.type_url,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def _serialize(response: Response) -> bytes:
    message = DeltaDiscoveryResponse(
        type_url=response.type_url.value, nonce=response.nonce, removed_resources=response.removed
    )
    for resource in response.resources:
        entry = message.resources.add(name=resource.name, version=resource.version)
        entry.resource.type_url = resource.type_url.value
        entry.resource.value = resource.body
    return bytes(message.SerializeToString())
