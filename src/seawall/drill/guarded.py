"""The same fleet guarded by Seawall: the real control and real agents, in this process.

What differs from an operator's fleet: nodes listen on loopback addresses of their own, the data
plane has the drill's flaw, and protections can be switched off, to show that it is they that hold.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what is seeded below
from typing import Final

from seawall.api.asked import Caller
from seawall.api.hand_requests import FeedRequest, KillRequest
from seawall.api.service import Service
from seawall.api.stages import FORCE_SCORES
from seawall.api.views import Applied, ApplyEvent, Refused
from seawall.clock import Clock
from seawall.daemon.assembly import Control
from seawall.daemon.node import collectors
from seawall.drill.address import address_of, rehosted
from seawall.drill.nameserver import NameServer
from seawall.drill.scene import Change, Drill, Protection, models
from seawall.drill.workbench import OUT_OF_BOUNDS, Settings, sources_of
from seawall.errors import SeawallError, UnreachableError
from seawall.ids import Digest, Generation, NodeName
from seawall.limits import (
    DRILL_POLL_S,
    DRILL_RESTART_FORGIVEN_S,
    DRILL_START_TIMEOUT_S,
    DRILL_STOP_DRAIN_S,
)
from seawall.node.agent import Agent
from seawall.node.dns.names import Names
from seawall.node.dns.resolvers import Resolver
from seawall.node.files import private_directory
from seawall.node.lastgood import Opener, trusting
from seawall.release.bundle import Bundle
from seawall.release.guard import force_names
from seawall.release.signing import load_public_key, pin_public_key
from seawall.rollout.ports import Assignment, Coming, ControlPort, NodeReport
from seawall.site.sources import BOT_MODEL

_WORKBENCH: Final = "seawall.drill.workbench"
_FAILED: Final = r"^http\.https?\.downstream_rq_5xx$"
_PARENT_MOVED: Final = "parent-moved"
_CANARY: Final = "canary"
_REFUSED: Final = "last-release-refused"
_BOUNDS: Final = (OUT_OF_BOUNDS, "bad-bot-model")
"""Problems of data that is not within its limits and schema."""
_FORCED: Final = {
    Protection.BOUNDS: (FORCE_SCORES,),
    Protection.GUARD: force_names(),
    Protection.TASTER: ("taster",),
}
"""What `--force` says to pass a protection."""


class Line:
    """Between nodes and control; can be cut. Implements `ControlPort`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = asyncio.Event()
        self._open.set()

    def cut(self) -> None:
        """From now on nobody answers."""
        self._open.clear()

    def join(self) -> None:
        """Answer again."""
        self._open.set()

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """See `ControlPort.assignment`."""
        self._require_open()
        found = await self._service.assignment(node, known, wait_s)
        self._require_open()
        return found

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`."""
        self._require_open()
        return await self._service.bundle(digest)

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`."""
        self._require_open()
        await self._service.report(report)

    def _require_open(self) -> None:
        if not self._open.is_set():
            raise UnreachableError("cut-off", "Control cannot be reached in this drill.")


class GuardedFleet:
    """A fleet with everything on, but what `off` names; use `running`. Implements `Fleet`."""

    def __init__(
        self,
        home: Path,
        clock: Clock,
        drill: Drill,
        nodes: int,
        names: NameServer,
        *,
        off: frozenset[Protection],
    ) -> None:
        self._resolver = Resolver("127.0.0.1", names.port)
        self._home = home
        self._clock = clock
        self._drill = drill
        self._count = nodes
        self._off = off
        self._caller = Caller("drill", local=True)
        self._control: Control | None = None
        self._line: Line | None = None
        self._agents: list[Agent] = []
        self._running_agents: list[asyncio.Task[None]] = []
        self._tasks: asyncio.TaskGroup | None = None
        self.harmful: set[str] = set()
        self.in_force: list[str] = []
        self._killed = 0
        self.forgiven: list[tuple[float, float]] = []
        self.detected_s: float | None = None
        self.words = ""
        self.held_by = ""
        self.alarms_s: list[float] = []

    @asynccontextmanager
    async def running(self, first: Change) -> AsyncIterator[None]:
        """Serve `first` on every node inside the block."""
        core = self._home / "core"
        off = tuple(protection.value for protection in self._off)
        flaw = self._drill.flaw
        Settings(self._drill.name, flaw.lua, dict(flaw.data), off).write(core / "control")
        errors: list[BaseException] = []
        opened = Control.opened(
            core,
            None,
            self._clock,
            log=lambda _event, _text: None,
            log_error=lambda _where, error: errors.append(error),
            workbench=_WORKBENCH,
        )
        async with opened as control:
            control.start()
            self._control, self._line = control, Line(control.service)
            async with asyncio.TaskGroup() as self._tasks:
                self._start_agents()
                try:
                    await self._boot(first)
                    yield
                finally:
                    self._line.join()
                    await self._stop_agents()
            control.close_polls()
        if errors:
            raise errors[0]

    async def release(self, change: Change) -> str:
        """See `Fleet.release`: everything an operator's `seawall apply` does."""
        begin_s = self._clock.monotonic_s()
        outcome = await self._apply(change)
        if isinstance(outcome, Refused) and change.model is not None:
            await self._alarmed(begin_s)
        if isinstance(outcome, Applied):
            if change.harmful and outcome.release is not None and outcome.changed:
                self.harmful.add(outcome.release.id)
                self.in_force.append(outcome.release.id)
            return ""
        if outcome.release is not None and change.harmful:
            self.harmful.add(outcome.release)
        if change.harmful and self.detected_s is None:
            self.detected_s = self._clock.monotonic_s()
            self.words = outcome.message
            self.held_by = _holder(outcome)
        return outcome.message

    async def current(self) -> str:
        """See `Fleet.current`."""
        fleet = self._running.executor.fleet
        return fleet.target.release if fleet.target else ""

    async def cut(self) -> None:
        """See `Fleet.cut`; without last known good, nodes come back with empty disks."""
        if self._line is not None:
            self._line.cut()
        if Protection.LAST_KNOWN_GOOD in self._off:
            await self._stop_agents()
            for number in range(self._count):
                shutil.rmtree(self._node_home(number) / "node")
            self._start_agents()

    async def join(self) -> None:
        """See `Fleet.join`."""
        if self._line is not None:
            self._line.join()

    async def restart(self) -> None:
        """See `Fleet.restart`: agents start their Envoys again."""
        now_s = self._clock.monotonic_s()
        self.forgiven.append((now_s, now_s + DRILL_RESTART_FORGIVEN_S))
        self._killed += len(self._agents)
        for agent in self._agents:
            process = agent.keeper.process
            if process is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.identity.pid, signal.SIGKILL)

    async def reboot(self) -> None:
        """See `Fleet.reboot`: new agents, which know nothing but what is on their disks."""
        begin_s = self._clock.monotonic_s()
        await self._stop_agents()
        self._start_agents()
        self.forgiven.append((begin_s, self._clock.monotonic_s() + DRILL_RESTART_FORGIVEN_S))

    @property
    def busy(self) -> bool:
        """Whether a rollout is still on its way."""
        running = self._running.executor.fleet.running
        return running is not None and not running.ended

    async def stable_failed(self) -> int:
        """Server errors of the stable slots, and their deaths beyond those that were asked for."""
        deaths = max(0, sum(agent.keeper.restarts for agent in self._agents) - self._killed)
        return deaths + sum([await _failed(agent) for agent in self._agents])

    @property
    def _running(self) -> Control:
        if self._control is None:
            raise UnreachableError("not-running", "The fleet of this drill does not run.")
        return self._control

    async def _boot(self, first: Change) -> None:
        async with asyncio.timeout(DRILL_START_TIMEOUT_S):
            nodes = self._running.board
            while sum(s.report is not None for s in nodes.inventory().nodes.values()) < self._count:
                await self._clock.sleep(DRILL_POLL_S)
            begun = [replace(first, model=each.content) for each in models(self._drill.model)]
            for change in (first, *begun):
                outcome = await self._apply(change, begun=change is not first)
                if isinstance(outcome, Refused):
                    raise UnreachableError("drill-not-started", outcome.message)
                while self.busy:
                    await self._clock.sleep(DRILL_POLL_S)

    async def _alarmed(self, begin_s: float) -> None:
        """Note how long it took until the status showed the refusal."""
        status = await self._running.service.status()
        if any(notice.code == _REFUSED for notice in status.notices):
            self.alarms_s.append(self._clock.monotonic_s() - begin_s)

    async def _events(self, change: Change, *, begun: bool) -> AsyncIterator[ApplyEvent]:
        force = tuple(name for off in self._off for name in _FORCED.get(off, ()))
        at_once = begun or change.at_once or Protection.CANARY in self._off
        service = self._running.service
        if change.model is not None:
            forced = (FORCE_SCORES,) if begun else ()
            request = FeedRequest(
                base64=change.model,
                author=change.actor,
                force=(*force, *forced),
                break_glass=at_once,
            )
            return await service.hands.push_feed(BOT_MODEL, request, self._caller)
        if change.kill is not None:
            kill = KillRequest(
                change.kill,
                reason="a drill",
                author=change.actor,
                force=force,
                break_glass=at_once,
            )
            return await service.hands.kill(kill, self._caller)
        return service.apply(
            sources_of(change.text, dict(change.data)),
            caller=self._caller,
            author=change.actor,
            force=force,
            parent="" if Protection.PARENT in self._off else change.parent,
            break_glass=at_once,
        )

    async def _apply(self, change: Change, *, begun: bool = False) -> Applied | Refused:
        """Order a change; `begun` for the model that the fleet begins with."""
        try:
            events = await self._events(change, begun=begun)
            last = [event async for event in events][-1]
        except SeawallError as error:
            return Refused("check", error.code, error.message, error.remedy, 0.0)
        if isinstance(last, Applied | Refused):
            return last
        raise UnreachableError("drill-unanswered", "An apply ended without an outcome.")

    def _start_agents(self) -> None:
        if self._line is None or self._tasks is None:
            return
        self._agents = [self._agent(number, self._line) for number in range(self._count)]
        self._running_agents = [self._tasks.create_task(agent.run()) for agent in self._agents]

    async def _stop_agents(self) -> None:
        for agent in self._agents:
            agent.stop(stop_envoy=True, drain_s=DRILL_STOP_DRAIN_S)
        await asyncio.gather(*self._running_agents)

    def _node_home(self, number: int) -> Path:
        return self._home / f"node{number}"

    def _agent(self, number: int, line: ControlPort) -> Agent:
        home, core = self._node_home(number), self._home / "core"
        node = NodeName(f"n{number}")
        return Agent(
            home,
            line,
            self._clock,
            Random(number),  # noqa: S311 - jitter, not a secret
            node=node,
            groups=(_CANARY,) if number == 0 else (),
            concurrency=1,
            collectors=collectors(home, self._clock, node),
            opener=_opener(home, core, address_of(number)),
            names=self._names(home),
        )

    def _names(self, home: Path) -> Names:
        """Answers by the drill's name server; without the protection Envoys ask it themselves."""
        private_directory(home)
        conf = home / "resolv.conf"
        conf.write_text(f"nameserver [{self._resolver.host}]:{self._resolver.port}\n")
        forgets = Protection.LAST_ADDRESSES in self._off
        return (_Unasked if forgets else Names)(home / "node", self._clock, resolv_conf=conf)


class _Unasked(Names):
    """Listens, and no Envoy is told of it."""

    def resolvers(self) -> tuple[Resolver, ...]:
        """See `Names.resolvers`."""
        return tuple(place for place in super().resolvers() if place.port != self.port)


def _opener(home: Path, core: Path, address: str) -> Opener:
    """Checks envelopes as every node does, and lets the listeners have the node's own address."""
    trusted = home / "node" / "trusted.pub"
    open_trusted = trusting(trusted)

    def opener(envelope: bytes) -> tuple[Digest, Bundle]:
        if not trusted.exists():
            pin_public_key(trusted, load_public_key(core / "control" / "signing.pub"))
        digest, bundle = open_trusted(envelope)
        return digest, replace(bundle, snapshot=rehosted(bundle.snapshot, address))

    return opener


def _holder(outcome: Refused) -> str:
    """The protection behind a refusal, or the stage that has the name of one."""
    if any(problem.id in _BOUNDS for problem in outcome.problems):
        return Protection.BOUNDS.value
    if outcome.code == _PARENT_MOVED:
        return Protection.PARENT.value
    return outcome.stage


async def _failed(agent: Agent) -> int:
    try:
        text = await agent.keeper.slot.admin.stats_text(stats_filter=_FAILED)
    except SeawallError:
        return 0
    counts = (line.rpartition(b":")[2] for line in text.splitlines() if b":" in line)
    return sum(int(count) for count in counts)
