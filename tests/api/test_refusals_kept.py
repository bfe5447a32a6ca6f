"""What control keeps of a node's refusals is of content that the node was given, and is small."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from api.test_nodes import A, fleet, report, window
from release import made
from seawall.api.nodes import NodeBoard
from seawall.api.roster import Roster
from seawall.clock import SystemClock
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.store import Store
from seawall.rollout.ports import Trial, TrialPhase, TrialReport

GIVEN, OTHER = Digest("b" * 64), Digest("c" * 64)


def failed(digest: Digest) -> TrialReport:
    return TrialReport(ReleaseId("r2"), digest, TrialPhase.FAILED, message="it crashed")


@contextmanager
def a_roster(directory: Path) -> Iterator[tuple[Roster, NodeBoard]]:
    clock = SystemClock()
    board = NodeBoard(clock)
    with closing(Store(directory / "store.db", clock=clock)) as store:
        yield Roster(store, board, made.key().public), board


def test_a_node_refuses_what_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    async def story(roster: Roster, board: NodeBoard) -> None:
        given = fleet(a=1)
        one = given.assigned[A]
        trial = Trial(ReleaseId("r2"), GIVEN, 10)
        board.offer(replace(given, assigned={A: replace(one, trial=trial)}))
        said = report(A, window(A, SystemClock().now_s(), sites=3))
        await roster.heard(replace(said, trial=failed(OTHER)))
        assert roster.refusal(OTHER) is None
        await roster.heard(replace(said, trial=failed(GIVEN)))
        kept = roster.refusal(GIVEN)
        assert kept is not None
        assert kept.trial == failed(GIVEN)
        assert kept.windows == ()

    with a_roster(tmp_path) as parts:
        asyncio.run(story(*parts))


def test_only_the_one_node_of_a_machine_is_told_that_a_release_is_coming(tmp_path: Path) -> None:
    local = NodeName("local")

    async def told(*nodes: NodeName) -> bool:
        with a_roster(tmp_path) as (roster, board):
            for node in nodes:
                board.take(report(node))
            roster.foretell()
            return await board.poll(local, Generation(0), 0.0) is not None

    async def story() -> None:
        assert await told(local)
        assert not await told(local, A), "only some of them will try it"
        assert not await told(A)
        assert not await told()

    asyncio.run(story())
