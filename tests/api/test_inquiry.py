"""What nodes say of one request: who is waited for, what is claimed of whom, and in which words."""

import pytest

from seawall import limits
from seawall.api.inquiry import Inquiry, Said, Standing, outcome, refusal, sentences
from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import NodeName, RequestId
from seawall.telemetry.records import AccessRecord

ID = RequestId("8d7b")
A, B, C = NodeName("edge-1"), NodeName("edge-2"), NodeName("edge-3")
RECORD = AccessRecord(time="2026-11-28T10:00:00.000Z", request_id=ID)
NOTHING = Said(since="2026-11-28T09:00:00.000Z")


def inquiry(**standings: Standing) -> Inquiry:
    """A question at 0 s to nodes by the last digit of their names."""
    return Inquiry(
        ID, {NodeName(f"edge-{name[1:]}"): each for name, each in standings.items()}, 0.0
    )


def asked(*nodes: NodeName) -> Inquiry:
    made = Inquiry(ID, dict.fromkeys(nodes, Standing.ASKED), 0.0)
    for node in nodes:
        assert made.hand(node)
        assert made.begin(node)
    return made


def test_all_that_can_be_asked_are_waited_for_and_no_longer_than_a_few_seconds() -> None:
    question = asked(A, B)
    assert question.left_s(1.0) == limits.RECORD_QUESTION_WAIT_S - 1.0
    question.take(A, NOTHING, 1.0)
    assert question.left_s(1.0) > 0
    question.take(B, NOTHING, 1.5)
    assert question.left_s(1.5) == 0.0
    assert asked(A).left_s(limits.RECORD_QUESTION_WAIT_S) == 0.0


def test_nobody_waits_for_the_silent_and_the_old() -> None:
    question = inquiry(n1=Standing.SILENT, n2=Standing.OLD)
    assert question.left_s(0.0) == 0.0


def test_a_record_is_told_at_once_and_a_second_claim_never_replaces_it() -> None:
    question = asked(A, B, C)
    assert question.take(A, Said(RECORD), 1.0) == ""
    assert question.left_s(1.0) == limits.RECORD_CLAIMS_WAIT_S
    lie = AccessRecord(time="2026-11-28T11:00:00.000Z", request_id=ID, host="evil")
    assert "edge-2 claims to have request 8d7b, as does edge-1" in question.take(B, Said(lie), 1.1)
    finding = question.end()
    assert (finding.record, finding.node, finding.also) == (RECORD, A, (B,))
    first, second = sentences(finding)
    assert "The record is from node edge-1." in first
    assert "Node edge-2 claims to have a record of this request too" in second
    assert "seawall why 8d7b --node edge-2" in second


def test_claims_are_named_up_to_a_bound() -> None:
    nodes = tuple(NodeName(f"n{number}") for number in range(30))
    question = asked(*nodes)
    for node in nodes:
        question.take(node, Said(RECORD), 1.0)
    assert len(question.end().also) == limits.RECORD_NODES_NAMED_MAX


def test_a_question_is_handed_out_a_few_times_until_it_is_answered() -> None:
    question = inquiry(n1=Standing.ASKED)
    handed = [question.hand(A) for _ in range(10)]
    assert handed.count(True) == limits.RECORD_QUESTION_HANDED_MAX
    question = inquiry(n1=Standing.ASKED)
    assert question.hand(A)
    assert question.begin(A)
    question.take(A, NOTHING, 0.1)
    assert not question.hand(A)
    assert not question.hand(B), "it is asked of nobody who is not to be asked"


def test_only_who_was_asked_answers_and_once() -> None:
    question = inquiry(n1=Standing.ASKED, n2=Standing.SILENT)
    assert not question.begin(A), "before the question went out"
    assert question.hand(A)
    assert question.begin(A)
    assert not question.begin(A)
    assert not question.begin(C)


def test_a_silent_node_that_comes_back_is_asked_and_waited_for() -> None:
    question = inquiry(n1=Standing.SILENT)
    assert question.hand(A)
    assert question.left_s(0.0) > 0


def test_an_older_node_is_not_waited_for_once_it_is_known_to_be_one() -> None:
    question = inquiry(n1=Standing.ASKED)
    question.cannot(A)
    assert question.left_s(0.0) == 0.0
    assert question.end().standings == {A: Standing.OLD}


def test_not_found_is_said_of_nodes_that_searched_everything_alone() -> None:
    question = asked(A, B)
    question.take(A, NOTHING, 1.0)
    question.take(B, Said(), 1.0)
    refused = refusal(question.end(), None)
    assert isinstance(refused, NotFoundError)
    assert refused.code == "request-not-found"
    assert refused.message == (
        "No record of request 8d7b was found. Searched: edge-1 (records since "
        "2026-11-28T09:00:00.000Z), edge-2 (no records)."
    )
    assert "deleted with the oldest" in refused.remedy
    assert "Above 1,000 a second" in refused.remedy


@pytest.mark.parametrize(
    ("standing", "said", "words"),
    [
        (Standing.ASKED, None, "Did not answer in time: edge-2."),
        (Standing.SILENT, None, "Not connected here: edge-2."),
        (Standing.OLD, None, "Of an older version that cannot answer this question: edge-2."),
        (Standing.ASKED, Said(garbled="x"), "Sent an unusable answer: edge-2."),
        (
            Standing.ASKED,
            Said(whole=False, since="2026-11-28T09:30:00.000Z"),
            "Searched only part of their records: edge-2 (records since 2026-11-28T09:30:00.000Z).",
        ),
    ],
)
def test_of_all_others_it_is_said_that_it_is_not_known(
    standing: Standing, said: Said | None, words: str
) -> None:
    question = inquiry(n1=Standing.ASKED, n2=standing)
    question.take(A, NOTHING, 1.0)
    if said is not None:
        question.take(B, said, 1.0)
    refused = refusal(question.end(), None)
    assert isinstance(refused, UnreachableError)
    assert refused.code == "request-not-known"
    assert words in refused.message
    assert "Searched: edge-1 (records since" in refused.message
    assert "It is unknown whether edge-2 has it." in refused.remedy
    assert "seawall why 8d7b --data-dir DIR" in refused.remedy


def test_who_stands_by_says_who_hears_every_node() -> None:
    finding = inquiry(n1=Standing.SILENT).end()
    assert (
        "Ask the leading control process, at 10.0.0.1:7443"
        in refusal(finding, "10.0.0.1:7443").remedy
    )
    assert "when there is one" in refusal(finding, "").remedy
    assert "leads" not in refusal(finding, None).remedy


def test_a_fleet_without_nodes_says_so() -> None:
    refused = refusal(Inquiry(ID, {}, 0.0).end(), None)
    assert isinstance(refused, NotFoundError)
    assert "no nodes to ask" in refused.message


def test_two_thousand_silent_nodes_are_a_short_text_and_one_line_of_the_log() -> None:
    nodes = {NodeName(f"edge-{number}"): Standing.SILENT for number in range(2000)}
    finding = Inquiry(ID, nodes, 0.0).end()
    refused = refusal(finding, None)
    assert "edge-9 and 1990 more" in refused.message
    assert len(refused.message) < 500
    assert len(refused.remedy) < 1000
    assert outcome(finding) == "request 8d7b: 2000 silent"


def test_after_the_end_no_record_is_kept_and_a_late_one_is_told() -> None:
    question = asked(A, B)
    question.take(A, Said(RECORD), 1.0)
    assert question.end().record == RECORD
    assert question.end().record is None
    late = asked(A, B)
    assert late.end().record is None
    assert late.take(A, Said(RECORD), 9.0) == "edge-1 has request 8d7b, but answered too late"
    assert late.end().record is None
