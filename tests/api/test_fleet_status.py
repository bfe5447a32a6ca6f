"""What a control process says of a fleet: only what it can know."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from api.world import world
from rollout.model import POLICY, Model
from seawall.api.fleet import ElsewhereError
from seawall.api.rollout_present import rollout_view
from seawall.api.roster import LOCAL
from seawall.api.status import in_fleet
from seawall.api.status_views import StatusView
from seawall.clock import SystemClock
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.limits import NODE_SILENT_AFTER_S
from seawall.model.rollout import Wave
from seawall.rollout.state import Fleet, Inventory
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window


def look(tmp_path: Path) -> StatusView:
    async def story() -> StatusView:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            return await here.service.status()

    return asyncio.run(story())


def test_a_process_that_stands_by_says_who_knows(tmp_path: Path) -> None:
    view = look(tmp_path)
    assert view.urls
    assert view.nodes
    leading = in_fleet(view, None)
    assert leading == replace(view, urls=()), "nobody listens on control's machine"
    standing_by = in_fleet(view, ElsewhereError("10.0.0.1:7443"))
    assert (standing_by.state, standing_by.nodes) == ("standby", ())
    assert standing_by.summary.startswith("10.0.0.1:7443 leads and is in contact with the nodes")
    assert "r1 should serve" in standing_by.summary
    nobody = in_fleet(view, ElsewhereError(""))
    assert (nobody.state, nobody.nodes) == ("degraded", ())
    assert "This control process does not know which one leads. The edge" in nobody.summary
    why = in_fleet(view, ElsewhereError("", "PostgreSQL does not answer."))
    assert "which one leads. PostgreSQL does not answer. The edge still serves." in why.summary


@pytest.mark.parametrize(
    ("waves", "shown"),
    [
        pytest.param((), ["1 of 1", "1 of 1"], id="all at once"),
        pytest.param((Wave(share=1.0),), ["1 of 1", "1 of 1"], id="all, written"),
        pytest.param((Wave(group="canary"),), ["1 of 2", "2 of 2", "2 of 2"], id="all come last"),
        pytest.param((Wave(share=0.5), Wave(share=1.0)), ["1 of 2", "2 of 2", "2 of 2"], id="two"),
    ],
)
def test_waves_are_counted_with_the_last_one_which_is_everybody(
    waves: tuple[Wave, ...], shown: list[str]
) -> None:
    model = Model()
    model.policy = replace(POLICY, waves=waves)
    model.start("r1")
    [rollout] = model.fleet.rollouts
    views = [
        rollout_view(replace(rollout, wave=wave), Fleet(), Inventory({}, 1.0))
        for wave in range(len(shown))
    ]
    assert [f"{view.wave} of {view.waves}" for view in views] == shown


def test_bots_in_the_newest_records_are_those_of_all_nodes_that_say_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            at_s, edge = SystemClock().now_s(), {"bots_scored": 90.0, "bots_unscored": 10.0}
            for name, unknown in (("edge-1", 3), ("edge-2", 6), ("edge-3", None)):
                node = NodeName(name)
                sample = None if unknown is None else BotSample(100, 0, 10, 90, unknown)
                window = Window(
                    node, "stable", ReleaseId("r1"), Generation(1), at_s - 5, 5.0, edge=edge
                )
                await here.service.report(
                    replace(seen.report, node=node, bots=sample, windows=(window,))
                )
            bots = (await here.service.status()).bots
            assert bots is not None
            assert bots.sampled == 200
            assert bots.sampled_unknown_tls_share == 9 / 180

    asyncio.run(story())


def test_what_nodes_say_is_told_once_with_who_says_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            for number in range(1, 6):
                notices = ("The disk is full.", *(("Only here.",) if number == 2 else ()))
                node = NodeName(f"edge-{number}")
                await here.service.report(
                    replace(seen.report, node=node, notices=notices, windows=())
                )
            texts = [n.text for n in (await here.service.status()).notices]
            assert texts.count("Nodes edge-1, edge-2, edge-3 and 2 more: The disk is full.") == 1
            assert "Node edge-2: Only here." in texts
            assert len([text for text in texts if "disk is full" in text]) == 1

    asyncio.run(story())


def test_the_only_node_of_a_machine_need_not_be_named(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            here.control.board.take(replace(seen.report, notices=("The disk is full.",)))
            assert "The disk is full." in [n.text for n in (await here.service.status()).notices]

    asyncio.run(story())


def test_what_was_measured_counts_once_although_it_is_told_again(tmp_path: Path) -> None:
    """The answer to a report was lost: whoever sent it tells all of it again, and more."""

    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            node, at_s = NodeName("edge-1"), SystemClock().now_s()
            first, second = (
                Window(node, "stable", ReleaseId("r1"), Generation(1), at_s - ago_s, 5.0)
                for ago_s in (10.0, 5.0)
            )
            for windows in ((first,), (first, second), (first, second)):
                await here.service.report(replace(seen.report, node=node, windows=windows))
            told = (await here.service.metrics()).decode()
            assert 'seawall_windows_total{node="edge-1",slot="stable"} 2.0' in told
            assert sum(window.node == node for window in here.control.board.evidence()) == 2

    asyncio.run(story())


def test_a_release_that_any_node_serves_or_keeps_is_told_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            await here.applied(here.text(timeout="30s"))
            [seen] = here.control.board.nodes()
            for name, release in (("edge-1", "r2"), ("edge-2", "r1")):
                digest = (await here.service.show(release)).release.digest
                report = replace(
                    seen.report,
                    node=NodeName(name),
                    release=ReleaseId(release),
                    last_known_good=(ReleaseId(release),),
                    good_digests=(Digest(digest),),
                    windows=(),
                )
                here.control.board.take(report)
            here.control.board.forget(LOCAL)
            listed = (await here.service.releases(limit=2)).releases
            assert [(one.id, one.serving, one.last_known_good) for one in listed] == [
                ("r2", True, True),
                ("r1", True, True),
            ]

    asyncio.run(story())


def test_a_node_that_a_control_process_never_heard_is_told_as_silent(tmp_path: Path) -> None:
    """After a restart, or a takeover, a machine that was dead before was in no status at all."""

    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            board, fleet = here.control.board, here.control.executor.fleet
            told = fleet.assigned[LOCAL]
            board.offer(replace(fleet, assigned={**fleet.assigned, NodeName("edge-9"): told}))
            assert board.unheard() == (), "it has time to come"
            board._began_s -= NODE_SILENT_AFTER_S
            view = await here.service.status()
            assert view.state == "degraded"
            [notice] = view.notices
            assert notice.text.startswith("Node edge-9 has not been heard from since this control")
            assert in_fleet(view, ElsewhereError("10.0.0.1:7443")).notices == ()

    asyncio.run(story())
