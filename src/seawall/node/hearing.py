"""The hearing half of `course`: what an event changes, before anything follows from it. Pure."""

from dataclasses import replace
from typing import Final

from seawall.judge.verdict import Unhealthy, Verdict
from seawall.limits import TRIAL_LEASE_S
from seawall.node import moves
from seawall.node.candidacy import Candidacy
from seawall.node.standing import (
    Course,
    cannot_go_back,
    fail,
    is_assigned,
    is_right,
    is_settled,
)
from seawall.rollout.ports import UNHEALTHY_BAKING, Assignment, Phase, Trial

_REBAKE_S_MIN: Final = 1.0
"""After a death a release without a bake time is still watched this long."""


def hear(course: Course, event: moves.Event, now_s: float) -> Course:
    """The state after `event`, before anything follows from it."""
    match event:
        case moves.Booted(memory, serving):
            return _booted(replace(course, memory=memory, serving=serving), now_s)
        case moves.Assigned(assignment):
            return _assigned(course, assignment, now_s)
        case moves.Heard():
            return replace(course, lease_due_s=now_s + TRIAL_LEASE_S)
        case moves.Done() | moves.Refused():
            return _answered(course, event, now_s)
        case moves.Died(arm, words):
            return _died(course, arm, words, now_s)
        case _:
            return _noticed(course, event)


def _answered(course: Course, event: moves.Done | moves.Refused, now_s: float) -> Course:
    """An operation has ended; a ticket that is not in flight changes nothing."""
    doing, trying = course.doing, course.trying
    if doing is not None and doing.ticket == event.ticket:
        course = replace(course, doing=None)
        if isinstance(event, moves.Done):
            return _done(course, doing, event, now_s)
        return _refused(course, doing, event)
    if trying is not None and trying.ticket == event.ticket:
        course = replace(course, trying=None)
        if isinstance(trying, moves.Withdraw):
            return _withdrawn(course)
        if isinstance(event, moves.Refused):
            blames, nacks = event.blames_content, event.nacks
            return fail(course, event.why, nacks=nacks, blames_content=blames)
        if course.trial is not None:
            return replace(course, trial=course.trial.after(trying, event))
    return course


def _noticed(course: Course, event: moves.Event) -> Course:
    """Something was seen on a running Envoy."""
    match event:
        case moves.Looping() if course.serving is not None:
            why = f"Envoy kept dying with {course.serving.release}"
            course = fail(course, "the stable Envoy keeps dying", blames_content=False)
            return replace(course, back=why, bake_due_s=None)
        case moves.Judged("stable", verdict):
            return _judged_baking(course, verdict)
        case moves.Probed() | moves.Unanswered() | moves.Weighed() | moves.Judged():
            return _watched(course, event)
        case _:
            return course


def _booted(course: Course, now_s: float) -> Course:
    memory, serving = course.memory, course.serving
    course = replace(course, booted=True)
    if serving is not None and not _is_good(course):
        course = replace(course, bake_due_s=now_s + memory.bake_s)
    if memory.assignment is not None or serving is None:
        return _with_phase(course)
    # Written by a version that remembered finished assignments only.
    if serving.generation != memory.generation:
        return replace(course, phase=Phase.REJECTED if memory.message else Phase.GOOD)
    return _with_phase(course)


def _assigned(course: Course, assignment: Assignment, now_s: float) -> Course:
    memory = course.memory
    if assignment == memory.assignment:
        return replace(course, lease_due_s=now_s + TRIAL_LEASE_S)
    if assignment.generation <= memory.generation:
        refusal = (
            f"Control assigned generation {assignment.generation}, but this node has already "
            f"accepted {memory.generation}. The node refused it, because generations only go "
            "up."
        )
        return replace(course, refusal=refusal)
    trial, wanted, remembered = course.trial, assignment.trial, memory.failed
    if wanted is not None and trial is not None and _same(trial, wanted):
        trial = replace(trial, want=wanted, generation=assignment.generation)
    if wanted is not None and wanted.share_permille == 0:  # from the taste on: tried again
        remembered = None if remembered and remembered.digest == wanted.digest else remembered
        trial = None if trial and trial.gone else trial
    if trial is not None and trial.gone and not _same(trial, wanted):
        trial = None
    memory = replace(
        memory,
        generation=assignment.generation,
        assignment=assignment,
        # What is being committed may serve in a moment: its bundle must stay on disk.
        attempting=course.doing.served if isinstance(course.doing, moves.Commit) else None,
        message="",
        failed=remembered,
        attempts=0,
    )
    course = replace(course, memory=memory, trial=trial, fetched=None, nacks=())
    course = replace(course, refusal="", trouble="", lease_due_s=now_s + TRIAL_LEASE_S)
    if isinstance(course.doing, moves.Fetch):
        course = replace(course, doing=None)
    return _with_phase(course)


def _same(trial: Candidacy, wanted: Trial | None) -> bool:
    return wanted is not None and wanted.digest == trial.want.digest


def _with_phase(course: Course) -> Course:
    """The phase that the stable slot is in with the assignment in memory."""
    if course.memory.message:
        return replace(course, phase=Phase.REJECTED)
    if not is_right(course):
        return replace(course, phase=Phase.FETCHING)
    if course.serving is None:
        return replace(course, phase=Phase.GOOD)
    return replace(course, phase=Phase.GOOD if _is_good(course) else Phase.BAKING)


def _is_good(course: Course) -> bool:
    serving = course.serving
    return any(serving is not None and good.digest == serving.digest for good in course.memory.good)


def _done(course: Course, operation: moves.Operation, event: moves.Done, now_s: float) -> Course:
    memory = course.memory
    match operation:
        case moves.Fetch(_, served):
            return replace(course, fetched=served.digest)
        case moves.Commit(_, served):
            bake_s = memory.assignment.bake_s if memory.assignment else 0.0
            memory = replace(memory, serving=served, attempting=None, message="", bake_s=bake_s)
            course = replace(course, memory=memory, serving=served)
            course = replace(course, bake_due_s=now_s + bake_s, back=course.spoiled, spoiled="")
            return replace(course, phase=Phase.BAKING)
        case moves.GoBack() if event.served is not None and not is_settled(course):
            memory = replace(memory, serving=event.served, attempting=None)
            course = replace(course, memory=memory, serving=event.served, back="")
            return _with_phase(replace(course, bake_due_s=None))
        case moves.GoBack() if event.served is not None:
            message = f"{course.back}; {event.served.release} serves instead."
            memory = replace(memory, serving=event.served, attempting=None, message=message)
            course = replace(course, memory=memory, serving=event.served, back="")
            return replace(course, phase=Phase.REJECTED, bake_due_s=None)
        case _:
            return cannot_go_back(course)


def _refused(course: Course, operation: moves.Operation, event: moves.Refused) -> Course:
    if isinstance(operation, moves.GoBack):
        return cannot_go_back(course)
    assignment = course.memory.assignment
    if isinstance(operation, moves.Commit) and not is_assigned(operation.served, assignment):
        # Another one was assigned meanwhile: that has not been tried, and nothing is said of it.
        memory = replace(course.memory, attempting=None)
        return _with_phase(replace(course, memory=memory, spoiled=""))
    name = assignment.release if assignment else "the release"
    message = f"{name} was rejected: {event.why}"
    memory = replace(course.memory, attempting=None, message=message)
    course = replace(course, memory=memory, nacks=event.nacks, spoiled="")
    return replace(course, phase=Phase.REJECTED)


def _died(course: Course, arm: moves.Arm, words: str, now_s: float) -> Course:
    trial = course.trial
    if arm == "baseline":  # the trial goes on; fine gates know that they have no fresh control
        return course if trial is None else replace(course, trial=replace(trial, baseline=False))
    if arm == "candidate":
        why = "the candidate Envoy died" + (f": {words}" if words else "")
        if trial is not None:
            course = replace(course, trial=replace(trial, restarts=trial.restarts + 1))
        return fail(course, why, blames_content=True)
    if course.bake_due_s is not None:
        again_s = max(_REBAKE_S_MIN, course.memory.bake_s)
        course = replace(course, bake_due_s=now_s + again_s)
    return fail(course, "the stable Envoy died: nothing to compare with", blames_content=False)


def _judged_baking(course: Course, verdict: Verdict) -> Course:
    if course.phase is not Phase.BAKING or not isinstance(verdict, Unhealthy):
        return course
    name = course.serving.release if course.serving else "the release"
    course = fail(course, "the stable slot goes back to an older release", blames_content=False)
    return replace(course, back=f"{name} {UNHEALTHY_BAKING}: {verdict.text}")


# --- The trial -----------------------------------------------------------------------------------


def _withdrawn(course: Course) -> Course:
    trial, memory = course.trial, course.memory
    wanted = memory.assignment.trial if memory.assignment else None
    if trial is not None and wanted is not None and memory.failed is not None:
        # Unless a newer assignment asks for the taste again, which forgot the failure.
        told = trial.failure is not None and memory.failed.digest == wanted.digest
        trial = trial.withdrawn() if told and wanted.digest == trial.want.digest else None
    else:
        trial = None
    return replace(course, leftover=False, trial=trial)


def _watched(
    course: Course, event: moves.Probed | moves.Unanswered | moves.Weighed | moves.Judged
) -> Course:
    trial = course.trial
    if trial is None or not trial.active:
        return course
    trial, why = trial.watched(event)
    course = replace(course, trial=trial)
    return fail(course, why, blames_content=True) if why else course
