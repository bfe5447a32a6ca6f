"""Control on made-up time: the real planner and lint on a store that refuses stale writers.

There may be two control processes; one leads. A leader that was stopped for a while and goes on
does not know that another one leads meanwhile: the version of the fleet is what stops it.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from seawall import limits
from seawall.clock import Clock
from seawall.errors import ConflictError, SeawallError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy, Verdict
from seawall.rollout.book import Deed
from seawall.rollout.execute import Executor
from seawall.rollout.ports import Assignment, NodeReport
from seawall.rollout.record import fleet_state
from seawall.rollout.state import (
    Event,
    Findings,
    Fleet,
    Inventory,
    Plan,
    Rollout,
    Seen,
    Stage,
    Target,
)
from seawall.telemetry.window import Window
from seawall.testing.sim.releases import HARMLESS, Nature, SimRelease
from seawall.testing.sim.world import World

_SOAK_S = 3.0
_BAKE_S = 20.0

T = TypeVar("T")
Answer = Callable[[Assignment | None], None]
Order = Callable[[Fleet, float], Plan]


@dataclass
class SimStore:
    """What survives every control process.

    Attributes:
        written: told of each plan that was written, with the fleet before it.
        heard_s: when any control process heard a node last; no real store knows that.
    """

    fleet: Fleet = field(default_factory=Fleet)
    releases: dict[ReleaseId, SimRelease] = field(default_factory=dict)
    known_good: dict[NodeName, tuple[ReleaseId, ...]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    ended: list[Rollout] = field(default_factory=list)
    heard_s: dict[NodeName, float] = field(default_factory=dict)
    numbers: int = 0
    deeds: int = 0
    written: list[Callable[[Fleet, Plan], None]] = field(default_factory=list)
    _by_digest: dict[Digest, SimRelease] = field(default_factory=dict)

    def version(self) -> int:
        """See `Fleets.version`."""
        return self.fleet.version

    def load(self) -> Fleet:
        """See `Fleets.load`."""
        return self.fleet

    def write(self, made: Plan, *, deeds: Sequence[Deed] = ()) -> Fleet:
        """See `Fleets.write`: compare the version, then write all of a plan.

        Raises:
            ConflictError: another control process has written.
        """
        before = self.fleet
        if made.fleet.version != before.version:
            raise ConflictError("fleet-moved", "Another control process has written.")
        self.events += made.events
        self.ended += made.ended
        quarantined = before.quarantined | {blame.digest for blame in made.blames}
        self.fleet = replace(
            fleet_state(made.fleet),
            version=before.version + 1,
            good=self.good(),
            quarantined=quarantined,
        )
        for told in self.written:
            told(before, made)
        self.deeds += len(deeds)
        return self.fleet

    def good(self) -> tuple[Target, ...]:
        """Baked releases, newest first."""
        numbers = {r for releases in self.known_good.values() for r in releases}
        newest = sorted(numbers, key=lambda release: -int(release[1:]))
        return tuple(Target(r, self.releases[r].digest, _BAKE_S) for r in newest)

    def of(self, digest: Digest) -> SimRelease | None:
        """The release with this digest."""
        return self._by_digest.get(digest)

    def keep(self, release: SimRelease) -> None:
        """Store a release."""
        self.releases[release.release] = release
        self._by_digest[release.digest] = release


class _WallClock(Clock):
    """Control's clock: time stands still while it thinks."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_s(self) -> float:
        """Unix seconds."""
        return self._world.wall_s

    def monotonic_s(self) -> float:
        """Seconds of the world."""
        return self._world.now_s

    async def sleep(self, duration_s: float) -> None:
        """Never asked for here."""
        raise AssertionError(f"nobody sleeps for {duration_s} s in a simulation")


class _Shelf:
    """The store as one control process sees it: one that dozes off after reading writes late."""

    def __init__(self, control: "SimControl", store: SimStore) -> None:
        self._control = control
        self._store = store

    def version(self) -> int:
        """See `Fleets.version`; what was read before the doze."""
        if self._control.dozed:
            return self._control.version
        return self._store.version()

    def load(self) -> Fleet:
        """See `Fleets.load`."""
        return self._store.load()

    def write(self, made: Plan, *, deeds: Sequence[Deed] = ()) -> Fleet:
        """See `Fleets.write`."""
        self._control.dozed = False
        return self._store.write(made, deeds=deeds)


class SimControl:
    """One control process: the real executor, a board, and nothing else. Implements `Board`.

    Attributes:
        leads: whether it believes to be the leader.
        stopped: SIGSTOP: it does nothing, and does not know it.
        dozed: it was stopped between its reading of the store and its next write.
        traffic: whether clients come, so that verdicts can be had.
    """

    def __init__(self, name: str, world: World, store: SimStore) -> None:
        self.name = name
        self.dozed = False
        self.alive = False
        self.leads = False
        self.stopped = False
        self.traffic = True
        self._world = world
        self._store = store
        self._executor = self._made()
        self._seen: dict[NodeName, tuple[NodeReport | None, float]] = {}
        self._polls: dict[NodeName, tuple[Generation, float, Answer]] = {}
        self._life = 0
        self._soon = False
        self._began_s = 0.0

    @property
    def version(self) -> int:
        """Of the fleet as this process knows it."""
        return self._executor.fleet.version

    def start(self) -> None:
        """The process starts, knowing nothing but the store."""
        self.alive, self.stopped, self.dozed = True, False, False
        self._life += 1
        self._seen, self._polls, self._began_s = {}, {}, self._world.now_s
        self._executor = self._made()
        at_once(self._executor.start())
        self._tick(self._life)

    def lead(self) -> None:
        """It begins to lead, put together anew: what it heard before counts no more."""
        self.leads = True
        self._seen, self._began_s = {}, self._world.now_s

    def kill(self) -> None:
        """`kill -9`."""
        self.alive = self.leads = False
        self._life += 1

    # --- What nodes ask --------------------------------------------------------------------------

    def poll(self, node: NodeName, known: Generation, answer: Answer) -> None:
        """See `Core.poll`."""
        if not self.alive or self.stopped:
            return
        report, _ = self._seen.get(node, (None, 0.0))
        self._hear(node, report)
        until_s = self._world.now_s + limits.ASSIGNMENT_POLL_WAIT_S
        self._polls[node] = (known, until_s, answer)
        self.offer(self._executor.fleet)

    def take(self, report: NodeReport, answer: Callable[[], None]) -> None:
        """See `Core.take`."""
        if not self.alive or self.stopped:
            return
        self._hear(report.node, report)
        if report.last_known_good:
            kept = tuple(r for r in report.last_known_good if r in self._store.releases)
            self._store.known_good[report.node] = kept
        answer()
        self._think_soon()

    def _hear(self, node: NodeName, report: NodeReport | None) -> None:
        self._seen[node] = (report, self._world.now_s)
        self._store.heard_s[node] = self._world.now_s

    def bundle(self, digest: Digest) -> SimRelease | None:
        """See `Core.bundle`."""
        return self._store.of(digest) if self.alive and not self.stopped else None

    # --- What operators ask ----------------------------------------------------------------------

    def order(self, order: Order) -> str:
        """Carry out an order; why not, when it is refused."""
        try:
            at_once(self._executor.order(order))
        except SeawallError as error:
            return error.code
        self._think_soon()
        return ""

    # --- What the executor asks (Board) ----------------------------------------------------------

    def inventory(self) -> Inventory:
        """See `Board.inventory`."""
        now_s = self._world.now_s
        names = sorted({*self._seen, *self._store.fleet.assigned})
        return Inventory(
            {name: self._last(name, now_s) for name in names}, limits.NODE_SILENT_AFTER_S
        )

    def evidence(self) -> Sequence[Window]:
        """See `Board.evidence`: what there is to see is made up in `_findings`."""
        return ()

    def offer(self, fleet: Fleet) -> None:
        """See `Board.offer`."""
        now_s = self._world.now_s
        for node, (known, until_s, answer) in list(self._polls.items()):
            found = fleet.assigned.get(node)
            if found is not None and found.generation > known:
                del self._polls[node]
                told = (found.generation, found.release, found.digest, found.bake_s, found.trial)
                answer(Assignment(*told))
            elif until_s <= now_s:
                del self._polls[node]
                answer(None)

    async def changed(self, wait_s: float) -> bool:
        """See `Board.changed`; time here is the world's, so nobody waits."""
        return wait_s < 0

    # --- Thinking --------------------------------------------------------------------------------

    def _made(self) -> Executor:
        return Executor(
            _Shelf(self, self._store),
            self,
            _WallClock(self._world),
            on_fleet=_tell_nobody,
            log=lambda _code, _text: None,
            log_error=_refused,
            judged=self._findings,
            blocking=_directly,
        )

    def _tick(self, life: int) -> None:
        if life != self._life:
            return
        if not self.stopped:
            self._think()
        fleet = self._executor.fleet
        pause_s = limits.ROLLOUT_TICK_S if fleet.rollouts else limits.ROLLOUT_IDLE_TICK_S
        self._world.after(pause_s, lambda: self._tick(life))

    def _think_soon(self) -> None:
        if self._soon:
            return
        self._soon = True
        life = self._life

        def think() -> None:
            self._soon = False
            if life == self._life and not self.stopped:
                self._think()

        self._world.after(limits.ROLLOUT_PAUSE_S, think)

    def _think(self) -> None:
        """A leader does one step; a follower reads what the leader wrote."""
        if self.leads:
            with suppress(ConflictError):  # somebody else wrote first: it reads again next time
                at_once(self._executor.step())
            self.dozed = False
        else:
            at_once(self._executor.start())
        self.offer(self._executor.fleet)

    def _last(self, name: NodeName, now_s: float) -> Seen:
        report, at_s = self._seen.get(name, (None, self._began_s))
        return Seen(name, report, now_s - at_s, heard=name in self._seen)

    def _findings(
        self, fleet: Fleet, _inventory: Inventory, _windows: Sequence[Window], _now_s: float
    ) -> Findings:
        """What the judge would find: the truth, when there is traffic and time enough."""
        rollout = fleet.running
        if rollout is None:
            return Findings()
        nature = self._store.releases[rollout.release].nature
        bake: Verdict | None = None
        if rollout.stage is Stage.BAKING:
            bad = nature is Nature.ERRORS and self.traffic
            bake = Unhealthy("5xx", None, "more 5xx than before") if bad else Healthy("as before")
        if rollout.stage is not Stage.CANARY:
            return Findings(bake=bake)
        verdict, later = self._verdict(rollout, nature)
        return Findings(verdict, rollout.step_generation, 100, later)

    def _verdict(self, rollout: Rollout, nature: Nature) -> tuple[Verdict, int | None]:
        if not self.traffic:
            return NotEnough(Reason.NO_TRAFFIC, text="nobody comes"), None
        in_step_s = self._world.wall_s - rollout.step_started_s
        steered = any(
            report is not None and report.trial is not None and report.trial.share_permille
            for report, _ in self._seen.values()
        )
        if not steered or in_step_s < _SOAK_S:
            return NotEnough(Reason.GATHERING, text="more is needed"), rollout.step
        if nature in HARMLESS or nature is Nature.CRASHES_LATE:
            return Healthy("100 requests, none failed"), rollout.step
        if nature is Nature.ERRORS:
            return Unhealthy("5xx", None, "9 of 10 failed"), rollout.step
        return NotEnough(Reason.GATHERING, text="more is needed"), rollout.step


async def _tell_nobody(_fleet: Fleet) -> None:
    """Nobody follows the fleet but the board."""


async def _directly(call: Callable[..., T], *arguments: object, **options: object) -> T:
    """A call that blocks takes no time here."""
    return call(*arguments, **options)


def _refused(where: str, error: BaseException) -> None:
    """A plan that lint refuses is a finding."""
    raise AssertionError(f"{where}: {error}")


def at_once(work: Coroutine[object, None, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as result:
        return result.value  # type: ignore[no-any-return]  # - what `work` returns
    raise AssertionError("something waited for real time")
