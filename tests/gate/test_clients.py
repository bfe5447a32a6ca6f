"""What the stage `clients` says of a fleet: which node, how many told it, and what is not known."""

from dataclasses import replace

import pytest

from seawall.gate.clients import fleet_line, judge_clients
from seawall.telemetry.rehearsal import (
    DENY,
    NodesAsked,
    NodeTurns,
    Rehearsal,
    RehearsalState,
    Rehearsed,
    RuleTurns,
)

ALL = NodesAsked(nodes=2, asked=2, answered=2)
RULE = RuleTurns("bad", DENY, 150, 30, 150, 30, "id-1")
OTHER = NodeTurns("edge-1", 300, 300, 0, 0, 0.0, over=False, since="10:00", rules=())
WORST = NodeTurns("edge-2", 150, 30, 150, 30, 1.0, over=True, since="10:30", rules=(RULE,))
SITE = Rehearsal(
    site="shop",
    mode="off",
    really=True,
    state=RehearsalState.MEASURED,
    requests=450,
    clients=330,
    unsure=0,
    new_requests=150,
    new_clients=30,
    freed_requests=0,
    share=30 / 330,
    over=True,
    since="10:00",
    rules=(RULE,),
    nodes=(WORST, OTHER),
)


def test_the_node_over_the_bound_is_named_with_its_own_numbers() -> None:
    found = judge_clients(Rehearsed((SITE,), ALL))
    assert found.refusal is not None
    assert found.refusal.message == (
        "Site shop would turn away 30 of 30 clients (100%) that are let in now on node edge-2, "
        "judged by the requests recorded since 10:30; at most 25% are allowed. By rule or list: "
        "bad (deny) 30."
    )
    assert (
        "shop: on node edge-2 30 of 30 clients that are let in now would be turned away or "
        "challenged, 100%."
    ) in found.lines
    assert found.lines[0] == "Nodes that sent their recent requests: 2 of 2 asked."


def test_other_nodes_over_the_bound_are_named_a_few_and_counted() -> None:
    nodes = tuple(replace(WORST, node=f"edge-{n}") for n in range(2, 7))
    found = judge_clients(Rehearsed((replace(SITE, nodes=nodes),), ALL))
    assert found.refusal is not None
    assert (
        "on node edge-2 (and on edge-3, edge-4 and 2 more likewise), judged by"
        in found.refusal.message
    )


def test_all_together_over_the_bound_name_no_node() -> None:
    few = replace(WORST, share=None, over=False)
    found = judge_clients(Rehearsed((replace(SITE, nodes=(few,)),), ALL))
    assert found.refusal is not None
    assert "30 of 330 clients (9%) that are let in now, judged by the" in found.refusal.message
    assert any("has recorded too few requests to give a share" in line for line in found.lines)


def test_of_few_clients_the_bound_is_another_one() -> None:
    few = replace(SITE, requests=22, clients=22, new_clients=22, share=1.0, nodes=())
    found = judge_clients(Rehearsed((few,)))
    assert found.refusal is not None
    assert "22 of 22 clients (100%)" in found.refusal.message
    assert "; at most 75% are allowed." in found.refusal.message


@pytest.mark.parametrize(("unsure", "noted"), [(100, False), (151, True)])
def test_where_much_is_unsure_it_is_noted(unsure: int, noted: bool) -> None:
    found = judge_clients(Rehearsed((replace(SITE, over=False, nodes=(), unsure=unsure),)))
    words = (
        f"shop: {unsure} requests are not counted, because the outcome depends on data that "
        "their records do not contain."
    )
    assert words in found.lines
    assert (words in found.notes) == noted


def test_all_nodes_that_answered_are_no_note_and_missing_ones_are() -> None:
    good = replace(SITE, over=False, nodes=(OTHER,))
    found = judge_clients(Rehearsed((good,), ALL))
    assert (found.refusal, found.notes) == (None, ())
    assert found.summary == "1 site(s) looked at, with records of 2 of 2 node(s)"
    missing = replace(ALL, asked=1, answered=1, missing={"silent": ("edge-2",)})
    found = judge_clients(Rehearsed((good,), missing))
    assert found.notes == (
        (
            "Nodes that sent their recent requests: 1 of 1 asked, of 2 in the fleet. Not connected "
            "here: edge-2."
        ),
    )


def test_where_no_node_answered_nothing_was_measured_and_nothing_is_refused() -> None:
    blank = replace(
        SITE,
        state=RehearsalState.NO_RECORDS,
        requests=0,
        clients=0,
        share=None,
        over=False,
        rules=(),
        nodes=(),
    )
    late = replace(ALL, answered=0, missing={"late": ("edge-1", "edge-2")})
    found = judge_clients(Rehearsed((blank,), late))
    assert found.refusal is None
    assert found.notes == (
        (
            "shop: whom the change turns away was not measured: no recent request to it is "
            "recorded by the nodes that answered."
        ),
        (
            "Nodes that sent their recent requests: 0 of 2 asked. Did not answer in time: edge-1, "
            "edge-2."
        ),
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (NodesAsked(0, 0, 0), "The fleet has no nodes to ask for recent requests."),
        (
            NodesAsked(1000, 16, 16),
            "Nodes that sent their recent requests: 16 of 16 asked, of 1,000 in the fleet.",
        ),
        (
            NodesAsked(3, 2, 1, {"old": ("a",), "garbled": ("b",)}, {"old": 12, "garbled": 1}),
            (
                "Nodes that sent their recent requests: 1 of 2 asked, of 3 in the fleet. Of an "
                "older version that cannot answer this question: a and 11 more. Sent an "
                "unusable answer: b."
            ),
        ),
    ],
)
def test_who_was_asked_is_said(asked: NodesAsked, words: str) -> None:
    assert fleet_line(asked) == words
