"""Which nodes are asked what they have seen, and what is known of those that did not tell it."""

import asyncio
from collections.abc import Sequence

import pytest

from api.desk import Desk
from clocks import AheadClock
from seawall import limits
from seawall.api.asking import Standing
from seawall.api.record_desk import SampleQuestion
from seawall.api.sampling import Sampled, Sampling, Seen, outcome, spread
from seawall.errors import NotFoundError
from seawall.ids import NodeName, RequestId
from seawall.telemetry.samples import Wanted

A, B, C = NodeName("edge-1"), NodeName("edge-2"), NodeName("edge-3")
WANTED = Wanted(("shop",), addresses=True)
MOST = limits.REHEARSAL_NODES_ASKED_MAX


def named(count: int) -> list[NodeName]:
    return [NodeName(f"edge-{number}") for number in range(count)]


def nowhere(_name: NodeName) -> Sequence[str]:
    return ()


def test_a_small_fleet_is_asked_as_a_whole() -> None:
    assert set(spread(named(MOST), nowhere, MOST)) == set(named(MOST))
    assert spread([], nowhere, MOST) == ()


def test_of_a_large_fleet_the_same_part_is_asked_each_time_whatever_the_order() -> None:
    names = named(1000)
    chosen = spread(names, nowhere, MOST)
    assert len(set(chosen)) == MOST
    assert spread(names[::-1], nowhere, MOST) == chosen
    assert set(chosen) != set(sorted(names)[:MOST]), "not the first ones by name"


def test_a_group_of_few_nodes_is_asked_too() -> None:
    names = named(1000)
    zones = {names[7]: ("rome",), names[8]: ("rome", "canary"), names[9]: ("canary", "rome")}
    chosen = spread(names, lambda name: zones.get(name, ("oslo",)), MOST)
    assert {names[7], names[8], names[9]} <= set(chosen)
    assert len(chosen) == MOST


def test_what_nodes_told_and_which_did_not_is_known_at_the_end() -> None:
    standings = {
        A: Standing.ASKED,
        B: Standing.ASKED,
        C: Standing.ASKED,
        NodeName("away"): Standing.SILENT,
        NodeName("old"): Standing.OLD,
    }
    sampling = Sampling(WANTED, standings, 9, 0.0)
    for node in (A, B):
        assert sampling.hand(node)
        assert sampling.begin(node)
    sampling.take(A, Seen(b"records"))
    assert sampling.doubt(B, "no JSON") == "edge-2: no JSON"
    assert sampling.left_s(1.0) == limits.SAMPLE_WAIT_S - 1.0
    found = sampling.end()
    assert found.samples == {A: b"records"}
    asked = found.asked
    assert (asked.nodes, asked.asked, asked.answered) == (9, 3, 1)
    assert asked.missing == {
        "late": (C,),
        "silent": ("away",),
        "old": ("old",),
        "garbled": (B,),
    }
    assert outcome(asked) == (
        "1 of 3 nodes sent their recent requests, 1 late, 1 silent, 1 old, 1 garbled"
    )


def test_after_the_end_nothing_is_kept() -> None:
    sampling = Sampling(WANTED, {A: Standing.ASKED}, 1, 0.0)
    sampling.hand(A)
    sampling.end()
    assert sampling.begin(A), "a late answer is no lie"
    sampling.take(A, Seen(b"records"))
    assert sampling.end().samples == {}


def test_silent_nodes_that_come_back_are_asked_as_far_as_there_is_room() -> None:
    names = named(MOST + 2)
    standings = dict.fromkeys(names[: MOST - 1], Standing.ASKED)
    standings |= dict.fromkeys(names[MOST - 1 :], Standing.SILENT)
    sampling = Sampling(WANTED, standings, len(names), 0.0)
    assert sampling.hand(names[-1])
    assert not sampling.hand(names[-2])
    assert all(sampling.hand(name) for name in names[: MOST - 1]), "none of them lost its place"


def test_two_thousand_silent_nodes_are_ten_names_and_a_count() -> None:
    found = Sampling(WANTED, dict.fromkeys(named(2000), Standing.SILENT), 2000, 0.0).end()
    assert len(found.asked.missing["silent"]) == limits.RECORD_NODES_NAMED_MAX
    assert found.asked.missing_count == {"silent": 2000}


class Fleet(Desk):
    """Nodes that are asked what they have seen."""

    def __init__(self, *names: NodeName) -> None:
        self.clock = AheadClock()
        super().__init__(names, self.clock)

    async def asking(self) -> "asyncio.Task[Sampled]":
        """A question that is open when this returns."""
        return await self.open(self.desk.sample(WANTED))


def test_of_a_thousand_nodes_a_few_are_woken() -> None:
    async def story() -> None:
        here = Fleet(*named(1000))
        asking = await here.asking()
        assert len(here.nudged) == MOST
        assert not any(here.desk.waits_for(name) for name in set(here.names) - set(here.nudged))
        for node in here.nudged:
            [question] = here.desk.waits_for(node)
            assert isinstance(question, SampleQuestion)
            assert question.wanted == WANTED
            assert here.desk.begin(node, question.id) is None
            here.desk.take(node, question.id, Seen(b""))
        found = await asking
        assert (found.asked.nodes, found.asked.asked, found.asked.answered) == (1000, MOST, MOST)
        assert here.said == [
            ("clients-asked", f"{MOST} of {MOST} nodes sent their recent requests")
        ]

    asyncio.run(story())


def test_an_old_node_is_not_waited_for_and_still_asked_about_requests() -> None:
    async def story() -> None:
        here = Fleet(A)
        here.desk.heard(A, knows=True, samples=False)
        found = await here.desk.sample(WANTED)
        assert found.asked.missing == {"old": (A,)}
        asking = asyncio.ensure_future(here.desk.find(RequestId("8d7b")))
        await here.nudge_came.wait()
        assert len(here.desk.waits_for(A)) == 1
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        here.desk.heard(A, knows=True, samples=True)  # it was updated
        again = await here.asking()
        here.desk.heard(A, knows=True, samples=False)  # and put back meanwhile
        assert (await again).asked.missing == {"old": (A,)}

    asyncio.run(story())


def test_a_release_is_not_held_up_by_people_who_ask_about_requests() -> None:
    async def story() -> None:
        here = Fleet(A)
        people = [
            asyncio.ensure_future(here.desk.find(RequestId(f"id-{number}")))
            for number in range(limits.RECORD_QUESTIONS_OPEN_MAX)
        ]
        await here.nudge_came.wait()
        asking = await here.asking()
        questions = here.desk.waits_for(A)
        mine = [each for each in questions if isinstance(each, SampleQuestion)]
        assert (len(questions), len(mine)) == (len(people) + 1, 1)
        here.desk.begin(A, mine[0].id)
        here.desk.take(A, mine[0].id, Seen(b""))
        assert (await asking).asked.answered == 1
        with pytest.raises(NotFoundError):
            here.desk.begin(A, mine[0].id)
        for task in people:
            task.cancel()
        await asyncio.gather(*people, return_exceptions=True)

    asyncio.run(story())


def test_a_node_that_says_nothing_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SAMPLE_WAIT_S", 0.05)
    found = asyncio.run(Fleet(A).desk.sample(WANTED))
    assert found.asked.missing == {"late": (A,)}


def test_nodes_not_heard_yet_are_waited_for_while_control_is_young(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        here = Fleet(A, B)
        here.there.clear()
        asking = await here.asking()
        [question] = here.desk.waits_for(B)
        here.desk.begin(B, question.id)
        here.desk.take(B, question.id, Seen(b""))
        found = (await asking).asked
        assert (found.answered, found.missing) == (1, {"late": (A,)})
        here.clock.ahead_s = limits.NODE_SILENT_AFTER_S
        assert (await here.desk.sample(WANTED)).asked.missing == {"silent": (A, B)}

    monkeypatch.setattr(limits, "SAMPLE_WAIT_S", 0.2)
    asyncio.run(story())
