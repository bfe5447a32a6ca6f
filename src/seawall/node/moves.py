"""What the machine of `course` hears and says: events in, operations and effects out, as values.

One operation is in flight at a time; it carries a ticket, and so does its answer: an answer to an
operation that has been given up finds nobody. Whoever drives the machine implements `Effects`:
the agent with real processes, a simulator with made-up ones, a scenario with a line of text.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from seawall.ids import Generation
from seawall.judge.verdict import Verdict
from seawall.node.state import NodeState, Served
from seawall.rollout.ports import Assignment, Nack, Probes

Arm = Literal["stable", "candidate", "baseline"]

# --- Events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booted:
    """The agent has started, and Envoy serves what could be read from disk.

    Attributes:
        memory: as it was on disk.
        serving: None when there was nothing to serve.
    """

    memory: NodeState
    serving: Served | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Control says what shall run."""

    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Heard:
    """Control answered something, whatever it said."""


@dataclass(frozen=True, slots=True)
class Done:
    """The operation `ticket` ended well.

    Attributes:
        share_permille: after `Steer`: what is really in effect.
        baseline: after `Start`: whether the baseline that was wanted runs.
        served: after `GoBack`: what serves now; None when nothing older could be read.
    """

    ticket: int
    share_permille: int = 0
    baseline: bool = True
    served: Served | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The operation `ticket` failed for good, and is undone as far as it went.

    Attributes:
        blames_content: the release is at fault, not this machine.
    """

    ticket: int
    why: str
    nacks: tuple[Nack, ...] = ()
    blames_content: bool = True


@dataclass(frozen=True, slots=True)
class Probed:
    """Golden requests were answered.

    Attributes:
        generation: of the step they were asked in.
        probes: all of this step.
        complete: each one has been asked at least once in this step.
    """

    generation: Generation
    probes: Probes
    complete: bool


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The candidate's admin socket was silent `count` times in a row."""

    count: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """Memory that the two processes hold."""

    candidate_bytes: int
    stable_bytes: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the node's own judge says of an arm: the candidate of a trial, or a baking release."""

    arm: Literal["stable", "candidate"]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Died:
    """An Envoy exited that nobody had told to."""

    arm: Arm
    words: str = ""


@dataclass(frozen=True, slots=True)
class Looping:
    """The stable slot's Envoy dies again and again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    Booted
    | Assigned
    | Heard
    | Done
    | Refused
    | Probed
    | Unanswered
    | Weighed
    | Judged
    | Died
    | Looping
    | Tick
)

# --- Operations: one at a time, each answered by `Done` or `Refused` -----------------------------


@dataclass(frozen=True, slots=True)
class Fetch:
    """Have a release's bundle here, checked; tried again until it succeeds or is given up.

    Attributes:
        trial: whether it is for the candidate.
    """

    ticket: int
    served: Served
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Start the candidate, and a baseline if so, on their private sockets only; warm them."""

    ticket: int
    served: Served
    baseline: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Bind the public ports in candidate and baseline; no connection comes to them yet."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Steer:
    """Give the candidate this share of new connections."""

    ticket: int
    share_permille: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """No new connection for candidate and baseline, then drain and stop them.

    Done as soon as no new connection comes to them; the rest may go on behind it. It cannot be
    refused: a process that cannot be steered away from is killed. Also ends what `Watch` began,
    and clears what an earlier agent left behind.

    Attributes:
        hung: nothing ends by itself in there: do not wait for it.
    """

    ticket: int
    hung: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """Make the stable slot serve a release, in place or by a swap of processes.

    Refused: the stable slot serves what it served before.
    """

    ticket: int
    served: Served


@dataclass(frozen=True, slots=True)
class GoBack:
    """Make the stable slot serve the first of these that can be read."""

    ticket: int
    candidates: tuple[Served, ...]


Operation = Fetch | Start | Open | Steer | Withdraw | Commit | GoBack

# --- Effects: at once, unanswered ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persist:
    """Make this survive a crash before anything that follows."""

    memory: NodeState


@dataclass(frozen=True, slots=True)
class Watch:
    """A step begins: from now on windows and golden requests count for it, from zero.

    Until `Withdraw`, `Probed`, `Unanswered`, `Weighed`, `Judged` and `Died` tell how it goes.
    """

    served: Served
    generation: Generation
    share_permille: int


Effect = Persist | Watch | Operation


class Effects(Protocol):
    """What drives the machine: carries out what it says, in the order it was said."""

    def persist(self, memory: NodeState) -> None:
        """See `Persist`; a disk that refuses is the driver's to report, and stops nothing."""
        ...

    def watch(self, watch: Watch) -> None:
        """See `Watch`."""
        ...

    def begin(self, operation: Operation) -> None:
        """Begin an operation and give up the one before it if that has not ended."""
        ...


def carry_out(effects: tuple[Effect, ...], driver: Effects) -> None:
    """Hand each effect to the driver."""
    for effect in effects:
        match effect:
            case Persist(memory):
                driver.persist(memory)
            case Watch():
                driver.watch(effect)
            case _:
                driver.begin(effect)
