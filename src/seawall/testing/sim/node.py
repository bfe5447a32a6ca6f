"""A node: the real course, with a made-up machine around it that can fail in every part."""

from collections.abc import Callable

from seawall.ids import Generation, NodeName
from seawall.judge.verdict import Healthy, Unhealthy
from seawall.limits import ASSIGNMENT_POLL_WAIT_S, MIB, REPORT_INTERVAL_S
from seawall.node import moves
from seawall.node.course import Course, decide, wakeup_s
from seawall.node.state import NodeState, Served
from seawall.rollout.ports import (
    Assignment,
    Probes,
)
from seawall.testing.sim.around import Core, Disk, report_of
from seawall.testing.sim.envoy import StableEnvoy
from seawall.testing.sim.network import Network
from seawall.testing.sim.releases import Nature, SimRelease
from seawall.testing.sim.world import World

_RESTART_S = (0.1, 1.0)
_LOOPING_DEATHS = 3
_MEMORY_BYTES = 100 * MIB
_HUGE_BYTES = 4096 * MIB


class SimNode:
    """Implements `moves.Effects`.

    Attributes:
        traffic: whether clients come; without them a bad release harms nobody and shows nothing.
        candidate: beside the stable slot; its share of new connections is `share_permille`.
    """

    def __init__(
        self, name: str, world: World, network: Network, core: Core, *, group: str = ""
    ) -> None:
        self.name = NodeName(name)
        self.group = group
        self.traffic = True
        self.disk = Disk(NodeState(), {})
        self.course: Course | None = None
        self.stable = StableEnvoy(world)
        self.candidate: SimRelease | None = None
        self.share_permille = 0
        self.opened = False
        self._world = world
        self._network = network
        self._core = core
        self._life = 0
        self._trial = 0
        self._operation = 0
        self._deaths: list[float] = []
        self._reporting = False
        self._changed = False
        self._process = 0

    @property
    def standing(self) -> tuple[object, ...]:
        """Changes whenever something did that an invariant speaks of; cheap to compare."""
        course, disk, stable = self.course, self.disk, self.stable
        return (
            id(course.memory) if course is not None else 0,
            id(disk.memory),
            disk.full,
            len(disk.bundles),
            self.share_permille,
            self.candidate.release if self.candidate is not None else "",
            stable.serving.release if stable.serving is not None else "",
            stable.alive,
        )

    # --- Life and death --------------------------------------------------------------------------

    def start_agent(self) -> None:
        """The agent starts, adopts what runs, and serves from disk."""
        if self.course is not None:
            return
        self._life += 1
        memory = self.disk.memory
        bootable = ((memory.serving,) if memory.serving else ()) + memory.good
        serving = next((s for s in bootable if s.digest in self.disk.bundles), None)
        self.course = Course()
        self._reporting = False
        self.stable.kept = None
        if serving is not None:
            self.stable.kept = self.disk.bundles[serving.digest]
            self.stable.attach(self.stable.kept)
        self._hear(moves.Booted(memory, serving))
        self._poll()
        self._report_regularly(self._life)
        self._live_with(self.stable.serving)

    def kill_agent(self) -> None:
        """`kill -9`: Envoys serve on."""
        if self.course is not None:
            self._life += 1
            self.course = None
            self.stable.leave()

    def kill_stable(self) -> None:
        """The stable Envoy dies; a living agent starts it again."""
        if not self.stable.alive:
            return
        self.stable.die()
        self._process += 1
        if self.course is None:
            return
        self._hear(moves.Died("stable", "killed"))
        now_s = self._world.now_s
        self._deaths = [at_s for at_s in self._deaths if at_s > now_s - 30] + [now_s]
        if len(self._deaths) >= _LOOPING_DEATHS:
            self._deaths.clear()
            self._hear(moves.Looping())
        self._alive(self._world.between(*_RESTART_S), self._start_stable)

    def kill_candidate(self) -> None:
        """The candidate dies."""
        if self.candidate is not None:
            self.candidate, self.share_permille = None, 0
            self._hear(moves.Died("candidate", "killed"))

    def lose_disk(self) -> None:
        """The machine comes back with an empty disk, as a new one of the same name."""
        self.kill_agent()
        self.stable.die()
        self.candidate, self.share_permille = None, 0
        self.disk = Disk(NodeState(), {})

    def _start_stable(self) -> None:
        self.stable.restart()
        self._live_with(self.stable.serving)

    # --- What the course says (moves.Effects) ----------------------------------------------------

    def persist(self, memory: NodeState) -> None:
        """See `moves.Persist`."""
        if not self.disk.full:
            self.disk.memory = memory
            needed = memory.needed()
            kept = {d: r for d, r in self.disk.bundles.items() if d in needed}
            self.disk.bundles = kept

    def watch(self, watch: moves.Watch) -> None:
        """See `moves.Watch`: what a candidate of this nature shows."""
        candidate = self.candidate
        if candidate is None:
            return
        wrong = candidate.nature is Nature.MISANSWERS
        probes = Probes(4, 1, "GET / answered 404") if wrong else Probes(4)
        seen = moves.Probed(watch.generation, probes, complete=True)
        self._tried(self._world.between(0.1, 1.0), lambda: self._hear(seen))
        if watch.share_permille and self.traffic:
            self._tried(self._world.between(0.5, 6.0), lambda: self._shows(candidate))

    def begin(self, operation: moves.Operation) -> None:
        """See `moves.Operation`; each takes its time, and may fail."""
        ticket = operation.ticket
        match operation:
            case moves.Fetch(_, served):
                self._fetch(ticket, served)
            case moves.Start():
                self._on_trial(0.2, 2.0, lambda: self._started(operation))
            case moves.Open():
                self.opened = True
                self._on_trial(0.05, 0.3, lambda: self._hear(moves.Done(ticket)))
            case moves.Steer(_, share):
                self._on_trial(0.01, 0.2, lambda: self._steered(ticket, share))
            case moves.Withdraw():
                self._on_trial(0.01, 0.3, lambda: self._withdrew(ticket))
            case moves.Commit(_, served):
                self._commit(ticket, served)
            case moves.GoBack(_, candidates):
                self._go_back(ticket, candidates)

    def _fetch(self, ticket: int, served: Served) -> None:
        def arrived() -> None:
            found = self._core.bundle(served.digest)
            if found is None:
                self._again(ticket, served)
                return
            self.disk.bundles[served.digest] = found
            self._hear(moves.Done(ticket))

        if served.digest in self.disk.bundles:
            self._later(0.001, 0.01, lambda: self._hear(moves.Done(ticket)))
            return
        life = self._life
        self._network.send(
            self.name,
            lambda: self._network.send(
                self.name, lambda: arrived() if life == self._life else None
            ),
        )
        self._again(ticket, served)

    def _again(self, ticket: int, served: Served) -> None:
        """Tried until it succeeds or the course has given it up."""

        def retry() -> None:
            course = self.course
            if course is None or served.digest in self.disk.bundles:
                return
            if ticket in {o.ticket for o in (course.doing, course.trying) if o is not None}:
                self._fetch(ticket, served)

        self._later(2.0, 4.0, retry)

    def _started(self, start: moves.Start) -> None:
        release = self.disk.bundles.get(start.served.digest)
        if release is None:
            why = "its bundle is not on disk"
            self._hear(moves.Refused(start.ticket, why, blames_content=False))
            return
        if release.nature in (Nature.REFUSED, Nature.REFUSED_LATE):
            self._hear(moves.Refused(start.ticket, "Envoy refused it: bad"))
            return
        if release.nature is Nature.MACHINE:
            why = "no memory for a second Envoy"
            self._hear(moves.Refused(start.ticket, why, blames_content=False))
            return
        self._trial += 1
        self.candidate, self.share_permille, self.opened = release, 0, False
        self._hear(moves.Done(start.ticket, baseline=start.baseline))

    def _steered(self, ticket: int, share: int) -> None:
        if self.candidate is not None:
            self.share_permille = share
            self._hear(moves.Done(ticket, share_permille=share))

    def _withdrew(self, ticket: int) -> None:
        self._trial += 1
        self.candidate, self.share_permille, self.opened = None, 0, False
        self._hear(moves.Done(ticket))

    def _commit(self, ticket: int, served: Served) -> None:
        if served.digest not in self.disk.bundles:
            why = "its bundle is not on disk"
            self._hear(moves.Refused(ticket, why, blames_content=False))
            return
        self._settle(ticket, served, moves.Done(ticket))

    def _go_back(self, ticket: int, candidates: tuple[Served, ...]) -> None:
        found = next((s for s in candidates if s.digest in self.disk.bundles), None)
        if found is None:
            self._hear(moves.Refused(ticket, "nothing older can be read"))
            return
        self._settle(ticket, found, moves.Done(ticket, served=found))

    def _settle(self, ticket: int, served: Served, done: moves.Done) -> None:
        """Let the stable slot take a release; a process is started if there is none."""
        release, life = self.disk.bundles[served.digest], self._life
        if not self.stable.alive or self.stable.session is None:
            self.stable.attach(release)

        def ended(why: str) -> None:
            if life != self._life:
                return
            if why:
                self._hear(moves.Refused(ticket, why, blames_content="refused" in why))
            else:
                self._live_with(release)
                self._hear(done)

        self.stable.commit(release, ended)

    # --- What releases do ------------------------------------------------------------------------

    def _shows(self, candidate: SimRelease) -> None:
        """What a candidate with traffic shows sooner or later."""
        match candidate.nature:
            case Nature.CRASHES:
                self.kill_candidate()
            case Nature.HANGS:
                self._hear(moves.Unanswered(2))
            case Nature.LEAKS:
                self._hear(moves.Weighed(_HUGE_BYTES, _MEMORY_BYTES))
            case Nature.ERRORS if self._world.perhaps(0.5):
                verdict = Unhealthy("5xx", None, "9 of 10 failed, 0 of 900 on stable")
                self._hear(moves.Judged("candidate", verdict))
            case _:
                self._hear(moves.Judged("candidate", Healthy("as good as stable")))

    def _live_with(self, release: SimRelease | None) -> None:
        """What the stable slot's release does to its process."""
        if release is None or release.nature not in (Nature.CRASHES, Nature.CRASHES_LATE):
            return
        self._process += 1
        process = self._process
        delay_s = 8.0 if release.nature is Nature.CRASHES_LATE else 1.0

        def die() -> None:
            if process == self._process and self.stable.serving == release and self.traffic:
                self.kill_stable()

        self._world.after(self._world.between(delay_s, 2 * delay_s), die)

    # --- Talk ------------------------------------------------------------------------------------

    def _hear(self, event: moves.Event) -> None:
        if self.course is None:
            return
        self.course, effects = decide(self.course, event, self._world.now_s)
        moves.carry_out(effects, self)
        self._wake()
        if not isinstance(event, moves.Heard):
            self._report_soon()

    def _wake(self) -> None:
        course = self.course
        due_s = wakeup_s(course) if course is not None else None
        if due_s is not None:
            delay_s = max(0.01, due_s - self._world.now_s)
            self._alive(delay_s, lambda: self._tick(due_s))

    def _tick(self, due_s: float) -> None:
        if self.course is not None and wakeup_s(self.course) == due_s:
            self._hear(moves.Tick())

    def _poll(self) -> None:
        course = self.course
        if course is None:
            return
        life, asked = self._life, [False]

        def next_poll() -> None:
            if life == self._life and not asked[0]:
                asked[0] = True
                self._alive(self._world.between(0.01, 0.2), self._poll)

        def answered(assignment: Assignment | None) -> None:
            if life != self._life:
                return
            self._hear(moves.Heard())
            if assignment is not None:
                self._hear(moves.Assigned(assignment))
            next_poll()

        known = course.memory.generation if course.booted else Generation(0)
        self._network.send(
            self.name,
            lambda: self._core.poll(
                self.name,
                known,
                lambda found: self._network.send(self.name, lambda: answered(found)),
            ),
        )
        self._alive(ASSIGNMENT_POLL_WAIT_S + 5.0, next_poll)

    def _report_regularly(self, life: int) -> None:
        if life == self._life:
            self._report_soon()
            self._alive(REPORT_INTERVAL_S, lambda: self._report_regularly(life))

    def _report_soon(self) -> None:
        """One report is on its way at a time; what changes meanwhile goes with the next."""
        if self._reporting or self.course is None:
            self._changed = True
            return
        self._reporting, self._changed = True, False
        life, over = self._life, [False]

        def done() -> None:
            if life == self._life and not over[0]:
                over[0] = True
                self._reporting = False
                changed = self._changed
                self._hear(moves.Heard())
                if changed:
                    self._report_soon()

        report = report_of(self.name, self.group, self.course)
        self._network.send(
            self.name,
            lambda: self._core.take(report, lambda: self._network.send(self.name, done)),
        )
        self._alive(REPORT_INTERVAL_S, done)

    # --- Delays ----------------------------------------------------------------------------------

    def _alive(self, delay_s: float, deed: Callable[[], None]) -> None:
        """Later, if the same agent still lives then."""
        life = self._life
        self._world.after(delay_s, lambda: deed() if life == self._life else None)

    def _later(self, low_s: float, high_s: float, deed: Callable[[], None]) -> None:
        self._alive(self._world.between(low_s, high_s), deed)

    def _on_trial(self, low_s: float, high_s: float, deed: Callable[[], None]) -> None:
        """Later, unless another operation of the trial has taken its place."""
        self._operation += 1
        number = self._operation
        self._later(low_s, high_s, lambda: deed() if number == self._operation else None)

    def _tried(self, delay_s: float, deed: Callable[[], None]) -> None:
        """Later, if the same candidate still runs then."""
        trial = self._trial
        self._alive(delay_s, lambda: deed() if trial == self._trial else None)
