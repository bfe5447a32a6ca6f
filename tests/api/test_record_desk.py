"""Questions to nodes: bounded in number and time, handed to whom they are for, answered once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from api.desk import Desk
from seawall import limits
from seawall.api.inquiry import Finding, Said, Standing
from seawall.clock import SystemClock
from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import NodeName, RequestId
from seawall.telemetry.records import AccessRecord

ID = RequestId("8d7b")
A, B = NodeName("edge-1"), NodeName("edge-2")
RECORD = AccessRecord(request_id=ID)


class Fleet(Desk):
    """Nodes that are asked about a request."""

    def __init__(self, *names: NodeName) -> None:
        super().__init__(names, SystemClock())

    async def asking(self, only: str = "") -> "asyncio.Task[Finding]":
        """A question that is open when this returns."""
        return await self.open(self.desk.find(ID, only))

    def answer(self, node: NodeName, said: Said) -> str:
        """Poll as `node`, and answer the one question that comes."""
        [question] = self.desk.waits_for(node)
        assert self.desk.begin(node, question.id) == ID
        self.desk.take(node, question.id, said)
        return question.id


def run(story: Callable[[Fleet], Awaitable[None]], *names: NodeName) -> None:
    async def told() -> None:
        await story(Fleet(*names))

    asyncio.run(told())


def test_the_first_record_ends_the_wait() -> None:
    async def story(fleet: Fleet) -> None:
        asking = await fleet.asking()
        assert fleet.nudged == [A, B]
        fleet.answer(B, Said())
        fleet.answer(A, Said(RECORD))
        found = await asking
        assert (found.record, found.node) == (RECORD, A)
        assert fleet.desk.waits_for(A) == ()
        assert fleet.said == [("record-asked", "request 8d7b: 1 nothing, 1 found")]

    run(story, A, B)


def test_a_question_to_one_node_asks_no_other() -> None:
    async def story(fleet: Fleet) -> None:
        asking = await fleet.asking(only=B)
        assert fleet.nudged == [B]
        assert fleet.desk.waits_for(A) == ()
        fleet.answer(B, Said(RECORD))
        assert (await asking).node == B
        with pytest.raises(NotFoundError, match="no node 'nobody'"):
            await fleet.desk.find(ID, "nobody")

    run(story, A, B)


def test_who_cannot_be_asked_is_not_waited_for() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.there.discard(A)
        fleet.desk.heard(B, knows=False)
        found = await fleet.desk.find(ID)
        assert found.standings == {A: Standing.SILENT, B: Standing.OLD}
        assert fleet.nudged == []

    run(story, A, B)


def test_a_node_found_to_be_old_while_it_is_asked_ends_the_wait() -> None:
    async def story(fleet: Fleet) -> None:
        asking = await fleet.asking()
        fleet.desk.heard(A, knows=False)
        assert fleet.desk.waits_for(A) == ()
        assert (await asking).standings == {A: Standing.OLD}
        fleet.desk.heard(A, knows=True)  # it was updated
        asking = await fleet.asking()
        fleet.answer(A, Said(RECORD))
        assert (await asking).node == A

    run(story, A)


def test_a_node_that_says_nothing_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORD_QUESTION_WAIT_S", 0.05)

    async def story(fleet: Fleet) -> None:
        found = await fleet.desk.find(ID)
        assert found.standings == {A: Standing.ASKED}

    run(story, A)


def test_only_so_many_questions_are_open_at_once() -> None:
    async def story(fleet: Fleet) -> None:
        asking = [await fleet.asking() for _ in range(limits.RECORD_QUESTIONS_OPEN_MAX)]
        with pytest.raises(UnreachableError, match="already being asked about 8") as refused:
            await fleet.desk.find(ID)
        assert refused.value.code == "too-many-questions"
        questions = fleet.desk.waits_for(A)
        assert len(questions) == len(asking)
        assert len({question.id for question in questions}) == len(asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert fleet.desk.waits_for(A) == (), "whoever gave up leaves no question behind"

    run(story, A)


def test_answers_that_nobody_asked_for_are_refused_and_told() -> None:
    async def story(fleet: Fleet) -> None:
        asking = await fleet.asking()
        [question] = fleet.desk.waits_for(A)
        for node, named in ((B, question.id), (A, "00"), (B, "00")):
            with pytest.raises(NotFoundError, match="was not asked this"):
                fleet.desk.begin(node, named)
        fleet.desk.begin(A, question.id)
        with pytest.raises(NotFoundError):
            fleet.desk.begin(A, question.id)  # again
        fleet.desk.take(A, question.id, Said(RECORD))
        await asking
        assert [event for event, _ in fleet.said].count("answer-unasked") == 4

    run(story, A, B)


def test_a_late_answer_is_no_lie_and_a_late_second_claim_is_told() -> None:
    async def story(fleet: Fleet) -> None:
        asking = await fleet.asking()
        [late] = fleet.desk.waits_for(B)
        fleet.answer(A, Said(RECORD))
        assert (await asking).also == ()
        assert fleet.desk.begin(B, late.id) == ID
        fleet.desk.take(B, late.id, Said(RECORD))
        assert fleet.said[-1] == (
            "answer-doubted",
            "edge-2 claims to have request 8d7b, as does edge-1",
        )

    run(story, A, B)


def test_questions_that_are_over_are_remembered_up_to_a_bound() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.there.clear()
        for _ in range(limits.RECORD_QUESTIONS_KEPT_MAX + 10):
            await fleet.desk.find(ID)
        assert len(fleet.desk._over) == limits.RECORD_QUESTIONS_KEPT_MAX

    run(story, A)
