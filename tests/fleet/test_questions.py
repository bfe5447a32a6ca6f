"""Questions about requests, over the nodes' port: honest, hostile, flooding and older nodes."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.test_gateway import SPOKEN, ask, tell
from fleet.town import Town, live, report
from seawall import limits
from seawall.api.inquiry import Finding, Standing
from seawall.api.record_desk import Question
from seawall.clock import SystemClock
from seawall.errors import UnreachableError
from seawall.exchange import Answer, Line
from seawall.fleet import answerer as answering
from seawall.fleet.answerer import Answerer
from seawall.fleet.questions import (
    KNOWS_HEADER,
    KNOWS_RECORDS,
    QUESTIONS_HEADER,
    RecordAnswer,
    believed,
    header_of,
    questions_in,
)
from seawall.ids import Generation, NodeName, RequestId
from seawall.telemetry.records import Search

ID = RequestId("8d7b-11")
A, B = NodeName("edge-1"), NodeName("edge-2")
KNOWING = {**SPOKEN, KNOWS_HEADER: KNOWS_RECORDS}


def line(request_id: str = ID, **more: object) -> bytes:
    fields = {"time": "2026-11-28T10:00:00.000Z", "request_id": request_id, "status": 503, **more}
    return json.dumps(fields).encode()


def answer_of(record: bytes = b"", **more: object) -> dict[str, object]:
    return {"record": base64.b64encode(record).decode(), "whole": True, "since": "", **more}


def run(home: Path, story: Callable[[Town], Awaitable[None]], *names: str) -> None:
    live(home, story, *(names or ("edge-1",)))


async def asking(here: Town, *nodes: str) -> "tuple[asyncio.Task[Finding], list[str]]":
    """An open question, and its name as each of `nodes` hears it in its poll."""
    polls = [asyncio.ensure_future(poll(here, node)) for node in nodes]
    await here.hand.polled.wait()
    task = asyncio.ensure_future(here.desk.records.find(ID))
    heard = [await each for each in polls]
    assert all(each.status == 204 for each in heard)
    return task, [each.headers[QUESTIONS_HEADER].split()[0] for each in heard]


async def poll(here: Town, node: str, headers: dict[str, str] | None = None) -> Answer:
    target = f"/v1/node/{node}/assignment?known=0&wait_s=20"
    return await ask(here, "GET", target, headers=headers or KNOWING, name=node)


async def answered(here: Town, question: str, body: object, node: str = "edge-1") -> Answer:
    target = f"/v1/node/questions/{question}"
    return await ask(here, "POST", target, body=body, headers=KNOWING, name=node)


@contextlib.asynccontextmanager
async def node(here: Town, name: str, records: bytes) -> AsyncIterator[None]:
    """A node that polls and answers as the real one does."""
    log = here.home / name / "access" / "access.ndjson"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(records)
    answerer = Answerer(log, SystemClock(), lambda *_: None)
    control = here.control(name, answerer=answerer)

    async def follow() -> None:
        while True:
            with contextlib.suppress(UnreachableError):
                await control.assignment(NodeName(name), Generation(0), 20.0)

    tasks = [asyncio.ensure_future(follow()), asyncio.ensure_future(answerer.run())]
    try:
        await control.report(report(name))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        control.close()
        here.hand.nudge(NodeName(name))  # the port need not wait for the end of the poll


def test_a_record_is_found_on_the_node_that_has_it(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        async with (
            node(here, "edge-1", line("other") + b"\n"),
            node(here, "edge-2", line(host="shop") + b"\n" + line("more") + b"\n"),
        ):
            found = await here.desk.records.find(ID)
            assert found.record is not None
            assert (found.node, found.record.host, found.also) == (B, "shop", ())
            assert found.standings == {A: Standing.NOTHING, B: Standing.FOUND}
            missing = await here.desk.records.find(RequestId("nowhere"))
            assert missing.record is None
            assert set(missing.standings.values()) == {Standing.NOTHING}
            assert set(missing.since.values()) == {"2026-11-28T10:00:00.000Z"}

    run(tmp_path, story, "edge-1", "edge-2")


def test_a_node_that_polls_elsewhere_hears_of_it_with_its_report(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        task = asyncio.ensure_future(here.desk.records.find(ID))
        told = await tell(here, report("edge-1"), headers={KNOWS_HEADER: KNOWS_RECORDS})
        question = told.headers[QUESTIONS_HEADER].split()[0]
        assert (await answered(here, question, answer_of(line()))).status == 204
        assert (await task).node == A

    run(tmp_path, story)


def test_an_older_node_is_asked_nothing_and_not_waited_for(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        told = await tell(here, report("edge-1"))
        assert QUESTIONS_HEADER not in told.headers
        found = await here.desk.records.find(ID)
        assert found.standings == {A: Standing.OLD}

    run(tmp_path, story)


HOSTILE = {
    "the record of another request": answer_of(line("other")),
    "no record": answer_of(b"hello"),
    "no base64": answer_of() | {"record": "\N{SNOWMAN}"},
    "other types": {"record": 1, "whole": "x", "since": []},
    "no object": [1, 2],
    "no JSON": b"{" * 1000,
    "deep": b"[" * 100_000,
    "huge": b"x" * (limits.RECORD_ANSWER_SIZE_BYTES_MAX + 1),
    "a record of bytes": answer_of(b"\xff\x00" * 1000),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_that_makes_no_sense_is_told_as_such(tmp_path: Path, body: object) -> None:
    async def story(here: Town) -> None:
        task, [question] = await asking(here, "edge-1")
        await answered(here, question, body)
        found = await task
        assert found.record is None
        assert found.standings == {A: Standing.GARBLED}
        assert [event for event, _ in here.said][1:] == ["answer-doubted", "record-asked"]

    run(tmp_path, story)


def test_the_record_of_what_had_no_id_is_believed_by_its_time() -> None:
    time = "2026-11-28T10:00:00.000Z"
    assert believed(answer_of(line("", status=400)), time).record is not None
    assert believed(answer_of(line("", status=400)), time.replace("00.000", "00.001")).garbled
    assert believed(answer_of(line()), time).garbled


def test_the_largest_record_there_can_be_comes_whole(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        bare = line(path="")
        record = line(path="x" * (limits.ACCESS_RECORD_SIZE_BYTES_MAX - len(bare)))
        assert len(record) == limits.ACCESS_RECORD_SIZE_BYTES_MAX
        async with node(here, "edge-1", record + b"\n"):
            assert (await here.desk.records.find(ID)).node == A

    run(tmp_path, story)


def test_answers_to_what_nobody_asked_are_refused_unread(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        task, [question, _] = await asking(here, "edge-1", "edge-2")
        refused = await answered(here, "00" * 8, answer_of(line()))
        assert refused.status == 404
        huge = b"x" * (limits.RECORD_ANSWER_SIZE_BYTES_MAX + 1)
        assert (await answered(here, "00" * 8, huge)).status == 404
        assert (await answered(here, question, answer_of(line()))).status == 204
        assert (await answered(here, question, answer_of(line(host="evil")))).status == 404
        found = await task
        assert found.record is not None
        assert (found.node, found.record.host) == (A, "")

    run(tmp_path, story, "edge-1", "edge-2")


def test_two_nodes_that_claim_one_request_are_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECORD_CLAIMS_WAIT_S", 30.0)

    async def story(here: Town) -> None:
        task, [first, second] = await asking(here, "edge-1", "edge-2")
        await answered(here, second, answer_of(line(host="true")), "edge-2")
        await answered(here, first, answer_of(line(host="lie")))
        found = await task
        assert found.record is not None
        assert (found.node, found.record.host, found.also) == (B, "true", (A,))

    run(tmp_path, story, "edge-1", "edge-2")


def test_a_flood_of_answers_is_cut_off_and_the_log_with_it(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        flood = Line(here.identity("edge-1").addresses()[0])
        sent = [
            await flood.ask(
                "POST",
                f"/v1/node/questions/{number:016x}",
                timeout_s=20,
                size_bytes_max=10**5,
                body=b"{}",
                headers=KNOWING,
            )
            for number in range(100)
        ]
        flood.close()
        refused = [each.status for each in sent].count(404)
        assert refused < 100
        assert {each.status for each in sent} == {404, 503}
        assert [event for event, _ in here.said].count("answer-unasked") == refused
        # Its reports are taken all the same.
        assert (await tell(here, report("edge-1"))).status == 200

    run(tmp_path, story)


def test_a_removed_node_is_asked_nothing_and_believed_nothing(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        task, [question] = await asking(here, "edge-1")
        await here.desk.remove("edge-1", actor="ada")
        refused = await answered(here, question, answer_of(line()))
        assert refused.status == 403
        task.cancel()

    run(tmp_path, story)


# --- The node's side -----------------------------------------------------------------------------


async def answers(
    questions: list[Question], monkeypatch: pytest.MonkeyPatch, *, wait_for: int
) -> tuple[list[str], list[str]]:
    """Which of the questions are answered, and what is told; the search is quick."""
    sent: list[str] = []
    said: list[str] = []
    enough = asyncio.Event()
    monkeypatch.setattr(answering, "search", lambda *_: Search())
    answerer = Answerer(Path("none"), SystemClock(), lambda event, _: said.append(event))

    async def send(question: Question, _: RecordAnswer) -> None:
        sent.append(question.id)
        if len(sent) == wait_for:
            enough.set()

    for question in questions:
        answerer.ask(question, send)
    running = asyncio.ensure_future(answerer.run())
    async with asyncio.timeout(30):
        await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return sent, said


def test_a_node_answers_a_question_once_and_only_so_many_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    questions = [Question(f"{number:016x}", ID, 60.0) for number in range(40)]
    most = limits.RECORD_QUESTIONS_QUEUED_MAX
    sent, said = asyncio.run(answers([questions[0], *questions], monkeypatch, wait_for=most))
    assert sent == [question.id for question in questions[:most]]
    assert said == ["question-passed-over"] * (40 - most)


def test_what_nobody_waits_for_any_more_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [Question("a" * 16, ID, 0.0), Question("b" * 16, ID, 60.0)]
    sent, _ = asyncio.run(answers(questions, monkeypatch, wait_for=1))
    assert sent == ["b" * 16]


def test_a_search_ends_in_time_and_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "access.ndjson"
    log.write_bytes(line("other") + b"\n")
    monkeypatch.setattr(limits, "RECORD_SEARCH_TIMEOUT_S", -1.0)

    async def story() -> RecordAnswer:
        answerer = Answerer(log, SystemClock(), lambda *_: None)
        found: asyncio.Future[RecordAnswer] = asyncio.get_running_loop().create_future()

        async def send(_: Question, answer: RecordAnswer) -> None:
            found.set_result(answer)

        answerer.ask(Question("a" * 16, ID, 60.0), send)
        running = asyncio.ensure_future(answerer.run())
        try:
            return await found
        finally:
            running.cancel()

    assert asyncio.run(story()) == RecordAnswer(whole=False)


# --- The words on the wire -----------------------------------------------------------------------


def test_questions_come_out_of_the_header_as_they_went_in() -> None:
    questions = [Question(f"{number:016x}", f"id:{number}", number + 0.5) for number in range(5)]
    assert list(questions_in(header_of(questions))) == questions
    assert list(questions_in("")) == []


@given(st.text())
def test_a_header_that_makes_no_sense_asks_nothing_or_what_is_in_bounds(text: str) -> None:
    for question in questions_in(text):
        assert 0 < question.left_s <= limits.RECORD_QUESTION_WAIT_S


@pytest.mark.parametrize(
    "header",
    [
        f"{'a' * 16} {ID} nan",
        f"{'a' * 16} {ID} -1",
        f"{'a' * 16} {ID} soon",
        f"{'a' * 16} ../x/y 1",
        f"{'a' * 15} {ID} 1",
        f"{'a' * 16} {ID}",
        f"{'a' * 16} {ID} 1 2",
    ],
)
def test_a_question_with_a_flaw_is_none(header: str) -> None:
    assert list(questions_in(header)) == []


def test_a_header_asks_no_more_than_can_be_open() -> None:
    header = header_of(Question(f"{number:016x}", ID, 1.0) for number in range(100))
    assert len(list(questions_in(header))) == limits.RECORD_QUESTIONS_OPEN_MAX


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.binary().map(str),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON | st.fixed_dictionaries({"record": st.text(), "whole": JSON, "since": JSON}))
def test_no_answer_is_an_error(body: object) -> None:
    said = believed(body, ID)
    assert said.record is None
    assert len(said.since) < 40


def test_a_time_that_is_none_is_not_shown() -> None:
    assert believed(answer_of(since="\x1b[31m2026"), ID).since == ""
    assert believed(answer_of(since="2026-11-28T10:00:00.000Z"), ID).since
