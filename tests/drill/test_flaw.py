"""The naive half of the drills on real Envoys: a fault that nothing holds must be seen to harm."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from seawall.clock import SystemClock
from seawall.drill.outages import ALL, feature_file, tenant_config
from seawall.drill.run import run_naive
from seawall.drill.scene import Drill, Protection, unbounded


@pytest.mark.parametrize("drill", [feature_file.DRILL, tenant_config.DRILL], ids=lambda d: d.name)
def test_the_naive_fleet_suffers_and_needs_a_person(drill: Drill, tmp_path: Path) -> None:
    # Nobody judges: an alarm needs ten failures a second.
    slower = replace(drill, nodes=2, rate_per_s=60.0)
    found = asyncio.run(run_naive(slower, tmp_path / "naive", SystemClock()))
    assert found.exposed_nodes == found.nodes
    assert found.failed > found.requests / 4
    assert found.human_actions >= 1
    assert found.detect_s is not None


@pytest.mark.parametrize("drill", ALL, ids=lambda d: d.name)
def test_every_drill_says_what_happened_and_what_it_relies_on(drill: Drill) -> None:
    assert drill.story.endswith(".")
    assert drill.protections
    assert not drill.bounds(drill.flaw.data), "the first release must be a good one"
    assert drill.bounds is unbounded or Protection.BOUNDS in drill.protections


def test_names_of_drills_are_unique() -> None:
    assert len({drill.name for drill in ALL}) == len(ALL) >= 13
