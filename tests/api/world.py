"""A control process in this event loop, with a node that is honest but has no Envoy."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import warm_command
from helpers import POLL_S, free_port
from seawall.api.asked import Caller
from seawall.api.rollouts import Rollouts
from seawall.api.service import Service
from seawall.api.views import Applied, ApplyEvent, Refused
from seawall.clock import Clock, SystemClock
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.daemon.assembly import Control
from seawall.ids import NodeName, ReleaseId
from seawall.release.signing import load_public_key
from seawall.rollout.ports import ControlPort, Nack
from seawall.site.sources import SourceFile, SourceSet
from seawall.telemetry.window import Window
from seawall.testing.memory_node import MemoryNode, Refuse, accept

ANN = Caller("ann", local=True)
DEADLINE_S = 60.0
TURNS = 20
"""Of the event loop, in which a condition is looked at each time."""


def site_text(port: int, *, timeout: str = "15s", extra: str = "") -> str:
    """One site with two routes."""
    return f"""version: 1
listen: {{http: 127.0.0.1:{port}}}
sites:
  shop:
    hosts: [shop.example.com]
    origin: http://127.0.0.1:9
    routes:
      - {{name: api, prefix: /api, class: api, timeout: {timeout}}}
{extra}"""


def sources(text: str, path: str = "/etc/seawall/seawall.yaml") -> SourceSet:
    return SourceSet(path, (SourceFile(path, text.encode()),))


@dataclass
class World:
    """Control and its node."""

    control: Control
    node: MemoryNode
    data_dir: Path
    port: int
    errors: list[BaseException] = field(default_factory=list)

    @property
    def service(self) -> Service:
        return self.control.service

    @property
    def current(self) -> str:
        """What every node shall run."""
        target = self.control.executor.fleet.target
        return target.release if target else ""

    @property
    def held(self) -> bool:
        running = self.control.executor.fleet.running
        return running is not None and running.held is not None

    @property
    def step(self) -> int:
        """Of the canary that runs; 0 when none does."""
        running = self.control.executor.fleet.running
        return running.step if running is not None and running.share_permille else 0

    def text(self, **changes: str) -> str:
        return site_text(self.port, **changes)

    async def apply(self, text: str | SourceSet, **options: object) -> Applied | Refused:
        given = sources(text) if isinstance(text, str) else text
        events = self.service.apply(given, caller=ANN, **options)  # type: ignore[arg-type]  # - passed on
        return await last(events)

    async def rollback(self, release: str | None = None, **options: object) -> Applied | Refused:
        return await last(self.service.rollback(release, caller=ANN, **options))  # type: ignore[arg-type]  # - passed on

    async def applied(self, text: str | SourceSet, **options: object) -> Applied:
        outcome = await self.apply(text, **options)
        assert isinstance(outcome, Applied), outcome
        return outcome

    async def refused(self, text: str | SourceSet, **options: object) -> Refused:
        outcome = await self.apply(text, **options)
        assert isinstance(outcome, Refused), outcome
        return outcome


Story = Callable[[World], Awaitable[None]]


async def last(events: AsyncIterator[ApplyEvent]) -> Applied | Refused:
    seen = [event async for event in events]
    assert isinstance(seen[-1], Applied | Refused)
    return seen[-1]


@asynccontextmanager
async def world(
    data_dir: Path,
    *,
    clock: Clock | None = None,
    refuse: Refuse = accept,
    port: int = 0,
    config: Path | None = None,
    node_of: Callable[[Service], ControlPort] = lambda service: service,
    with_node: bool = True,
    trials: bool = False,
) -> AsyncIterator[World]:
    """Open control on `data_dir` and run a node beside it."""
    os.makedirs(data_dir, mode=0o700, exist_ok=True)  # noqa: PTH103 - not in an event loop of a server
    errors: list[BaseException] = []
    opened = Control.opened(
        data_dir,
        config,
        clock or SystemClock(),
        log=lambda _event, _text: None,
        log_error=lambda _where, error: errors.append(error),
        workbench=warm_command.offer_workbench(),
    )
    async with opened as control:
        control.carry_out()
        key = load_public_key(data_dir / "control" / "signing.pub")
        node = MemoryNode(node_of(control.service), key, refuse=refuse, trials=trials)
        running = asyncio.ensure_future(node.run()) if with_node else None
        try:
            yield World(control, node, data_dir, port or free_port(), errors)
        finally:
            control.close_polls()
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
    assert not errors, errors


def live(tmp_path: Path, story: Story, **options: object) -> None:
    """A story in a world of its own."""

    async def main() -> None:
        async with world(tmp_path / "data", **options) as here:  # type: ignore[arg-type]  # - passed on
            await story(here)

    asyncio.run(main())


@asynccontextmanager
async def measuring(here: World, *nodes: MemoryNode, requests: float = 0.0) -> AsyncIterator[None]:
    """Nodes whose Envoys measure all the time, as the real ones do."""

    async def measure() -> None:
        while True:
            now_s = time.time()
            for node in nodes:
                await node.say(
                    Window(
                        NodeName(node.name),
                        "stable",
                        node.serving or ReleaseId("r0"),
                        node.generation,
                        now_s - 1,
                        1.0,
                        {},
                        {"requests": requests},
                    )
                )
            await asyncio.sleep(0.05)

    task = asyncio.ensure_future(measure())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def course(here: World) -> Rollouts:
    """What steers its rollouts."""
    rollouts = here.service.hands.rollouts
    assert rollouts is not None
    return rollouts


def refuse_timeouts_of_66_s(snapshot: Snapshot) -> tuple[Nack, ...]:
    """An Envoy that takes no route with `timeout: 66s`."""
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        if b"\x08\x42" in resource.body:  # Duration{seconds: 66}
            words = "route shop/api: Envoy does not like 66"
            return (Nack(TypeUrl.ROUTES.value, resource.name, "route shop/api", words),)
    return ()


async def until(condition: Callable[[], object], what: str) -> None:
    """Poll a condition of the same event loop, with a deadline.

    What other tasks do comes true within some turns of the loop; what other processes do takes
    longer, and they need the processor for it.
    """
    try:
        async with asyncio.timeout(DEADLINE_S):
            for turn in itertools.count():
                if condition():
                    return
                await asyncio.sleep(POLL_S if turn > TURNS else 0)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None
