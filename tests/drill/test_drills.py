"""Outages replayed on real Envoys: Seawall holds them, and it is its protections that do."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from seawall.clock import SystemClock
from seawall.drill.outages import (
    ALL,
    core_cut_off,
    empty_parameter,
    empty_record,
    expired_certificates,
    feature_file,
    slow_poison,
    tenant_config,
)
from seawall.drill.result import Guarded, Result
from seawall.drill.run import run_guarded
from seawall.drill.scene import Drill, Protection, Scene

SHOWN = (tenant_config, slow_poison, empty_parameter, core_cut_off, empty_record)
AFTER_S = 1.0
"""How long clients are watched afterwards: the command takes its time, a test need not.
Only what crashes late is waited for."""
UNJUDGED_S = 0.5
"""Of traffic before the fault where nothing is judged by it."""
UNJUDGED_PER_S = 20.0
"""And requests a second of each node then. What must fail fails for each of them, and what must
hold is held by no count of them."""
RELEASED = {Protection.TASTER, Protection.CANARY}
"""Who relies on one of these has the fault in force, or stable slots that died of it."""
FEW_NODES = 2
"""A wave of one and a wave of the rest: enough where protections are off."""


def run(drill: Drill, home: Path, off: frozenset[Protection] = frozenset()) -> Result:
    short = drill if drill is slow_poison.DRILL else replace(drill, after_s=AFTER_S)
    if off:
        short = replace(short, nodes=FEW_NODES)
    if drill.protections != (Protection.CANARY,) or off:
        rate_per_s = UNJUDGED_PER_S * short.nodes
        short = replace(short, warm_up_s=UNJUDGED_S, rate_per_s=rate_per_s)
    guarded: Guarded = asyncio.run(run_guarded(short, home, SystemClock(), off=off))
    return Result(drill.name, drill.outage, drill.title, guarded, None)


@pytest.mark.parametrize("drill", [m.DRILL for m in SHOWN], ids=lambda d: d.name)
def test_seawall_holds_the_fault(drill: Drill, tmp_path: Path) -> None:
    found = run(drill, tmp_path)
    assert found.passed, str(found)


@pytest.mark.parametrize("drill", ALL, ids=lambda d: d.name)
def test_a_drill_fails_without_its_protections(drill: Drill, tmp_path: Path) -> None:
    found = run(drill, tmp_path, frozenset(drill.protections))
    assert not found.passed, str(found)
    assert found.guarded.account.failed, str(found)
    if set(drill.protections) & RELEASED:
        assert found.guarded.in_force or found.guarded.stable_failed, str(found)


async def _flap(scene: Scene) -> None:
    """The part of the drill that the data plane would fail at: bad, good, and bad again."""
    await feature_file.flap(scene, cycles=3)


def test_each_layer_holds_when_the_one_before_it_is_off(tmp_path: Path) -> None:
    drill = replace(feature_file.DRILL, deed=_flap)
    without_bounds = run(drill, tmp_path / "1", frozenset({Protection.BOUNDS}))
    assert without_bounds.guarded.held_by == "taster"
    off = frozenset({Protection.BOUNDS, Protection.TASTER})
    without_taster = run(drill, tmp_path / "2", off)
    assert without_taster.guarded.held_by == "taste"
    assert not without_taster.guarded.account.failed


def test_nodes_come_back_from_their_disks_without_control(tmp_path: Path) -> None:
    found = run(expired_certificates.DRILL, tmp_path)
    assert found.passed, str(found)
    assert found.guarded.account.requests
