"""Questions for what nodes have seen, over the nodes' port: honest, hostile and older nodes."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleet.test_gateway import SPOKEN, ask, tell
from fleet.test_questions import KNOWING, node, poll, run
from fleet.town import Town, report
from seawall import limits
from seawall.api.record_desk import Question, SampleQuestion
from seawall.clock import SystemClock
from seawall.exchange import Answer
from seawall.fleet.questions import (
    KNOWS_SAMPLES,
    KNOWS_SAMPLES_HEADER,
    QUESTIONS_HEADER,
    SAMPLES_HEADER,
    headers_of,
    questions_in,
    samples_in,
)
from seawall.ids import NodeName
from seawall.telemetry.samples import Wanted, unpack

if TYPE_CHECKING:
    from seawall.api.sampling import Sampled

A, B = NodeName("edge-1"), NodeName("edge-2")
BOTH = {**KNOWING, KNOWS_SAMPLES_HEADER: KNOWS_SAMPLES}
WANTED = Wanted(("shop",), addresses=True)
ID = "a" * 16


def records(*clients: str, site: str = "shop", age_s: float = 60.0) -> bytes:
    time = datetime.fromtimestamp(SystemClock().now_s() - age_s, UTC)
    text = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [
        {"time": text, "request_id": f"id-{n}", "route": f"{site}/all", "client": client}
        for n, client in enumerate(clients)
    ]
    return b"".join(json.dumps({**line, "user_agent": "x"}).encode() + b"\n" for line in lines)


async def asking(here: Town) -> "tuple[asyncio.Task[Sampled], str]":
    """An open question, and its name as `edge-1` hears it in its poll."""
    polling = asyncio.ensure_future(poll(here, "edge-1", BOTH))
    await here.hand.polled.wait()
    task = asyncio.ensure_future(here.desk.records.sample(WANTED))
    heard = await polling
    assert QUESTIONS_HEADER not in heard.headers
    return task, heard.headers[SAMPLES_HEADER].split()[0]


async def answered(here: Town, question: str, body: object) -> Answer:
    target = f"/v1/node/questions/{question}"
    return await ask(here, "POST", target, body=body, headers=BOTH, name="edge-1")


def test_nodes_tell_what_they_have_seen_of_late(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        old = records("192.0.2.9", age_s=limits.REHEARSAL_AGE_S + 60)
        async with (
            node(here, "edge-1", old + records("192.0.2.1", "192.0.2.2")),
            node(here, "edge-2", records("192.0.2.3", site="blog")),
        ):
            found = await here.desk.records.sample(WANTED)
            assert (found.asked.asked, found.asked.answered, found.asked.missing) == (2, 2, {})
            told = unpack(found.samples[A])
            assert [one.client for one in told] == ["192.0.2.2", "192.0.2.1"]
            assert {one.user_agent for one in told} == {""}
            assert unpack(found.samples[B]) == ()
            every = await here.desk.records.sample(Wanted())
            assert [one.client for one in unpack(every.samples[B])] == [""]

    run(tmp_path, story, "edge-1", "edge-2")


def test_an_older_node_never_sees_the_question(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        told = await tell(here, report("edge-1"), headers=KNOWING)
        assert SAMPLES_HEADER not in told.headers
        found = await here.desk.records.sample(WANTED)
        assert found.asked.missing == {"old": (A,)}
        await tell(here, report("edge-1"), headers=SPOKEN)
        assert (await here.desk.records.sample(WANTED)).asked.missing == {"old": (A,)}

    run(tmp_path, story)


@pytest.mark.parametrize(
    "body", ["no", {}, {"records": "%%"}, {"records": 1}, [], {"records": "A" * 400_000}]
)
def test_an_answer_that_makes_no_sense_ends_the_wait(tmp_path: Path, body: object) -> None:
    async def story(here: Town) -> None:
        task, question = await asking(here)
        assert (await answered(here, question, body)).status >= 400
        found = await task
        assert (found.asked.answered, found.asked.missing) == (0, {"garbled": (A,)})
        assert "answer-doubted" in [event for event, _ in here.said]

    run(tmp_path, story)


def test_nobody_answers_twice_or_unasked(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        task, question = await asking(here)
        body = {"records": base64.b64encode(b"x").decode(), "of a newer version": 1}
        assert (await answered(here, "0" * 16, body)).status == 404
        assert (await answered(here, question, body)).status == 204
        assert (await answered(here, question, body)).status == 404
        assert (await task).samples == {A: b"x"}

    run(tmp_path, story)


@pytest.mark.parametrize("wanted", [Wanted(), WANTED, Wanted(("a-1", "b.c", "d_e"))])
def test_questions_of_both_kinds_go_out_together_and_come_as_they_went(wanted: Wanted) -> None:
    about, sample = Question(ID, "8d7b", 1.5), SampleQuestion("b" * 16, wanted, 1.25)
    headers = dict(headers_of((about, sample, about)))
    assert list(questions_in(headers[QUESTIONS_HEADER])) == [about, about]
    assert list(samples_in(headers[SAMPLES_HEADER])) == [sample]
    assert dict(headers_of(())) == {}


def test_a_question_waits_no_longer_than_is_reasonable() -> None:
    [question] = samples_in(f"{ID} 1e9 addresses *")
    assert question.left_s == limits.SAMPLE_WAIT_S


@pytest.mark.parametrize(
    "header",
    [
        f"{ID} nan addresses *",
        f"{ID} -1 addresses *",
        f"{ID} soon addresses *",
        f"{ID} 1 everything *",
        f"{ID} 1 addresses ../etc",
        f"{ID} 1 addresses",
        f"{ID} 1 addresses a b",
        f"{ID[1:]} 1 addresses *",
    ],
)
def test_a_question_with_a_flaw_is_none(header: str) -> None:
    assert list(samples_in(header)) == []


def test_the_longest_question_fits_a_header() -> None:
    names = tuple(f"{n:080}" for n in range(limits.SAMPLE_SITES_NAMED_MAX))
    headers = dict(headers_of([SampleQuestion(ID, Wanted(names, addresses=True), 4.0)]))
    assert len(headers[SAMPLES_HEADER]) < 4 * limits.KIB
    assert next(samples_in(headers[SAMPLES_HEADER])).wanted.sites == names
