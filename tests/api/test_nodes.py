"""What control keeps of its nodes is bounded; a poll wakes only the node it concerns."""

import asyncio
import gc

import pytest

from clocks import HandClock
from seawall import limits
from seawall.api.nodes import NodeBoard
from seawall.clock import SystemClock
from seawall.errors import RefusedError
from seawall.ids import Digest, Generation, NodeName, ReleaseId, SiteName
from seawall.rollout.ports import Assignment, Coming, NodeReport, Phase
from seawall.rollout.standing import is_awaited
from seawall.rollout.state import Assigned, Fleet
from seawall.telemetry.window import SiteCounts, Window

A, B = NodeName("a"), NodeName("b")
COUNTS = SiteCounts(1, 1, 0, 0, 0, 0)


def window(node: NodeName, at_s: float, *, sites: int = 0, slot: str = "stable") -> Window:
    counts = {SiteName(f"s{number}"): COUNTS for number in range(sites)}
    return Window(node, slot, ReleaseId("r1"), Generation(1), at_s, 1.0, counts)


def report(node: NodeName, *windows: Window) -> NodeReport:
    return NodeReport(node, Generation(0), None, None, Phase.GOOD, windows=windows)


def fleet(**generations: int) -> Fleet:
    digest = Digest("a" * 64)
    return Fleet(
        assigned={
            NodeName(name): Assigned(
                NodeName(name), Generation(number), ReleaseId("r1"), digest, 1.0
            )
            for name, number in generations.items()
        }
    )


def test_a_node_that_floods_pushes_out_its_own_windows_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "EVIDENCE_WINDOWS_PER_NODE_MAX", 5)
    monkeypatch.setattr(limits, "EVIDENCE_WINDOWS_MAX", 8)
    clock = HandClock()
    board = NodeBoard(clock)
    board.take(report(A, window(A, clock.now_s())))
    for _ in range(200):
        board.take(report(B, window(B, clock.now_s())))
    kept = board.evidence()
    assert sum(one.node == B for one in kept) == 5
    assert sum(one.node == A for one in kept) == 1


def test_windows_of_all_nodes_are_bounded_by_number_sites_and_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = HandClock()
    monkeypatch.setattr(limits, "EVIDENCE_WINDOWS_MAX", 8)
    board = NodeBoard(clock)
    for number in range(20):
        name = NodeName(f"n{number}")
        board.take(report(name, window(name, clock.now_s())))
    assert [one.node for one in board.evidence()] == [f"n{number}" for number in range(12, 20)]
    monkeypatch.setattr(limits, "EVIDENCE_SITES_MAX", 30)
    board.take(report(A, window(A, clock.now_s(), sites=20)))
    board.take(report(B, window(B, clock.now_s(), sites=20)))
    assert {one.node for one in board.evidence() if one.sites} == {B}
    clock.time_s += limits.EVIDENCE_SPAN_S + 1
    assert board.evidence() == []


def test_no_window_outlives_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVIDENCE_WINDOWS_PER_NODE_MAX", 5)
    clock = HandClock()
    board = NodeBoard(clock)
    for _ in range(200):
        board.take(report(A, window(A, clock.now_s() - 2 * limits.TRAFFIC_SPAN_S)))
        board.take(report(B, window(B, clock.now_s() - 2 * limits.TRAFFIC_SPAN_S)))
    board.forget(B)
    kept = [one for one in gc.get_objects() if isinstance(one, Window) and one.node in {A, B}]
    assert [one.node for one in kept] == [A] * 5


def test_what_is_dropped_out_of_turn_does_not_change_whose_turn_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "EVIDENCE_WINDOWS_PER_NODE_MAX", 3)
    monkeypatch.setattr(limits, "EVIDENCE_WINDOWS_MAX", 4)
    clock = HandClock()
    board = NodeBoard(clock)
    expected: list[tuple[NodeName, float]] = []
    for number, name in enumerate([A, B, B, B, B, A, A, B, A, A, A, A, B, A, B, B] * 4):
        at_s = clock.now_s() + number / 1_000
        board.take(report(name, window(name, at_s)))
        own = [one for one in expected if one[0] == name]
        if len(own) == limits.EVIDENCE_WINDOWS_PER_NODE_MAX:
            expected.remove(own[0])
        expected = [*expected, (name, at_s)][-limits.EVIDENCE_WINDOWS_MAX :]
        assert sorted((one.node, one.start_s) for one in board.evidence()) == sorted(expected)


def test_a_poll_ends_only_when_its_own_node_has_something_new() -> None:
    async def story() -> None:
        board = NodeBoard(SystemClock())
        a = asyncio.ensure_future(board.poll(A, Generation(0), 20.0))
        b = asyncio.ensure_future(board.poll(B, Generation(0), 20.0))
        await asyncio.sleep(0)
        board.offer(fleet(a=1))
        found = await a
        assert isinstance(found, Assignment)
        assert found.generation == 1
        assert not b.done()
        board.offer(fleet(a=1, b=2))
        other = await b
        assert isinstance(other, Assignment)
        assert other.generation == 2
        assert await board.poll(A, Generation(1), 0.01) is None
        waiting = asyncio.ensure_future(board.poll(A, Generation(1), 20.0))
        await asyncio.sleep(0)
        board.close()
        assert await waiting is None

    asyncio.run(story())


def test_a_node_that_only_polls_is_in_the_inventory_and_a_silent_one_stays() -> None:
    async def story() -> None:
        clock = HandClock()
        board = NodeBoard(clock)
        await board.poll(A, Generation(0), 0.0)
        board.offer(fleet(b=1))
        inventory = board.inventory()
        assert list(inventory.nodes) == [A, B]
        assert inventory.connected(A)
        assert inventory.report(A) is None
        assert inventory.nodes[A].heard
        assert not inventory.nodes[B].heard
        assert inventory.connected(B), "it had no time to be heard in this process"
        assert inventory.report(B) is None
        assert is_awaited(inventory, A), "it reports after its first poll"
        assert is_awaited(inventory, B)
        clock.time_s += limits.NODE_SILENT_AFTER_S + 1
        await board.poll(A, Generation(0), 0.0)
        assert board.inventory().connected(A)
        assert not is_awaited(board.inventory(), A), "it polls, and never reports"
        clock.time_s += limits.NODE_SILENT_AFTER_S + 1
        assert not board.inventory().connected(A)
        assert not board.inventory().connected(B)

    asyncio.run(story())


def test_one_node_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NODES_MAX", 1)
    board = NodeBoard(HandClock())
    board.take(report(A))
    board.take(report(A))
    with pytest.raises(RefusedError, match="1 nodes already report"):
        board.take(report(B))


def test_a_nudge_ends_the_polls_of_its_node_with_nothing_and_no_other() -> None:
    async def story() -> None:
        board = NodeBoard(SystemClock())
        polls = [asyncio.ensure_future(board.poll(A, Generation(0), 20.0)) for _ in range(2)]
        other = asyncio.ensure_future(board.poll(B, Generation(0), 20.0))
        await asyncio.sleep(0)
        board.nudge(A)
        board.nudge(NodeName("nobody"))
        assert await asyncio.gather(*polls) == [None, None]
        assert not other.done()
        # A poll after it waits as ever, and an assignment is more than a nudge.
        late = asyncio.ensure_future(board.poll(A, Generation(0), 20.0))
        await asyncio.sleep(0)
        assert not late.done()
        board.nudge(A)
        board.offer(fleet(a=1))
        found = await late
        assert isinstance(found, Assignment)
        assert found.generation == 1
        board.close()
        await other

    asyncio.run(story())


def test_a_node_is_told_once_that_a_change_is_coming_and_not_too_late() -> None:
    async def story() -> None:
        clock = HandClock()
        board = NodeBoard(clock)
        board.foretell(A)  # nobody has heard of it
        polls = {
            name: asyncio.ensure_future(board.poll(name, Generation(0), 20.0)) for name in (A, B)
        }
        await asyncio.sleep(0)
        board.foretell(A)
        assert await polls[A] == Coming()
        assert not polls[B].done()
        assert await board.poll(A, Generation(0), 0.0) is None, "it was said"
        board.foretell(A)
        clock.time_s += limits.HEAD_START_S + 1
        assert await board.poll(A, Generation(0), 0.0) is None, "it is too late"
        board.foretell(A)
        board.offer(fleet(a=1))
        found = await board.poll(A, Generation(0), 0.0)
        assert isinstance(found, Assignment), "what has come is not coming"
        board.close()
        await polls[B]

    asyncio.run(story())


def test_a_node_is_reachable_while_it_polls_or_was_heard_lately() -> None:
    async def story() -> None:
        clock = HandClock()
        board = NodeBoard(clock)
        assert not board.reachable(A)
        board.take(report(A))
        assert board.reachable(A)
        clock.time_s += limits.NODE_SILENT_AFTER_S + 1
        assert not board.reachable(A)
        polling = asyncio.ensure_future(board.poll(A, Generation(0), 20.0))
        await asyncio.sleep(0)
        clock.time_s += limits.NODE_SILENT_AFTER_S + 1
        assert board.reachable(A), "its poll may wait longer than a node may be silent"
        board.nudge(A)
        await polling
        assert not board.reachable(A)

    asyncio.run(story())


def test_what_clients_met_is_bounded_by_sites_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr(limits, "TRAFFIC_SITES_MAX", 30)
    board = NodeBoard(clock)
    for number in range(5):
        clock.time_s += 1
        board.take(report(A, window(A, clock.now_s(), sites=10)))
        assert sum(len(one.sites) for one in board.windows()) == min(30, 10 * (number + 1))
    assert max(one.start_s for one in board.windows()) == clock.now_s()
    monkeypatch.setattr(limits, "TRAFFIC_WINDOWS_MAX", 2)
    board.take(report(A, window(A, clock.now_s())))
    assert len([*board.windows()]) == 2
    clock.time_s += limits.TRAFFIC_SPAN_S + 2
    board.take(report(A, window(A, clock.now_s(), sites=30)))
    assert [len(one.sites) for one in board.windows()] == [30]
