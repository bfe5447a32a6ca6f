"""The JSON shapes of rollouts: what goes on, on which nodes, on what evidence, and why it ended.

As `api.views`: standard library only, units last, times in Unix seconds, fields added and never
renamed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassView:
    """A step that was passed.

    Attributes:
        wave: counted from 1.
        step: 0 is the taste, n the n-th step of the policy.
        basis: `tasted`, `healthy`, `probes`, `untried`, `person`, `break-glass`, `first` or
            `known-good`.
        text: the evidence in words.
    """

    wave: int
    step: int
    basis: str
    text: str
    at_s: float


@dataclass(frozen=True, slots=True)
class RolloutNodeView:
    """A node in a rollout.

    Attributes:
        part: `member` of this wave, `committed`, `aside` (takes it later), or `waiting` for its
            wave.
        share_permille: how many of 1,000 new connections go to the candidate now.
        phase: of its trial, or of its assignment if it has no trial.
        message: what the node reports; may be empty.
    """

    name: str
    connected: bool
    part: str
    release: str | None
    generation: int
    share_permille: int
    phase: str
    message: str


@dataclass(frozen=True, slots=True)
class RolloutEventView:
    """One sentence of the history. `code` is for programs."""

    at_s: float
    rollout: int
    release: str | None
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One rollout.

    Attributes:
        stage: as in docs/rollout.md.
        wave: counted from 1, out of `waves`; the last wave contains all remaining nodes.
        step: 0 is the taste; `steps` counts the steps of the policy.
        verdict: what the judge says about this step; empty if nothing is judged.
        held: why the rollout is held; empty if it is not.
        paused_by: who paused it; empty if nobody did.
        straight: why it skips the steps; empty if it does not.
        deadline_s: when it is withdrawn unless it has been committed everywhere.
        outcome: how it ended; empty while it runs.
    """

    number: int
    release: str
    before: str | None
    speed: str
    stage: str
    actor: str
    reason: str
    wave: int
    waves: int
    step: int
    steps: int
    share_permille: int
    started_s: float
    step_started_s: float
    deadline_s: float
    verdict: str
    held: str
    paused_by: str
    straight: str
    passed: tuple[PassView, ...]
    nodes: tuple[RolloutNodeView, ...]
    ended_s: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class FreezeView:
    """Who froze all rollouts, why, and since when."""

    actor: str
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True)
class RolloutsView:
    """Everything about rollouts now.

    Attributes:
        target: what every node is to run when no rollout says otherwise.
        running: null when no release is on its way.
        waiting: in order.
        gate: what is still in the gate and no rollout yet, in words; empty when nothing is.
    """

    target: str | None
    frozen: FreezeView | None
    running: RolloutView | None
    waiting: tuple[RolloutView, ...]
    gate: str = ""


@dataclass(frozen=True, slots=True)
class RolloutHistoryView:
    """The rollouts of one release and what happened in them, oldest first."""

    rollouts: tuple[RolloutView, ...]
    events: tuple[RolloutEventView, ...]
