"""Drives the machine of `course` with real parts: Envoys, disk, control, collectors.

It makes no choice: the machine says what to do, and everything that happens is told to it. Each
lane of operations has one task; a new operation gives up the one before it and waits for its end.
An error nobody expected is the machine's business too: it refuses the operation, and blames no
release for it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import TYPE_CHECKING, Final

from seawall.clock import Clock
from seawall.compiler.check import check
from seawall.errors import InternalError, RefusedError, SeawallError
from seawall.heap import give_back_soon
from seawall.judge.brake import during_bake
from seawall.limits import CONTROL_BACKOFF_S_MAX, CONTROL_BACKOFF_S_MIN, ENVOY_SWAP_DRAIN_S, KIB
from seawall.node import moves
from seawall.node.candidacy import report
from seawall.node.commit import Attempt
from seawall.node.course import Course, decide, wakeup_s
from seawall.node.golden import Prober
from seawall.node.instruments import Instruments
from seawall.node.lastgood import Loaded  # noqa: TC001 - a type of values made at run time
from seawall.node.memory import Memory
from seawall.node.questions import Question, questions
from seawall.node.serving import Serving
from seawall.node.slots import STABLE
from seawall.node.state import NodeState, Served
from seawall.node.steering import Arm
from seawall.node.trials import Trials
from seawall.node.watcher import Watcher
from seawall.rollout.ports import ControlPort, Phase, Trial
from seawall.tasks import set_within
from seawall.telemetry.window import Window

if TYPE_CHECKING:
    from seawall.node.keeper import Keeper

_LARGE_SNAPSHOT: Final = 500
"""Resources: an edge of some hundred sites."""
_LARGE_ENVELOPE_BYTES: Final = 32 * KIB
"""Compressed: an edge of some hundred sites, which takes tens of times as much to read."""
Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]


@dataclass(frozen=True)
class Parts:
    """What the driver works with."""

    control: ControlPort
    memory: Memory
    serving: Serving
    trials: Trials
    instruments: Instruments
    clock: Clock
    rng: Random


class Driver:
    """Implements `moves.Effects`.

    Args:
        parts: what it works with.
        spawn: begins a task of the agent's.
        changed: called when something worth a report changed.

    Attributes:
        course: the machine's state.
    """

    def __init__(self, parts: Parts, spawn: Spawn, changed: Callable[[], None]) -> None:
        self.course = Course()
        self._parts = parts
        self._spawn = spawn
        self._changed = changed
        self._lanes: dict[bool, asyncio.Task[None]] = {}
        self._ready: dict[bool, Loaded] = {}
        self._questions: tuple[Question, ...] = ()
        self._watcher: Watcher | None = None
        self._watching: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._shown: tuple[object, ...] = ()
        self._stable: tuple[Keeper | None, int] = (None, 0)
        parts.instruments.noticed = self._saw

    def tell(self, event: moves.Event) -> None:
        """Something happened."""
        now_s = self._parts.clock.monotonic_s()
        self.course, effects = decide(self.course, event, now_s)
        moves.carry_out(effects, self)
        self._moved.set()
        course = self.course
        self._parts.instruments.hurry("bake", on=course.phase is Phase.BAKING)
        trial = report(course.trial)
        shown = (course.phase, course.memory, course.serving, course.refusal, course.trouble, trial)
        if shown != self._shown:
            self._shown = shown
            self._changed()

    async def run(self) -> None:
        """Tell the machine of time until cancelled."""
        while True:
            self._moved.clear()
            due_s = wakeup_s(self.course)
            patience_s = None if due_s is None else due_s - self._parts.clock.monotonic_s()
            if not await set_within(self._moved, patience_s):
                self.tell(moves.Tick())

    def keeper_changed(self) -> None:
        """An Envoy came or went: a death of the one that serves is told."""
        keeper = self._parts.serving.slots.active
        known, restarts = self._stable
        if known is not keeper:  # another slot serves since a swap; what it counts began then
            restarts = 0
        if keeper.restarts > restarts and self.course.booted:
            self.tell(moves.Died(STABLE, keeper.ending))
        self._stable = keeper, keeper.restarts

    async def looping(self) -> None:
        """The stable slot's Envoy keeps dying: returns when its next start may come."""
        self.tell(moves.Looping())
        while self.course.back:
            self._moved.clear()
            await self._moved.wait()

    # --- Effects -------------------------------------------------------------------------------

    def persist(self, memory: NodeState) -> None:
        """See `moves.Effects`."""
        self._parts.memory.remember(memory)

    def watch(self, watch: moves.Watch) -> None:
        """See `moves.Effects`."""
        parts = self._parts
        loaded, stable = self._ready.get(True), parts.trials.keeper(Arm.STABLE)
        candidate = parts.trials.keeper(Arm.CANDIDATE)
        if self._watcher is None and loaded and stable and candidate:
            prober = Prober(self._questions, candidate.slot.directory, stable.slot.directory)
            self._watcher = Watcher(parts.trials, parts.instruments, prober, parts.clock, self.tell)
            self._watcher.step(watch)
            self._watching = self._spawn(self._watcher.run())
        elif self._watcher is not None:
            self._watcher.step(watch)

    def begin(self, operation: moves.Operation) -> None:
        """See `moves.Effects`."""
        trial = isinstance(operation, moves.Start | moves.Open | moves.Steer | moves.Withdraw)
        lane = trial or (isinstance(operation, moves.Fetch) and operation.trial)
        if isinstance(operation, moves.Withdraw):
            self._stop_watching()
        if isinstance(operation, moves.Commit) and self._watcher is not None:
            self._watcher.commits()
        before = self._lanes.get(lane)
        self._lanes[lane] = self._spawn(self._perform(operation, before))

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._watcher = self._watching = None

    # --- Operations ----------------------------------------------------------------------------

    async def _perform(
        self, operation: moves.Operation, before: "asyncio.Task[None] | None"
    ) -> None:
        if before is not None and not before.done():
            before.cancel()
            await asyncio.wait((before,))
        ticket = operation.ticket
        try:
            answer = await self._answer(operation)
        except (SeawallError, OSError) as error:
            words = error.message if isinstance(error, SeawallError) else str(error)
            answer = moves.Refused(ticket, words, blames_content=False)
        self.tell(answer)

    async def _answer(  # noqa: PLR0911 - one for each operation
        self, operation: moves.Operation
    ) -> moves.Done | moves.Refused:
        trials, ticket = self._parts.trials, operation.ticket
        match operation:
            case moves.Fetch():
                return await self._fetch(operation)
            case moves.Start():
                return await self._start(operation)
            case moves.Open():
                return _answer(ticket, await trials.open())
            case moves.Steer(_, share):
                await trials.steer(share)
                return moves.Done(ticket, share_permille=trials.share_permille)
            case moves.Withdraw(_, hung):
                await trials.withdraw(0 if hung else ENVOY_SWAP_DRAIN_S)
                self._ready.pop(True, None)
                return moves.Done(ticket)
            case moves.Commit():
                return await self._commit(operation)
            case moves.GoBack():
                return await self._go_back(operation)

    async def _fetch(self, fetch: moves.Fetch) -> moves.Done | moves.Refused:
        """From the trial, or from disk, when it is there; else from control, again and again."""
        parts, served = self._parts, fetch.served
        tried = self._ready.get(True)
        if not fetch.trial and tried is not None and _same_release(tried.served, served):
            self._ready[False] = replace(tried, served=served)
            return moves.Done(fetch.ticket)
        backoff_s = CONTROL_BACKOFF_S_MIN
        envelope = b""
        while not envelope:
            loaded, _ = parts.memory.first_readable((served,))
            if loaded is not None:
                self._ready[fetch.trial] = loaded
                return moves.Done(fetch.ticket)
            try:
                envelope = await parts.control.bundle(served.digest)
            except SeawallError:
                await parts.clock.sleep(backoff_s * parts.rng.uniform(0.5, 1.0))
                backoff_s = min(CONTROL_BACKOFF_S_MAX, backoff_s * 2)
                if self._given_up(fetch):
                    return moves.Done(fetch.ticket)
        try:
            bundle = parts.memory.bundles.check(served.digest, envelope)
        except RefusedError as error:
            return moves.Refused(fetch.ticket, error.message, blames_content=False)
        try:
            check(bundle.snapshot)
        except (RefusedError, InternalError) as error:
            return moves.Refused(fetch.ticket, error.message)
        parts.memory.hold(served.digest, envelope)
        self._ready[fetch.trial] = parts.memory.bundles.stamped(served, bundle)
        if len(envelope) > _LARGE_ENVELOPE_BYTES:
            self._spawn(give_back_soon(self._parts.clock))
        return moves.Done(fetch.ticket)

    def _given_up(self, fetch: moves.Fetch) -> bool:
        course = self.course
        return fetch not in (course.doing, course.trying)

    async def _start(self, start: moves.Start) -> moves.Done | moves.Refused:
        parts, loaded, current = self._parts, self._ready.get(True), self._parts.serving.current
        if loaded is None or current is None:
            why = "the release to compare with is no longer here"
            return moves.Refused(start.ticket, why, blames_content=False)
        trial = self.course.trial
        deadline_s = trial.want.taste_deadline_s if trial else 0.0
        self._questions = questions(loaded.snapshot, loaded.golden, current.snapshot)
        asked = {question.golden.host for question in self._questions}
        found = await parts.trials.start(
            loaded, current, asked, baseline=start.baseline, deadline_s=deadline_s
        )
        if found.why:
            return _answer(start.ticket, found)
        return moves.Done(start.ticket, baseline=parts.trials.baseline)

    async def _commit(self, commit: moves.Commit) -> moves.Done | moves.Refused:
        parts, loaded = self._parts, self._ready.pop(False, None)
        if loaded is None:
            return moves.Refused(commit.ticket, "its bundle is no longer here")
        tried = self._runs_as_candidate(commit.served)
        found = await parts.serving.commit(loaded, tried=tried)
        if not found.why:
            parts.instruments.serving(commit.served)
        if len(loaded.snapshot.resources) > _LARGE_SNAPSHOT:
            self._spawn(give_back_soon(self._parts.clock))
        return _answer(commit.ticket, found)

    def _runs_as_candidate(self, served: Served) -> bool:
        trial = self.course.trial
        wanted = trial.want if trial is not None and trial.opened and trial.active else None
        return wanted is not None and _same_release(wanted, served)

    async def _go_back(self, back: moves.GoBack) -> moves.Done:
        parts = self._parts
        loaded, _ = await asyncio.to_thread(parts.memory.first_readable, back.candidates)
        if loaded is None:
            return moves.Done(back.ticket)
        keeper = parts.serving.slots.active
        found = Attempt("it does not run")
        if keeper.running:
            found = await parts.serving.commit(loaded, tried=False)
        if found.why:  # from its next start on
            parts.serving.give(loaded)
        parts.instruments.serving(loaded.served)
        return moves.Done(back.ticket, served=loaded.served)

    # --- What the node's own brake says --------------------------------------------------------

    def _saw(self, window: Window) -> None:
        if window.slot == STABLE and self.course.phase is Phase.BAKING:
            before, after = self._parts.instruments.before_and_after()
            self.tell(moves.Judged("stable", during_bake(before, after)))
        if self._watcher is not None:
            self._watcher.saw(window)


def _same_release(one: Served | Trial, other: Served) -> bool:
    """Whether Envoy is given the same bytes for both: the generation is not among them."""
    return (one.release, one.digest) == (other.release, other.digest)


def _answer(ticket: int, found: Attempt) -> moves.Done | moves.Refused:
    if not found.why:
        return moves.Done(ticket)
    return moves.Refused(ticket, found.why, found.nacks, blames_content=found.blames_content)
