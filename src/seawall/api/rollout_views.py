"""The JSON shapes of rollouts: what goes on, on which nodes, on what evidence, and why it ended.

As `api.views`: standard library only, units last, times in Unix seconds, fields added and never
renamed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassView:
    """A step that was passed.

    Attributes:
        wave: from 1.
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
        part: `member` of this wave, `committed`, `aside` (takes it later), `waiting` for its wave.
        share_permille: of its new connections that meet the candidate now.
        phase: of its trial, or of its assignment when it has none.
        message: what it says; may be empty.
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
    """A sentence of the history. `code` is for machines."""

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
        wave: from 1; `waves` counts them, the last one holds every node that is left.
        step: 0 is the taste; `steps` counts those of the policy.
        verdict: of the judge on this step, in words; empty when nothing is judged.
        held: why it waits by itself; empty when it does not.
        paused_by: who paused it; empty when nobody did.
        straight: why it skips the steps; empty when it does not.
        deadline_s: when it is withdrawn if it has not been committed everywhere.
        outcome: how it ended; empty while it goes on.
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
    """Why nothing advances, by whom and since when."""

    actor: str
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True)
class RolloutsView:
    """Everything about rollouts now.

    Attributes:
        target: what every node is to run when no rollout says otherwise.
        running: None when no release is on its way.
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
