"""What the machine of `course` knows, and the few answers that both its halves need. Pure."""

from dataclasses import dataclass, field, replace

from seawall.ids import Digest
from seawall.node import moves
from seawall.node.candidacy import Candidacy
from seawall.node.state import FailedTrial, NodeState, Served
from seawall.rollout.ports import Assignment, Nack, Phase


@dataclass(frozen=True, slots=True)
class Course:
    """Everything the machine knows.

    Attributes:
        memory: what survives the agent; persisted whenever it changes.
        serving: what the stable slot serves.
        phase: of the stable slot with the newest assignment.
        doing: the operation in flight on the stable slot.
        trying: the operation in flight on the trial.
        leftover: an earlier agent's trial may still stand.
        back: why the stable slot must go back; empty when it need not.
        spoiled: why the release that is being committed must not stay.
        refusal: what was said to a controller that is behind.
        trouble: why the node could not go back.
        lease_due_s: when control counts as lost; None before it was heard.
    """

    memory: NodeState = field(default_factory=NodeState)
    serving: Served | None = None
    booted: bool = False
    phase: Phase = Phase.COMMITTING
    nacks: tuple[Nack, ...] = ()
    fetched: Digest | None = None
    doing: moves.Operation | None = None
    trial: Candidacy | None = None
    trying: moves.Operation | None = None
    tickets: int = 0
    leftover: bool = True
    back: str = ""
    spoiled: str = ""
    refusal: str = ""
    trouble: str = ""
    bake_due_s: float | None = None
    lease_due_s: float | None = None


def is_right(course: Course) -> bool:
    """Whether the stable slot serves what is assigned."""
    assignment, serving = course.memory.assignment, course.serving
    if assignment is None or serving is None:
        return assignment is None
    return is_assigned(serving, assignment)


def is_assigned(served: Served, assignment: Assignment | None) -> bool:
    """Whether `served` is what is assigned."""
    wanted = (assignment.release, assignment.digest) if assignment else None
    return wanted == (served.release, served.digest)


def is_settled(course: Course) -> bool:
    """Whether nothing is left to take: what is assigned serves, or was not taken."""
    return bool(course.memory.message) or is_right(course)


def fail(course: Course, why: str, *, blames_content: bool, nacks: tuple[Nack, ...] = ()) -> Course:
    """The trial ends by the node's own will; it is withdrawn at once, and told of after that."""
    if course.trial is None or course.trial.failure is not None:
        return course
    trial, spoiled = course.trial, course.spoiled
    failure = FailedTrial(trial.want.digest, trial.generation, why, blames_content)
    doing = course.doing
    if isinstance(doing, moves.Commit) and blames_content and doing.served.digest == failure.digest:
        spoiled = f"{doing.served.release} failed while it was committed: {why}"
    trial = replace(trial, failure=failure, nacks=nacks)
    memory = replace(course.memory, failed=failure)
    return replace(course, trial=trial, memory=memory, spoiled=spoiled)


def cannot_go_back(course: Course) -> Course:
    """There is nothing older; what serves goes on serving."""
    trouble = f"{course.back}, and there is no older good release."
    return replace(course, back="", trouble=trouble)
