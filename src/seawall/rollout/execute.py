"""Carries out what the planner says, and makes no choices of its own.

Again and again: read the fleet, ask what nodes said and what the judge finds, plan, lint, write in
one transaction, offer the assignments. A writer that came too late reads again. Orders of people
go the same way. A plan that lint refuses is never written: the rollout is held with the reason.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from seawall import limits
from seawall.clock import Clock, offset_s
from seawall.errors import ConflictError, InternalError, SeawallError, UnreachableError
from seawall.rollout.assess import assess
from seawall.rollout.book import Deed
from seawall.rollout.draft import Draft
from seawall.rollout.inherited import begun_again
from seawall.rollout.lint import lint
from seawall.rollout.past import Past
from seawall.rollout.plan import plan
from seawall.rollout.retimed import retimed, set_by_s
from seawall.rollout.state import (
    Event,
    Findings,
    Fleet,
    Inventory,
    Plan,
)
from seawall.tasks import set_within
from seawall.telemetry.window import Window

Make = Callable[[Fleet, float], Plan]
"""An order: what it changes of the fleet, at what time."""
Judged = Callable[[Fleet, Inventory, Sequence[Window], float], Findings]
Blocking = Callable[..., Awaitable[Any]]
_ORDER_ATTEMPTS: Final = 5


class Board(Protocol):
    """Where nodes are heard, and where their assignments are offered."""

    def inventory(self) -> Inventory:
        """Every node that was ever heard of."""
        ...

    def evidence(self) -> Sequence[Window]:
        """Windows of all slots that are kept."""
        ...

    def offer(self, fleet: Fleet) -> None:
        """Let nodes have what the fleet says."""
        ...

    async def changed(self, wait_s: float) -> bool:
        """Wait for a report or a poll; False when none came in time."""
        ...


class Fleets(Protocol):
    """Where the fleet is kept; `book.Book` is the real one."""

    def version(self) -> int:
        """Of the newest write."""
        ...

    def load(self) -> Fleet:
        """Everything of now."""
        ...

    def write(self, made: Plan, *, deeds: Sequence[Deed] = ()) -> Fleet:
        """Make a plan true if nobody wrote since it was made."""
        ...


class Executor:
    """See the module. Several may run on one store: the version decides which one writes.

    Attributes:
        fleet: as last read or written here.
        findings: of the judge, when it was last asked.

    Args:
        on_fleet: told of every new state of the fleet before anybody who waits for it.
        log: told of every event of the history.
        log_error: told of plans that were refused; must not raise.
        judged: what the judge finds on the step that runs.
        blocking: runs a call that blocks.
    """

    def __init__(
        self,
        book: Fleets,
        board: Board,
        clock: Clock,
        *,
        on_fleet: Callable[[Fleet], Awaitable[None]],
        log: Callable[[str, str], None],
        log_error: Callable[[str, BaseException], None],
        judged: Judged = assess,
        blocking: Blocking = asyncio.to_thread,
    ) -> None:
        self._judged = judged
        self._blocking = blocking
        self._book = book
        self._board = board
        self._clock = clock
        self._on_fleet = on_fleet
        self._log = log
        self._log_error = log_error
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._refused = ""
        self._said: deque[tuple[int, Event]] = deque(maxlen=limits.ROLLOUT_EVENTS_LIVE_MAX)
        self._count = 0
        self._past = Past()
        self._read_at_s = clock.monotonic_s()
        self._offset_s = offset_s(self._clock)
        self._well_s: float | None = None
        # An order that the store did not take may be the one that ends a trial: a step that has
        # nothing to write does not show that the store can be written again.
        self._unwritten = False
        self._inherits = False
        self.fleet = Fleet()
        self.findings = Findings()
        self.trouble: SeawallError | None = None

    async def start(self) -> None:
        """Take up what the store says, and offer it."""
        async with self._turn:
            asked_s = self._clock.monotonic_s()
            await self._take(await self._blocking(self._book.load))
            self._read_at_s = asked_s

    @property
    def age_s(self) -> float:
        """How old what is known of the fleet is, at most."""
        return self._clock.monotonic_s() - self._read_at_s

    @property
    def leads(self) -> bool:
        """Whether this process carries out."""
        return self._well_s is not None

    @property
    def stuck_s(self) -> float:
        """How long no step has ended well; 0 for a process that does not lead."""
        return 0.0 if self._well_s is None else self._clock.monotonic_s() - self._well_s

    async def refresh(self) -> None:
        """Take up what another process has written since; for one that does not lead.

        Raises:
            SeawallError: the store cannot be used.
        """
        async with self._turn:
            await self._read()
            self._offset_s = offset_s(self._clock)  # times in the store are by the leader's clock

    async def run(self) -> None:
        """Carry out until cancelled; trouble with the store is logged and tried again."""
        self._well_s = self._clock.monotonic_s()
        self._inherits = True
        try:
            await self._run()
        finally:
            self._well_s = None

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            began_s = self._clock.monotonic_s()
            try:
                await self.step()
                self.trouble = None
                self._well_s = self._clock.monotonic_s()
            except SeawallError as error:
                if self.trouble is None or self.trouble.code != error.code:
                    self._log("rollout-step-failed", f"{error.code}: {error.message}")
                self.trouble = error
            except Exception as error:  # noqa: BLE001 - a defect must not end what withdraws releases
                self._log_error("rollout step", error)
            ended_s = self._clock.monotonic_s()
            busy = bool(self.fleet.rollouts)
            await self._woken(limits.ROLLOUT_TICK_S if busy else limits.ROLLOUT_IDLE_TICK_S)
            least_s = limits.ROLLOUT_PAUSE_S if busy else limits.ROLLOUT_IDLE_PAUSE_S
            pause_s = max(least_s, limits.ROLLOUT_PAUSE_FACTOR * (ended_s - began_s))
            await self._pause(ended_s + pause_s - self._clock.monotonic_s())

    async def step(self) -> None:
        """Look once, and do what the planner says.

        Raises:
            SeawallError: the store cannot be used.
        """
        async with self._turn:
            await self._read()
            await self._follow_clock()
            await self._inherit()
            inventory, now_s = self._board.inventory(), self._clock.now_s()
            windows = self._past.recalled(self.fleet, self._board.evidence())
            self.findings = self._judged(self.fleet, inventory, windows, now_s)
            made = plan(self.fleet, inventory, self.findings, now_s)
            violations = lint(self.fleet, made, inventory, self.findings)
            if violations:
                words = "; ".join(f"{v.text} (invariant {v.invariant})" for v in violations)
                made = self._refuse(words)
            if self._unwritten or made.fleet != self.fleet or made.events:
                await self._write(made)

    async def order(self, make: Make, deeds: Sequence[Deed] = ()) -> Fleet:
        """Carry out what somebody asks for, on the newest state.

        Args:
            make: may raise to refuse; called again when another writer was first.
            deeds: for the audit log.

        Raises:
            SeawallError: as `make`, or the store cannot be used.
        """
        async with self._turn:
            for attempt in range(_ORDER_ATTEMPTS):
                await self._read()
                try:
                    await self._follow_clock()
                    await self._write(make(self.fleet, self._clock.now_s()), deeds)
                except UnreachableError:
                    self._unwritten = True
                    self._wake.set()
                    raise
                except ConflictError as error:
                    if error.code != "fleet-moved" or attempt == _ORDER_ATTEMPTS - 1:
                        raise
                else:
                    break
        self._wake.set()
        return self.fleet

    async def changed(self, wait_s: float) -> bool:
        """Wait for the next state of the fleet; False when none came in time."""
        return await set_within(self._changed, wait_s)

    @property
    def said(self) -> int:
        """How many events there have been since this process began."""
        return self._count

    def said_after(self, count: int) -> tuple[tuple[int, Event], ...]:
        """Events after the first `count`, as far as they are kept, each with its number."""
        return tuple(entry for entry in self._said if entry[0] > count)

    async def _read(self) -> None:
        """What another process has written since."""
        asked_s = self._clock.monotonic_s()
        version = await self._blocking(self._book.version)
        if version != self.fleet.version:
            await self._take(await self._blocking(self._book.load))
        self._read_at_s = asked_s

    async def _follow_clock(self) -> None:
        """Whatever counts time counts on as before when somebody sets the clock."""
        now_offset_s = offset_s(self._clock)
        now_s = self._clock.now_s()
        by_s = set_by_s(self.fleet, now_s, now_offset_s - self._offset_s)
        if by_s:
            await self._write(retimed(self.fleet, by_s, now_s))
        self._offset_s = now_offset_s

    async def _inherit(self) -> None:
        """Once, before the first plan of `run`: what another process began, and had measured."""
        if self._inherits:
            made = begun_again(self.fleet, self._clock.now_s())
            if made is not None:
                await self._write(made)
            self._inherits = False

    async def _write(self, made: Plan, deeds: Sequence[Deed] = ()) -> None:
        await self._blocking(self._book.write, made, deeds=deeds)
        self._unwritten = False
        for event in made.events:
            self._count += 1
            self._said.append((self._count, event))
            self._log(f"rollout-{event.code}", event.text)
        # Read again: what became good or was quarantined meanwhile belongs to the new state.
        await self._take(await self._blocking(self._book.load))

    async def _take(self, fleet: Fleet) -> None:
        self._board.offer(fleet)
        await self._on_fleet(fleet)
        self.fleet = fleet
        self._changed.set()
        self._changed = asyncio.Event()

    def _refuse(self, words: str) -> Plan:
        """Nothing of the plan happens; the rollout waits for a person."""
        if words != self._refused:
            self._refused = words
            self._log_error(
                "plan",
                InternalError("plan-refused", f"Seawall refused its own next step: {words}."),
            )
        draft = Draft(self.fleet, self._board.inventory(), self.findings, self._clock.now_s())
        running = self.fleet.running
        if running is not None:
            draft.hold(
                running, "lint", f"the next step would break an invariant of rollouts: {words}"
            )
        made = draft.plan()
        return replace(made, assignments=(), withdrawn=())

    async def _pause(self, pause_s: float) -> None:
        """Let reports gather since the last plan; an order does not wait for them."""
        if pause_s <= 0:
            return
        await set_within(self._wake, pause_s)

    async def _woken(self, wait_s: float) -> None:
        """Until a node is heard, an order came, or the time is over."""
        heard = asyncio.ensure_future(self._board.changed(wait_s))
        ordered = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((heard, ordered), return_when=asyncio.FIRST_COMPLETED)
        finally:
            heard.cancel()
            ordered.cancel()
            await asyncio.gather(heard, ordered, return_exceptions=True)
