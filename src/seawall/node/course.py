"""The course of one release on one node: taste, canary, commit, bake, last known good, and back.

Pure: events (`moves`) and the time go in, the next state and effects come out; the agent and the
simulator drive this same machine through `moves.Effects`. It does not decide what shall run. It
makes reality equal to the newest assignment, and by itself it only ever goes back:

* a generation is never smaller than the one before, and is persisted before anything is done;
* a candidate that dies, hangs, grows, is refused, answers wrongly or is judged unhealthy loses its
  connections first and is reported then; it is tried again only from the taste on, by a larger
  generation;
* a trial needs control: without an answered poll for `TRIAL_LEASE_S` it ends, and an agent that
  starts anew begins none before it has heard control;
* the stable slot keeps what it serves until the next release has been acknowledged, and goes back
  to an older good one when it keeps dying, or when a baking release is unhealthy.

Two lanes of operations, each with one in flight: the stable slot's, and the trial's. A trial moves
only while the stable slot is settled; only its withdrawal waits for nothing.
"""

from dataclasses import replace

from seawall.errors import invariant
from seawall.limits import LAST_KNOWN_GOOD_GENERATIONS_MIN, TRIAL_ATTEMPTS_MAX, TRIAL_LEASE_S
from seawall.node import candidacy, moves
from seawall.node.hearing import hear
from seawall.node.standing import Course, cannot_go_back, fail, is_right, is_settled
from seawall.node.state import Served
from seawall.rollout.ports import Phase

__all__ = ["Course", "decide", "wakeup_s"]


def decide(
    course: Course, event: moves.Event, now_s: float
) -> tuple[Course, tuple[moves.Effect, ...]]:
    """The next state, and what to do now.

    What must be persisted comes first; only a withdrawal of the node's own will does not wait for
    the disk: an agent that dies in between clears what stands anyway.
    """
    before = event.memory if isinstance(event, moves.Booted) else course.memory
    course = hear(course, event, now_s)
    effects: list[moves.Effect] = []
    if course.booted:
        course = _expire(course, now_s)
        course, effects = _go_on(course, now_s)
    invariant(course.memory.generation >= before.generation, "a generation fell")
    if course.memory != before:
        own_will = course.memory.generation == before.generation
        first = own_will and any(isinstance(effect, moves.Withdraw) for effect in effects[:1])
        effects.insert(1 if first else 0, moves.Persist(course.memory))
    return course, tuple(effects)


def wakeup_s(course: Course) -> float | None:
    """When to send a `Tick` at the latest; None when nothing is due."""
    due = [None if course.back else course.bake_due_s]  # see `_expire`
    if course.trial is not None and course.trial.active:
        due += [course.lease_due_s, course.trial.taste_due_s]
    return min((moment for moment in due if moment is not None), default=None)


# --- What follows from what is -------------------------------------------------------------------


def _go_on(course: Course, now_s: float) -> tuple[Course, list[moves.Effect]]:
    """Begin whatever leads from what is to what is wanted."""
    effects: list[moves.Effect] = []
    if _must_withdraw(course):
        hung = course.trial is not None and course.trial.hung
        course = _try(course, moves.Withdraw(course.tickets + 1, hung), effects)
    if course.doing is None or isinstance(course.doing, moves.Fetch):
        course = _stable_next(course, effects)
    if course.doing is None and course.trying is None and not course.leftover:
        course = _trial_next(course, now_s, effects)
    return course, effects


def _stable_next(course: Course, effects: list[moves.Effect]) -> Course:
    memory, serving = course.memory, course.serving
    if course.back:
        older = memory.older_good(serving) if serving else ()
        if not older:
            return cannot_go_back(course)
        return _do(course, moves.GoBack(course.tickets + 1, older), effects)
    assignment = memory.assignment
    busy = course.doing is not None or course.trying is not None
    if assignment is None or is_settled(course) or busy:
        return course
    target = Served(assignment.release, assignment.digest, assignment.generation)
    if course.fetched != target.digest:
        course = replace(course, phase=Phase.FETCHING)
        return _do(course, moves.Fetch(course.tickets + 1, target), effects)
    if memory.attempts >= TRIAL_ATTEMPTS_MAX:
        message = (
            f"{target.release} was rejected: the agent died {memory.attempts} times while "
            "loading it"
        )
        memory = replace(memory, attempting=None, message=message)
        return replace(course, memory=memory, phase=Phase.REJECTED)
    memory = replace(memory, attempting=target, attempts=memory.attempts + 1)
    course = replace(course, memory=memory, phase=Phase.COMMITTING)
    return _do(course, moves.Commit(course.tickets + 1, target), effects)


def _trial_next(course: Course, now_s: float, effects: list[moves.Effect]) -> Course:
    course = _with_trial(course, now_s)
    trial, memory = course.trial, course.memory
    if trial is None or not trial.active:
        return course
    step = trial.next_step()
    if step is not None:
        effects.append(step)
        trial = trial.stepped(step)
        course = replace(course, trial=trial)
    operation = trial.next_operation(course.tickets + 1)
    if operation is None:
        return course
    if isinstance(operation, moves.Start):
        why = _cannot_start(course)
        if why:
            failed = fail(course, why, blames_content=False)
            return replace(failed, trial=failed.trial.withdrawn() if failed.trial else None)
        course = replace(course, memory=replace(memory, attempts=memory.attempts + 1))
    return _try(course, operation, effects)


def _with_trial(course: Course, now_s: float) -> Course:
    """With the assigned trial begun, or told of when it has failed here before."""
    assignment, failure = course.memory.assignment, course.memory.failed
    if course.trial is not None or assignment is None or assignment.trial is None:
        return course
    wanted, generation = assignment.trial, assignment.generation
    if failure is not None and failure.digest == wanted.digest:
        return replace(course, trial=candidacy.remembered(wanted, generation, failure))
    if course.lease_due_s is None or course.lease_due_s <= now_s:
        return course
    return replace(course, trial=candidacy.begin(wanted, generation, now_s))


def _cannot_start(course: Course) -> str:
    if course.serving is None:
        return "nothing serves here to compare it with"
    attempts = course.memory.attempts
    if attempts >= TRIAL_ATTEMPTS_MAX:
        return f"the agent died {attempts} times while it tried this"
    return ""


def _expire(course: Course, now_s: float) -> Course:
    """What is due: the end of a bake, of a taste, of the lease."""
    if course.bake_due_s is not None and course.bake_due_s <= now_s and not course.back:
        course = _promoted(course)
    trial = course.trial
    if trial is None or not trial.active:
        return course
    why, blames_content = trial.overdue(now_s)
    if why:
        return fail(course, why, blames_content=blames_content)
    if course.lease_due_s is not None and course.lease_due_s <= now_s:
        why = f"control could not be reached, or could not end the trial, for {TRIAL_LEASE_S:g} s"
        return replace(fail(course, why, blames_content=False), lease_due_s=None)
    return course


def _promoted(course: Course) -> Course:
    course = replace(course, bake_due_s=None)
    if course.serving is None:
        return course
    good = course.memory.promoted(course.serving, LAST_KNOWN_GOOD_GENERATIONS_MIN + 1)
    phase = Phase.GOOD if course.phase is Phase.BAKING else course.phase
    return replace(course, memory=replace(course.memory, good=good), phase=phase)


def _must_withdraw(course: Course) -> bool:
    trial, assignment = course.trial, course.memory.assignment
    if isinstance(course.trying, moves.Withdraw):
        return False
    if course.leftover:
        return True
    if trial is None or trial.gone:
        return False
    if trial.failure is not None or assignment is None:
        return True
    if assignment.trial is not None:
        # Where it is not settled, the ground moves under it.
        return not is_settled(course) or assignment.trial.digest != trial.want.digest
    commits = assignment.digest == trial.want.digest and not course.memory.message
    return not commits or is_right(course)


def _do(course: Course, operation: moves.Operation, effects: list[moves.Effect]) -> Course:
    effects.append(operation)
    return replace(course, doing=operation, tickets=operation.ticket)


def _try(course: Course, operation: moves.Operation, effects: list[moves.Effect]) -> Course:
    effects.append(operation)
    return replace(course, trying=operation, tickets=operation.ticket)
