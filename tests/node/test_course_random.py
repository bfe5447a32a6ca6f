"""The machine of the course under any order of events: its promises hold, and it comes to rest.

The promises are those of `course_script`; a seed that fails is printed by its test's name.
"""

import random

import pytest

from node.course_script import Script, digest, served
from seawall.ids import Generation, ReleaseId
from seawall.judge.verdict import Healthy, Unhealthy
from seawall.limits import MIB, TRIAL_LEASE_S
from seawall.node import moves
from seawall.node.course import Course, wakeup_s
from seawall.node.state import NodeState
from seawall.rollout.ports import Assignment, Phase, Probes, Trial

STEPS = 60
RELEASES = ("r1", "r2", "r3", "r4")


def _assignment(rng: random.Random, generation: int) -> Assignment:
    stable, tried = rng.choice(RELEASES), rng.choice(RELEASES)
    trial = Trial(ReleaseId(tried), digest(tried), rng.choice((0, 10, 500)), rng.random() < 0.5)
    return Assignment(
        Generation(generation),
        ReleaseId(stable),
        digest(stable),
        rng.choice((0.0, 15.0)),
        trial if rng.random() < 0.7 else None,
    )


def _event(rng: random.Random, course: Course) -> moves.Event:
    operations = [o for o in (course.doing, course.trying) if o is not None]
    generation = course.memory.generation
    if operations and rng.random() < 0.5:
        return _end(rng, rng.choice(operations))
    step = course.trial.step if course.trial else None
    probes = Probes(rng.randrange(9), int(rng.random() < 0.1), "words")
    return rng.choice(
        (
            moves.Assigned(_assignment(rng, generation + rng.choice((-1, 0, 1, 1, 2)))),
            moves.Heard(),
            moves.Probed(step[0] if step else Generation(0), probes, complete=True),
            moves.Probed(Generation(1), Probes(3, 1, "late"), complete=True),
            moves.Unanswered(rng.randrange(4)),
            moves.Weighed(rng.randrange(900) * MIB, 100 * MIB),
            moves.Judged("candidate", rng.choice((Healthy("h"), Unhealthy("g", None, "u")))),
            moves.Judged("stable", rng.choice((Healthy("h"), Unhealthy("g", None, "u")))),
            moves.Died(rng.choice(("stable", "candidate", "baseline"))),
            moves.Looping(),
            moves.Done(rng.randrange(5), 1000),
            moves.Tick(),
        )
    )


def _end(rng: random.Random, operation: moves.Operation) -> moves.Event:
    if rng.random() < 0.2:
        return moves.Refused(operation.ticket, "refused", blames_content=rng.random() < 0.5)
    share = operation.share_permille if isinstance(operation, moves.Steer) else 0
    back = operation.candidates[0] if isinstance(operation, moves.GoBack) else None
    return moves.Done(operation.ticket, share, rng.random() < 0.8, back)


def _boot(script: Script) -> None:
    script.course = Course()
    script.tell(moves.Booted(script.disk, script.disk.serving))


def _rest(script: Script) -> None:
    """Everything that is begun ends well, until nothing is in flight."""
    for _ in range(100):
        operation = script.course.doing or script.course.trying
        trial = script.course.trial
        if operation is not None:
            script._done(operation, None)
        elif trial and trial.active and trial.step and trial.taste_due_s is not None:
            script.tell(moves.Probed(trial.step[0], Probes(6, 0), complete=True))
        else:
            return
    raise AssertionError("it does not come to rest")


@pytest.mark.parametrize("seed", range(300))
def test_whatever_happens_the_promises_hold_and_the_machine_comes_to_rest(seed: int) -> None:
    rng = random.Random(seed)
    script = Script()
    one = served("r1", 1)
    script.disk = NodeState(generation=Generation(1), serving=one, good=(one, served("r9", 0)))
    _boot(script)
    for _ in range(STEPS):
        script.now_s += rng.choice((0.0, 0.1, 1.0, 20.0))
        if rng.random() < 0.03:
            _boot(script)
        script.tell(_event(rng, script.course))
        script.tell(moves.Tick())
        due_s = wakeup_s(script.course)
        assert due_s is None or due_s > script.now_s  # else whoever drives it never waits
    _rest(script)
    # Then peace: one more assignment, and it is what the node comes to.
    generation = Generation(script.course.memory.generation + 1)
    last = Assignment(
        generation,
        ReleaseId("r5"),
        digest("r5"),
        0.0,
        Trial(ReleaseId("r6"), digest("r6"), 0),
    )
    script.tell(moves.Assigned(last))
    _rest(script)
    steered = Trial(ReleaseId("r6"), digest("r6"), 100)
    script.tell(moves.Assigned(Assignment(Generation(generation + 1), *_named("r5"), 0.0, steered)))
    _rest(script)
    assert script.course.trial is not None
    assert script.course.trial.share_permille == 100
    script.tell(moves.Assigned(Assignment(Generation(generation + 2), *_named("r6"), 0.0)))
    _rest(script)
    assert script.course.trial is None
    assert script.course.serving is not None
    assert script.course.serving.release == "r6"
    assert script.course.phase is Phase.GOOD
    script._wait(2 * TRIAL_LEASE_S)
    assert script.course.phase is Phase.GOOD


def _named(release: str) -> tuple[ReleaseId, object]:
    return ReleaseId(release), digest(release)
