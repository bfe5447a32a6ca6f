"""A baseline runs where there is something to compare by, and wherever nobody knows."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from judge.windows import window
from rollout.model import POLICY
from rollout.test_apply_times import NODE, Traffic
from seawall.ids import NodeName
from seawall.model.rollout import DEFAULT_POLICY, WithoutTraffic
from seawall.rollout.record import read_rollout, rollout_text
from seawall.rollout.state import Stage
from seawall.rollout.traffic import may_show_something, rates_per_s
from seawall.telemetry.window import Window

A, B = NodeName("a"), NodeName("b")
NOW_S = 100.0


def of(node: NodeName, requests: int, ends_s: Iterable[float]) -> list[Window]:
    """Windows of one second, each with so many requests."""
    return [window("stable", end - 1, requests, node=node) for end in ends_s]


def last(seconds: int, until_s: float = NOW_S) -> list[float]:
    return [until_s - second for second in range(seconds)]


def test_a_node_without_a_request_is_idle() -> None:
    assert rates_per_s(of(A, 0, last(20)), NOW_S) == {A: 0.0}


def test_requests_of_all_slots_count_over_the_time_of_the_stable_one() -> None:
    beside = [window("candidate", NOW_S - 1, 40, node=A)]
    assert rates_per_s([*of(A, 2, last(20)), *beside], NOW_S) == {A: 4.0}


@pytest.mark.parametrize(
    "windows",
    [
        [],
        of(A, 0, last(9)),
        of(A, 0, last(40, until_s=NOW_S - 31)),
        [replace(one, edge={}) for one in of(A, 0, last(20))],
    ],
    ids=["none", "too short", "long ago", "unreadable"],
)
def test_what_was_not_measured_is_unknown_and_not_idle(windows: list[Window]) -> None:
    assert rates_per_s(windows, NOW_S) == {}
    assert may_show_something(POLICY, (A,), {})


def test_the_traffic_of_all_members_counts_together() -> None:
    assert not may_show_something(DEFAULT_POLICY, (A,), {A: 1.2, B: 1.2})
    assert may_show_something(DEFAULT_POLICY, (A, B), {A: 1.2, B: 1.2})
    assert may_show_something(DEFAULT_POLICY, (A, B), {A: 0.0})


def tasting(rate: float, without: WithoutTraffic = WithoutTraffic.PROBES) -> Traffic:
    """A second release right after it was given to the node."""
    model = Traffic(rate, 0.0, 1)
    model.policy = replace(DEFAULT_POLICY, without_traffic=without)
    model.start("r1")
    while model.fleet.rollouts or model.now_s < 40:
        model.tick()
    model.start("r2")
    while (running := model.fleet.running) is None or running.stage is not Stage.TASTING:
        model.tick()
    return model


@pytest.mark.parametrize(
    ("rate", "without", "baseline"),
    [
        (0, WithoutTraffic.PROBES, False),
        (0.5, WithoutTraffic.PROBES, False),
        (5, WithoutTraffic.PROBES, True),
        (0, WithoutTraffic.HOLD, True),
    ],
)
def test_golden_requests_that_decide_anyway_need_no_baseline(
    rate: float, without: WithoutTraffic, baseline: bool
) -> None:
    model = tasting(rate, without)
    trial = model.fleet.assigned[NODE].trial
    assert trial is not None
    assert trial.baseline is baseline
    told = any("without a baseline" in event.text for event in model.said)
    assert told is not baseline


def test_the_choice_holds_for_the_whole_wave_and_for_the_next_leader() -> None:
    model = tasting(0)
    while (running := model.fleet.running) is not None and running.stage is Stage.TASTING:
        model.tick()
    assert running is not None
    assert running.stage is Stage.CANARY
    trial = model.fleet.assigned[NODE].trial
    assert trial is not None
    assert not trial.baseline
    assert not read_rollout(rollout_text(running)).compared


def test_a_rollout_of_an_older_version_goes_on_with_its_baseline() -> None:
    running = tasting(5).fleet.running
    assert running is not None
    older = rollout_text(running).replace('"compared":true,', "")
    assert "compared" not in older
    assert read_rollout(older) == running
