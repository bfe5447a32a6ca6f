"""What a node keeps on disk while things overlap, and where the disk has no room."""

import errno
from pathlib import Path

import pytest

from seawall.ids import Digest, Generation, ReleaseId
from seawall.node import moves
from seawall.node.course import decide
from seawall.node.files import write_atomic
from seawall.node.memory import Memory
from seawall.node.standing import Course
from seawall.node.state import NodeState, Served
from seawall.release.bundle import Bundle
from seawall.rollout.ports import Assignment, Phase

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


def test_a_release_that_is_assigned_while_another_is_refused_is_taken_all_the_same() -> None:
    course = _committing()
    ticket = course.doing.ticket if course.doing else 0
    course = _tell(course, moves.Assigned(_assignment(3, "r3")))
    course = _tell(course, moves.Refused(ticket, "Envoy refused it: r2"))
    assert course.memory.message == ""
    assert isinstance(course.doing, moves.Fetch)
    assert course.doing.served.release == "r3"
    # As a rollback to what serves, it has nothing to do, and is no failure either.
    course = _committing()
    ticket = course.doing.ticket if course.doing else 0
    course = _tell(course, moves.Assigned(_assignment(3, "r1")))
    course = _tell(course, moves.Refused(ticket, "Envoy refused it: r2"))
    assert (course.memory.message, course.doing, course.phase) == ("", None, Phase.GOOD)


@pytest.mark.parametrize("release", ["r1", "r3"])
def test_a_release_that_is_assigned_while_the_node_goes_back_is_taken_all_the_same(
    release: str,
) -> None:
    course = _committing()
    course = _tell(course, moves.Done(course.doing.ticket if course.doing else 0))
    course = _tell(course, moves.Looping())
    back = course.doing
    assert isinstance(back, moves.GoBack)
    course = _tell(course, moves.Assigned(_assignment(3, release)))
    course = _tell(course, moves.Done(back.ticket, served=OLD))
    assert course.memory.message == ""
    assert course.serving == OLD
    if release == "r1":
        assert (course.doing, course.phase) == (None, Phase.GOOD)
    else:
        assert isinstance(course.doing, moves.Fetch)


def _committing() -> Course:
    """Of r2, where r1 serves."""
    course = _tell(Course(leftover=False), moves.Booted(NodeState(serving=OLD, good=(OLD,)), OLD))
    course = _tell(course, moves.Assigned(_assignment(2, "r2")))
    assert course.doing is not None
    course = _tell(course, moves.Done(course.doing.ticket))
    assert isinstance(course.doing, moves.Commit)
    return course


def _opened(_: bytes) -> tuple[Digest, Bundle]:
    raise AssertionError


def _served(number: int) -> Served:
    return Served(ReleaseId(f"r{number}"), Digest(str(number) * 64), Generation(number))


@pytest.mark.parametrize("files_max", [9, 7, 6])
def test_a_disk_with_little_room_keeps_every_good_release_and_gives_up_the_rest(
    tmp_path: Path, files_max: int
) -> None:
    bundles = tmp_path / "bundles"

    def write(path: Path, content: bytes) -> None:
        used = sum(found.is_file() for found in tmp_path.rglob("*"))
        if not path.exists() and used >= files_max:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(path, content)

    memory = Memory(tmp_path, _opened, write=write)
    good = tuple(_served(number) for number in (4, 3, 2, 1))
    for one in good:
        memory.hold(one.digest, b"good")
    memory.remember(NodeState(serving=good[0], good=good))
    assert not memory.problem
    (bundles / f"{'9' * 64}.bundle").write_bytes(b"left behind")
    tried = _served(5)
    memory.hold(tried.digest, b"tried")
    memory.remember(NodeState(serving=good[0], attempting=tried, good=good))
    assert bool(memory.problem) is (files_max < 7)
    kept = {path.name[0] for path in bundles.glob("*.bundle")}
    assert kept >= {"1", "2", "3", "4"}
    assert ("9" in kept) is False
    again = Memory(tmp_path, _opened, write=write)
    assert again.load() == ()
    assert again.state.good == good
