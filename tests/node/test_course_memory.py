"""What the course keeps on disk while things overlap."""

from seawall.ids import Digest, Generation, ReleaseId
from seawall.node import moves
from seawall.node.course import decide
from seawall.node.standing import Course
from seawall.node.state import NodeState, Served
from seawall.rollout.ports import Assignment

OLD = Served(ReleaseId("r1"), Digest("1" * 64), Generation(1))


def _assignment(generation: int, release: str) -> Assignment:
    return Assignment(Generation(generation), ReleaseId(release), Digest(release[1:] * 64), 60.0)


def _tell(course: Course, event: moves.Event) -> Course:
    return decide(course, event, 1.0)[0]


def test_a_release_whose_commit_is_in_flight_stays_on_disk_when_another_is_assigned() -> None:
    course = _tell(Course(leftover=False), moves.Booted(NodeState(serving=OLD, good=(OLD,)), OLD))
    course = _tell(course, moves.Assigned(_assignment(2, "r2")))
    assert isinstance(course.doing, moves.Fetch)
    course = _tell(course, moves.Done(course.doing.ticket))
    assert isinstance(course.doing, moves.Commit)
    ticket = course.doing.ticket
    course = _tell(course, moves.Assigned(_assignment(3, "r3")))
    assert Digest("2" * 64) in course.memory.needed()
    course = _tell(course, moves.Done(ticket))
    assert course.memory.serving == Served(ReleaseId("r2"), Digest("2" * 64), Generation(2))
    assert Digest("2" * 64) in course.memory.needed()
    assert course.memory.attempting is None
