"""Two machines that say they are one node are told from a node that was started again."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.test_nodes import A, B, report
from api.world import world
from clocks import HandClock
from seawall.api.nodes import NodeBoard
from seawall.api.twins import Lives
from seawall.ids import NodeName
from seawall.limits import REPORT_INTERVAL_S, TWIN_LIVES_MAX, TWIN_REMEMBERED_S, TWIN_RETURNS_MIN


def heard(lives: str, *, every_s: float = REPORT_INTERVAL_S) -> tuple[Lives, float]:
    """Reports of these lives (a letter each, `-` for an agent that does not say), and when."""
    known, at_s = Lives(), 1000.0
    for letter in lives:
        at_s += every_s
        known = known.heard("" if letter == "-" else letter * 16, at_s)
    return known, at_s


@pytest.mark.parametrize("lives", ["ABABA", "AAABBAAABBAB", "ABCABC", "ABCDABCD", "A-B-A-B-A"])
def test_machines_that_take_turns_are_twins(lives: str) -> None:
    known, at_s = heard(lives)
    assert known.twins(at_s)
    assert not known.twins(at_s + TWIN_REMEMBERED_S + 1)


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param("", id="nothing heard"),
        pytest.param("AAAA", id="one"),
        pytest.param("ABCDEFGHIJKLMNOP", id="started again and again"),
        pytest.param("AABABB", id="the last report of an old one came late"),
        pytest.param("----", id="an agent that does not say"),
    ],
)
def test_one_machine_is_no_twin(lives: str) -> None:
    known, at_s = heard(lives)
    assert not known.twins(at_s)


def test_turns_that_are_far_apart_are_not_added_up() -> None:
    known, at_s = heard("AB" * 2 * TWIN_RETURNS_MIN, every_s=TWIN_REMEMBERED_S + 1)
    assert not known.twins(at_s)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", max_size=60))
def test_what_is_remembered_is_bounded_and_each_life_once(lives: str) -> None:
    known, _ = heard(lives)
    assert len(known.before) <= TWIN_LIVES_MAX
    assert len({known.now, *known.before}) == len(known.before) + 1 or not lives
    assert len(set(lives)) > 1 or not known.returns


def test_the_board_names_the_nodes_that_are_twins() -> None:
    clock = HandClock()
    board = NodeBoard(clock)
    for life in "ababa":
        board.take(replace(report(A), life=life * 16))
        board.take(replace(report(B), life="c" * 16))
    assert board.twins() == (A,)
    board.forget(A)
    assert board.twins() == ()


def test_status_tells_of_twins_what_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            board = here.control.board
            [seen] = board.nodes()
            edge = replace(seen.report, node=NodeName("edge-1"))
            for life in "ababa":
                board.take(replace(edge, life=life * 16))
            status = await here.service.status()
            [notice] = [one for one in status.notices if one.code == "node-twice"]
            assert notice.severity == "error"
            assert "Two machines report as node edge-1" in notice.text
            assert "join it under another name" in notice.remedy
            assert status.state == "degraded"

    asyncio.run(story())
