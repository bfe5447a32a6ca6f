"""What a control process says of a fleet: only what it can know."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from api.world import world
from rollout.model import POLICY, Model
from seawall.api.fleet import ElsewhereError
from seawall.api.rollout_present import rollout_view
from seawall.api.status import in_fleet
from seawall.api.status_views import StatusView
from seawall.model.rollout import Wave
from seawall.rollout.state import Fleet, Inventory


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
    assert standing_by.summary.startswith("10.0.0.1:7443 leads and hears the nodes")
    assert "r1 should serve" in standing_by.summary
    nobody = in_fleet(view, ElsewhereError(""))
    assert (nobody.state, nobody.nodes) == ("degraded", ())
    assert "not known here which control process leads" in nobody.summary


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
