"""A nodes' port on a real TLS socket, with a control behind it that the test holds in its hands."""

import asyncio
import contextlib
import http.server
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from clocks import AheadClock
from helpers import free_port
from release import made
from seawall.api.fleet import FleetDesk, Heard
from seawall.api.fleet_views import JoinTokenRequest
from seawall.errors import NotFoundError, UnreachableError
from seawall.exchange import Address
from seawall.fleet.answerer import Answerer
from seawall.fleet.identity import Identity
from seawall.fleet.join import join, parse_token
from seawall.fleet.mirrors import parse_mirror
from seawall.fleet.port import PortParts, nodes_port
from seawall.fleet.remote import FleetControl
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.store import Store
from seawall.rollout.ports import Assignment, EnvoyState, NodeReport, Phase
from seawall.telemetry.window import Window

DIGEST = Digest("ab" * 32)
Result = TypeVar("Result")


@dataclass
class Lead:
    leading: bool = True
    leader: str = ""
    trouble: str = ""
    age_s: float = 0.0


class Hand:
    """Control as the test wants it."""

    def __init__(self) -> None:
        self.assigned: Assignment | None = None
        self.bundles: dict[Digest, bytes] = {}
        self.bundle_reads = 0
        self.store_away = False
        self.reports: list[NodeReport] = []
        self.changed = asyncio.Event()
        self.nudges = 0
        self.polled = asyncio.Event()

    def assign(self, generation: int, digest: Digest = DIGEST) -> None:
        self.assigned = Assignment(Generation(generation), ReleaseId("r1"), digest, 15.0)
        self.changed.set()

    async def assignment(
        self,
        node: NodeName,  # noqa: ARG002 - every node runs the same here
        known: Generation,
        wait_s: float,
    ) -> Assignment | None:
        nudges = self.nudges
        self.polled.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self.assigned is None or self.assigned.generation <= known:
                    self.changed.clear()
                    await self.changed.wait()
                    if self.nudges != nudges:
                        return None
                return self.assigned
        return None

    def nudge(self, node: NodeName) -> None:  # noqa: ARG002 - every poll ends here
        self.nudges += 1
        self.changed.set()

    async def bundle(self, digest: Digest) -> bytes:
        self.bundle_reads += 1
        if self.store_away:
            raise UnreachableError("store-unreachable", "PostgreSQL does not answer.")
        if digest not in self.bundles:
            raise NotFoundError("digest-unknown", "There is no such release.")
        return self.bundles[digest]

    async def report(self, report: NodeReport) -> None:
        self.reports.append(report)

    async def forget(self, name: NodeName) -> bool:
        before, self.reports = self.reports, [r for r in self.reports if r.node != name]
        return len(self.reports) < len(before)


@dataclass
class Town:
    """A nodes' port that listens."""

    home: Path
    port: int
    store: Store
    hand: Hand
    desk: FleetDesk
    lead: Lead
    clock: AheadClock
    said: list[tuple[str, str]] = field(default_factory=list)
    _controls: list[FleetControl] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    async def token(self, name: str = "", groups: tuple[str, ...] = (), ttl_s: float = 60) -> str:
        view = await self.desk.join_token(JoinTokenRequest(name, groups, ttl_s), actor="ada")
        return view.token

    def identity(self, name: str) -> Identity:
        return Identity(self.home / name / "identity")

    async def join(
        self, name: str, *, token: str = "", groups: tuple[str, ...] = (), where: str = ""
    ) -> Identity:
        identity = self.identity(where or name)
        text = token or await self.token(groups=groups)
        await join(identity, self.trusted(where or name), (self.address,), parse_token(text), name)
        return identity

    def trusted(self, name: str) -> Path:
        return self.home / name / "node" / "trusted.pub"

    def control(
        self,
        name: str,
        *,
        mirrors: tuple[str, ...] = (),
        seed: int = 1,
        clock: AheadClock | None = None,
        answerer: Answerer | None = None,
    ) -> FleetControl:
        """How a node asks; `live` closes its connections."""
        control = FleetControl(
            self.identity(name),
            clock or self.clock,
            Random(seed),
            trusted=self.trusted(name),
            mirrors=tuple(parse_mirror(url) for url in mirrors),
            answerer=answerer,
            tell=lambda event, text: self.said.append((event, text)),
        )
        self._controls.append(control)
        return control

    def leave(self) -> None:
        """Close every connection of its nodes."""
        for control in self._controls:
            control.close()


@contextlib.asynccontextmanager
async def town(
    home: Path,
    *,
    port: int = 0,
    hand: Hand | None = None,
    store: Store | None = None,
    clock: AheadClock | None = None,
) -> AsyncIterator[Town]:
    """Listen until the block ends; call it again on the same `home` for a restart."""
    clock, hand, lead = clock or AheadClock(), hand or Hand(), Lead()
    said: list[tuple[str, str]] = []
    errors: list[BaseException] = []
    port = port or free_port()
    with contextlib.ExitStack() as stack:
        store = store or stack.enter_context(Store(home / "seawall.db", clock=clock))
        parts = PortParts(
            home=home / "control",
            listen=f"127.0.0.1:{port}",
            advertise="",
            store=store,
            control=hand,
            signing_key=made.key().public,
            heard=lambda name: next(
                (Heard(r, connected=True) for r in reversed(hand.reports) if r.node == name), None
            ),
            lead=lead,
            age_s=lambda: lead.age_s,
            forget=hand.forget,
            reachable=lambda _name: True,
            nudge=hand.nudge,
            clock=clock,
            rng=Random(7),
            log=lambda event, text: said.append((event, text)),
            log_error=lambda _where, error: errors.append(error),
        )
        async with nodes_port(parts) as desk:
            yield Town(home, port, store, hand, desk, lead, clock, said)
    assert not errors, errors


async def refusal_of_report(here: Town) -> str | None:
    control = here.control("edge-1")
    try:
        await control.report(report("edge-1"))
    except UnreachableError as error:
        return error.message
    finally:
        control.close()
    return None


def live(home: Path, story: Callable[[Town], Awaitable[Result]], *names: str) -> Result:
    """What a story comes to in a town that nodes of these names have joined."""

    async def told() -> Result:
        async with town(home) as here:
            for name in names:
                await here.join(name)
            try:
                return await story(here)
            finally:
                here.leave()

    return asyncio.run(told())


def report(node: str, *windows: Window, generation: int = 1, message: str = "") -> NodeReport:
    return NodeReport(
        node=NodeName(node),
        generation=Generation(generation),
        release=ReleaseId("r1"),
        digest=DIGEST,
        phase=Phase.GOOD,
        message=message,
        envoy=EnvoyState(1, "1.40.0", 1.0, 0, live=True, memory_bytes=1),
        windows=windows,
    )


def window(node: str, start_s: float, *, generation: int = 1, slot: str = "stable") -> Window:
    return Window(
        NodeName(node), slot, ReleaseId("r1"), Generation(generation), start_s, duration_s=1.0
    )


@contextlib.contextmanager
def mirror(
    files: dict[str, bytes], *, answers: threading.Event | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A plain HTTP server that has `files` by path; its URL, and the paths it was asked for.

    Args:
        answers: it says nothing until this is set.
    """
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if answers is not None:
                answers.wait(30)
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked may have gone
                self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            if answers is not None:
                answers.set()
            server.shutdown()
            thread.join()
