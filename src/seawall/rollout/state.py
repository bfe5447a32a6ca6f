"""The nouns of a rollout, frozen: the fleet as stored, nodes as seen, and what a plan says.

`Fleet` is all that the store keeps of rollouts; a plan maps one `Fleet` to the next. `Inventory` is
what nodes said, and how long they have been silent. Times are Unix seconds of control's clock. This
file decides nothing; `plan` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.judge.verdict import NotEnough, Reason, Verdict
from seawall.model.rollout import RolloutPolicy
from seawall.rollout.ports import NodeReport, Trial

TASTE: Final = 0
"""The step before the first of the policy: no client meets the candidate. Step n is
`policy.steps[n - 1]`."""
NO_GENERATION: Final = Generation(0)
"""Before the first assignment."""
NOTHING_JUDGED: Final = NotEnough(Reason.NO_EVIDENCE, text="nothing was judged")


class Speed(StrEnum):
    """How fast a release goes, by its kind; the path is the same."""

    CONFIG = "config"
    """A person's change, certificates: the steps of the site file."""
    FEED = "feed"
    """Machine-made, frequent: short steps, only the newest waiting one is kept."""
    SWITCH = "switch"
    """A kill switch or an emergency rule: one node, then all within a minute."""


class Stage(StrEnum):
    """Where a rollout stands; `held`, `paused` and the fleet's freeze lie over it."""

    QUEUED = "queued"
    """Through the gate and stored; waits for the rollout before it."""
    TASTING = "tasting"
    """Candidates of this wave answer golden requests on private sockets."""
    CANARY = "canary"
    """A share of new connections of this wave's nodes meets the candidate."""
    COMMITTING = "committing"
    """The nodes of this wave take the release for all their traffic."""
    BAKING = "baking"
    """Every wave has committed: it is the fleet's target, and is watched until it is good."""
    DONE = "done"
    ROLLED_BACK = "rolled-back"
    """Withdrawn everywhere without a person: refused, unhealthy, or out of time."""
    ABORTED = "aborted"
    """Withdrawn everywhere by a person."""
    SUPERSEDED = "superseded"
    """Another release took its place."""


ENDED: Final = frozenset({Stage.DONE, Stage.ROLLED_BACK, Stage.ABORTED, Stage.SUPERSEDED})
"""Stages that nothing leaves."""
RUNNING: Final = frozenset({Stage.TASTING, Stage.CANARY, Stage.COMMITTING, Stage.BAKING})
"""Stages in which a rollout moves nodes; at most one rollout is in one of them."""


class Basis(StrEnum):
    """Why a step was passed; stored with the rollout, so that no advance is without a reason."""

    TASTED = "tasted"
    """The golden requests were answered as they should be (step 0 only)."""
    HEALTHY = "healthy"
    """The judge's verdict on this release at this step."""
    PROBES = "probes"
    """The policy's promotion on golden requests alone, for want of traffic."""
    UNTRIED = "untried"
    """No node of the wave can try a release beside the one that serves."""
    PERSON = "person"
    """A held rollout was resumed by a person."""
    BREAK_GLASS = "break-glass"
    """A person skipped the steps."""
    FIRST = "first"
    """The first release of an empty edge: there is nothing to protect."""
    KNOWN_GOOD = "known-good"
    """A rollback to a release that was baked before."""


STRAIGHT: Final = frozenset({Basis.BREAK_GLASS, Basis.FIRST, Basis.KNOWN_GOOD})
"""What lets a release be committed everywhere at once, without a step."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A step that was passed in a wave.

    Attributes:
        step: `TASTE` or the number of the policy's step.
        text: the evidence in words.
        generation: of the step's windows; 0 when it was passed over without one.
    """

    wave: int
    step: int
    basis: Basis
    text: str
    at_s: float
    generation: Generation = NO_GENERATION


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a rollout waits although nobody paused it, and since when.

    Attributes:
        code: kebab-case; the same hold has the same code while its words would change.
    """

    code: str
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A person stopped the advance of a rollout."""

    actor: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """No release starts and none advances, until somebody lifts it; withdrawals always go.

    Attributes:
        actor: a person, or `seawall` when the fleet's error rate was anomalous.
    """

    actor: str
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Target:
    """What every node shall run when no rollout says otherwise.

    Attributes:
        feed: which feed made it; empty when none did.
        base: of a feed release, what stood before the first of an unbroken row of that feed's
            releases: a newer release of the same feed made on top of it may replace this one.
        unproven: a person skipped its steps: no way back leads here before it was baked.
    """

    release: ReleaseId
    digest: Digest
    bake_s: float
    feed: str = ""
    base: ReleaseId | None = None
    unproven: bool = False


@dataclass(frozen=True, slots=True)
class Rollout:
    """One release on its way through the waves.

    Attributes:
        number: only grows; 0 before the store has numbered it.
        onto: what whoever asked for it saw as the target; it starts only on that.
        before: what the fleet was to run when this began: the rollback point; None for the first.
        straight: the reason why it is committed everywhere at once; None for the usual way.
        forced: its digest is quarantined and was named by a person.
        wave: index into `policy.waves`; as many as those: all nodes, the last wave.
        step: `TASTE`, or the number of the policy's step, in this wave.
        members: nodes of this wave that take part, in order of name.
        aside: nodes that were members and cannot take part now; they get the release in the end.
        committed: nodes of the waves before, and those of this wave that were told to commit.
        first_generation: of its first assignment; what a node says of an older one is not about
            this rollout. 0 before there is one.
        step_generation: of the first assignments of this step; 0 while there are none. Windows
            carry the generation of their node's own assignment (`Fleet.assigned`), which is larger
            on a node that was told again.
        deadline_s: when it is withdrawn if it has not committed everywhere.
        resumed_by: who lifted the last hold; an advance without a verdict names them.
        compared: candidates of this wave have a baseline beside them, if the policy wants one.
        ended_s: None while it goes on.
        outcome: how it ended, in words.
    """

    number: int
    release: ReleaseId
    digest: Digest
    speed: Speed
    policy: RolloutPolicy
    actor: str
    onto: ReleaseId | None
    before: Target | None
    stage: Stage
    queued_s: float
    started_s: float
    step_started_s: float
    deadline_s: float
    feed: str = ""
    reason: str = ""
    straight: Basis | None = None
    forced: bool = False
    wave: int = 0
    step: int = TASTE
    members: tuple[NodeName, ...] = ()
    aside: tuple[NodeName, ...] = ()
    committed: tuple[NodeName, ...] = ()
    first_generation: Generation = NO_GENERATION
    step_generation: Generation = NO_GENERATION
    passed: tuple[Pass, ...] = ()
    paused: Pause | None = None
    held: Hold | None = None
    resumed_by: str = ""
    compared: bool = True
    ended_s: float | None = None
    outcome: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing about it changes any more."""
        return self.stage in ENDED

    @property
    def share_permille(self) -> int:
        """Of new connections that may meet the candidate on a member of this wave now."""
        if self.stage is not Stage.CANARY:
            return 0
        return self.policy.steps[self.step - 1].share_permille

    @property
    def last_wave(self) -> bool:
        """Whether this wave holds every node that is left."""
        return self.wave >= len(self.policy.waves)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What a node was told last, or shall be told."""

    node: NodeName
    generation: Generation
    release: ReleaseId
    digest: Digest
    bake_s: float
    trial: Trial | None = None
    previous: ReleaseId | None = None
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything the store keeps of rollouts, read in one transaction.

    Attributes:
        version: grows with every write; a writer that has seen another one is refused.
        generation: the largest that was ever assigned.
        target: what nodes run when no rollout says otherwise; None before the first release.
        target_before: what the target was before; None before the second.
        rollouts: those that have not ended, in order of number.
        assigned: what each known node was told last.
        good: releases that were baked and are still stored, newest first.
        quarantined: digests that may not be assigned without force.
    """

    version: int = 0
    generation: Generation = NO_GENERATION
    target: Target | None = None
    target_before: ReleaseId | None = None
    frozen: Freeze | None = None
    rollouts: tuple[Rollout, ...] = ()
    assigned: Mapping[NodeName, Assigned] = field(default_factory=lambda: MappingProxyType({}))
    good: tuple[Target, ...] = ()
    quarantined: frozenset[Digest] = frozenset()

    @property
    def running(self) -> Rollout | None:
        """The one rollout that moves nodes."""
        return next((r for r in self.rollouts if r.stage in RUNNING), None)

    @property
    def waiting(self) -> tuple[Rollout, ...]:
        """Rollouts that have not begun, oldest first."""
        return tuple(r for r in self.rollouts if r.stage is Stage.QUEUED)


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as control sees it now.

    Attributes:
        report: the newest, without windows; None when it only asked for an assignment.
        silent_s: since it last said or asked anything, or since control began to listen.
        heard: whether it did; until then it counts as connected: those heard first are not all.
        awaited: it has not reported, and control has not listened for long.
    """

    name: NodeName
    report: NodeReport | None
    silent_s: float
    heard: bool = True
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """All nodes that were ever heard of, by name.

    Attributes:
        silent_after_s: a node that said nothing for longer is not connected.
    """

    nodes: Mapping[NodeName, Seen]
    silent_after_s: float

    def connected(self, name: NodeName) -> bool:
        """Whether the node has said something lately, or could not have yet."""
        seen = self.nodes.get(name)
        return seen is not None and seen.silent_s <= self.silent_after_s

    def report(self, name: NodeName) -> NodeReport | None:
        """What a connected node said last; None for one that is silent."""
        return self.nodes[name].report if self.connected(name) else None


@dataclass(frozen=True, slots=True)
class Findings:
    """What the judge says of the step that runs now.

    Attributes:
        step_generation: of the step that was judged (`Rollout.step_generation`): a verdict on
            another step is none.
        requests: that the candidates answered in this step, for people.
        decides_at_step: the first later step whose traffic could bring a verdict in time, or show
            harm, if any.
        bake: of stable slots since the commit, by the time before; None when nothing was judged.
        shows_harm: in this step's soak gross harm would show, though health cannot be proved:
            golden requests decide only after it.
        suspicion: what speaks against the candidate, and outweighs golden requests, without proof.
        rates_per_s: requests that met each node lately; one whose traffic is unknown is missing.
        hesitates: less than a suspicion, and reason to look at some more requests.
        alone: the one node of several whose numbers alone speak against the candidate, if any.
    """

    verdict: Verdict = NOTHING_JUDGED
    step_generation: Generation = NO_GENERATION
    requests: int = 0
    decides_at_step: int | None = None
    bake: Verdict | None = None
    shows_harm: bool = False
    suspicion: str = ""
    rates_per_s: Mapping[NodeName, float] = field(default_factory=lambda: MappingProxyType({}))
    hesitates: bool = False
    alone: NodeName | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A sentence of the history.

    Attributes:
        rollout: its number; 0 for the fleet as a whole.
        release: which one it is about; None for the fleet as a whole.
        code: kebab-case, for machines.
    """

    rollout: int
    release: ReleaseId | None
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Blame:
    """A digest that must not be rolled out again, and why."""

    digest: Digest
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be next; nothing has happened yet.

    Attributes:
        fleet: the next state. Its `version` is the one that was read: the store makes the next.
        assignments: those that change, with their new generations.
        withdrawn: nodes whose assignment is taken away: there is nothing they should run.
        blames: digests to quarantine in the same transaction.
        ended: rollouts that this plan ended; `fleet` no longer holds them.
    """

    fleet: Fleet
    assignments: tuple[Assigned, ...] = ()
    withdrawn: tuple[NodeName, ...] = ()
    events: tuple[Event, ...] = ()
    blames: tuple[Blame, ...] = ()
    ended: tuple[Rollout, ...] = ()
