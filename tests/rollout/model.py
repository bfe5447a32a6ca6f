"""A fleet in one process without sockets: the planner, nodes that do as they are told, a clock.

Time moves in ticks of one second. Each tick nodes act, then report, then the planner plans on what
they said, its plan is linted and taken. Everything a scenario can do is a method here.
"""

from dataclasses import dataclass, field, replace

from seawall import limits
from seawall.errors import ConflictError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy, Verdict
from seawall.model.rollout import RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.rollout import orders
from seawall.rollout.lint import lint
from seawall.rollout.plan import plan
from seawall.rollout.ports import (
    LEVEL_TRIALS,
    NodeReport,
    Phase,
    Probes,
    Steering,
    TrialPhase,
    TrialReport,
)
from seawall.rollout.record import fleet_state
from seawall.rollout.state import (
    NO_GENERATION,
    Assigned,
    Event,
    Findings,
    Fleet,
    Inventory,
    Plan,
    Rollout,
    Seen,
    Speed,
    Stage,
    Target,
)

REQUESTS_NEEDED = 200
POLICY = RolloutPolicy(
    steps=tuple(Step(share, 5.0, 60.0) for share in (10, 100, 500)),
    waves=(Wave(group="canary"), Wave(share=0.1), Wave(share=1.0)),
    taste_deadline_s=60.0,
    bake_s=15.0,
    without_traffic=WithoutTraffic.PROBES,
    baseline=True,
)


def digest(release: str) -> Digest:
    return Digest((release.removeprefix("r") + "d").rjust(64, "0"))


@dataclass
class ModelNode:
    """Takes two ticks for a commit and a taste, one to steer."""

    name: NodeName
    level: int = LEVEL_TRIALS
    steering: Steering = Steering.KERNEL
    groups: tuple[str, ...] = ()
    away: bool = False
    slow: bool = False
    silent_s: float = 0.0
    unheard_s: float = 0.0
    generation: Generation = NO_GENERATION
    told: Assigned | None = None
    serving: ReleaseId | None = None
    phase: Phase = Phase.GOOD
    message: str = ""
    trial: TrialReport | None = None
    good: tuple[ReleaseId, ...] = ()
    busy: int = 0
    baking_s: float = 0.0
    fails: dict[str, tuple[str, bool]] = field(default_factory=dict)
    rejects: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def hear(self, assigned: Assigned | None) -> None:
        """Take what control offers, unless it is away or the number is not larger."""
        if self.away or assigned is None or assigned.generation <= self.generation:
            return
        self.generation, self.told = assigned.generation, assigned
        self.phase, self.message, self.trial, self.busy = Phase.FETCHING, "", None, 2
        if assigned.release == self.serving:
            self.phase = Phase.GOOD if self.serving in self.good else Phase.BAKING
            self.busy = 2 if assigned.trial is not None and not assigned.trial.share_permille else 1
        if assigned.trial is not None:
            self.trial = TrialReport(
                assigned.trial.release, assigned.trial.digest, TrialPhase.STARTING
            )

    def live(self) -> None:
        """One second."""
        if self.told is None or self.slow:
            return
        if self.busy:
            self.busy -= 1
            if not self.busy:
                self._finish(self.told)
        elif self.phase is Phase.BAKING and self.serving:
            self.baking_s += 1
            if self.baking_s >= self.told.bake_s:
                self.phase = Phase.GOOD
                self.good = (self.serving, *(r for r in self.good if r != self.serving))[:4]
        if self.trial is not None and self.trial.phase is not TrialPhase.FAILED:
            self._tried(self.trial)

    def _finish(self, told: Assigned) -> None:
        if told.release != self.serving:
            if told.release in self.rejects:
                words, bad = self.rejects[told.release]
                self.phase = Phase.REJECTED
                self.message = f"was not taken: {'Envoy refused it: ' if bad else ''}{words}"
                return
            self.serving, self.phase, self.baking_s = told.release, Phase.BAKING, 0.0
        if told.trial is not None and self.trial is not None:
            share = told.trial.share_permille
            phase = TrialPhase.STEERED if share else TrialPhase.TASTED
            self.trial = replace(self.trial, phase=phase, share_permille=share, probes=Probes(4))

    def _tried(self, trial: TrialReport) -> None:
        if trial.release in self.fails:
            words, bad = self.fails[trial.release]
            self.trial = replace(
                trial, phase=TrialPhase.FAILED, message=words, blames_content=bad, share_permille=0
            )

    def report(self) -> NodeReport:
        return NodeReport(
            node=self.name,
            generation=self.generation,
            release=self.serving,
            digest=digest(self.serving) if self.serving else None,
            phase=self.phase,
            message=self.message,
            last_known_good=self.good,
            trial=self.trial,
            steering=self.steering,
            groups=self.groups,
            level=self.level,
        )


class Model:
    """The fleet and what was said; `events` empties what `drain` gives."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.led_since_s = 0.0
        self.fleet = Fleet()
        self.nodes: dict[NodeName, ModelNode] = {}
        self.policy = POLICY
        self.rate_per_s: float | None = 100.0
        self.verdict: Verdict | None = None
        self.bake: Verdict | None = None
        self.suspicion = ""
        self.hesitates = False
        self.alone: NodeName | None = None
        self.said: list[Event] = []
        self.ended: list[Rollout] = []
        self.numbers = 0
        self.stale: Fleet | None = None
        self.backup: Fleet | None = None
        self.pace_s = 1

    # --- What a scenario does --------------------------------------------------------------------

    def add(self, node: ModelNode) -> None:
        self.nodes[node.name] = node

    def start(self, release: str, **options: object) -> None:
        speed = Speed(str(options.pop("speed", "config")))
        onto = options.pop("onto", self.fleet.target.release if self.fleet.target else None)
        order = orders.Order(
            release=ReleaseId(release),
            digest=digest(release),
            policy=self.policy,
            speed=speed,
            onto=onto,  # type: ignore[arg-type]  # - text of a scenario
            actor=str(options.pop("actor", "ann")),
            **options,  # type: ignore[arg-type]  # - checked by the dataclass
        )
        self.take(orders.start(self.fleet, order, self.numbers + 1, self.now_s))
        self.numbers += 1

    def take(self, made: Plan, *, by: Fleet | None = None) -> None:
        """What the store does: compare the version, then write all of it."""
        if (by or self.fleet).version != self.fleet.version:
            raise ConflictError("fleet-moved", "Another control process has written.")
        if made.fleet == self.fleet:
            return
        self.said += made.events
        self.ended += made.ended
        good = self._good()
        quarantined = self.fleet.quarantined | {blame.digest for blame in made.blames}
        # What is stored comes back the same.
        self.fleet = replace(
            fleet_state(made.fleet),
            version=self.fleet.version + 1,
            good=good,
            quarantined=quarantined,
        )

    def drain(self) -> tuple[Event, ...]:
        said, self.said = tuple(self.said), []
        return said

    def tick(self) -> None:
        self.pass_time()
        self.think()

    def pass_time(self) -> None:
        """Let the nodes live for one pace; nothing is planned."""
        self.now_s += self.pace_s
        for node in self.nodes.values():
            node.hear(self.fleet.assigned.get(node.name))
            node.live()
            node.silent_s = node.silent_s + 1 if node.away else 0.0
            node.unheard_s = max(0.0, node.unheard_s - (not node.away))

    def think(self) -> None:
        inventory, findings = self.inventory(), self.findings()
        made = plan(self.fleet, inventory, findings, self.now_s)
        found = lint(self.fleet, made, inventory, findings)
        assert found == (), found
        self.take(made)
        again = plan(self.fleet, inventory, findings, self.now_s)
        assert not again.assignments, f"a plan comes to rest: {again.assignments[:2]}"

    # --- What the planner sees -------------------------------------------------------------------

    def inventory(self) -> Inventory:
        heard = {n.name: n for n in self.nodes.values() if n.silent_s < self.now_s or not n.away}
        return Inventory(
            {name: self._seen(heard[name]) for name in sorted(heard)}, limits.NODE_SILENT_AFTER_S
        )

    def _seen(self, node: ModelNode) -> Seen:
        if node.unheard_s > 0:
            return Seen(node.name, None, self.now_s - self.led_since_s, heard=False)
        return Seen(node.name, node.report(), node.silent_s)

    def findings(self) -> Findings:
        rollout = self.fleet.running
        if rollout is None or rollout.stage is not Stage.CANARY:
            return Findings(bake=self.bake)
        in_step_s = self.now_s - rollout.step_started_s
        step = rollout.policy.steps[rollout.step - 1]
        rate = self.rate_per_s
        rate = None if rate is None else rate * len(rollout.members)
        requests = 0 if rate is None else int(rate * in_step_s * step.share_permille / 1000)
        later = None
        for number, following in enumerate(rollout.policy.steps, 1):
            expected = (rate or 0) * following.deadline_s * following.share_permille / 1000
            harm = self._harm(following, len(rollout.members))
            if number > rollout.step and (harm or expected >= REQUESTS_NEEDED) and later is None:
                later = number
        verdict = self.verdict
        if verdict is None:
            verdict = Healthy(f"0 of {requests} requests failed")
            if rate is None:
                verdict = NotEnough(Reason.NO_EVIDENCE, text="nothing was measured")
            elif rate * step.deadline_s * step.share_permille / 1000 < REQUESTS_NEEDED:
                verdict = NotEnough(Reason.NO_TRAFFIC, text=f"{rate:g} requests/s are too few")
            elif requests < REQUESTS_NEEDED:
                verdict = NotEnough(Reason.GATHERING, text=f"{requests} requests so far")
        harm = self._harm(step, len(rollout.members))
        return Findings(
            verdict,
            rollout.step_generation,
            requests,
            later,
            self.bake,
            harm,
            self.suspicion,
            hesitates=self.hesitates,
            alone=self.alone,
        )

    def _harm(self, step: Step, nodes: int) -> bool:
        soaked = (self.rate_per_s or 0) * nodes * step.share_permille / 1000 * step.soak_s
        return soaked >= limits.ROLLOUT_HARM_REQUESTS_MIN

    def _good(self) -> tuple[Target, ...]:
        newest = dict.fromkeys(release for node in self.nodes.values() for release in node.good)
        return tuple(Target(r, digest(r), POLICY.bake_s) for r in newest)


def unhealthy(gate: str, text: str) -> Unhealthy:
    return Unhealthy(gate, None, text)
