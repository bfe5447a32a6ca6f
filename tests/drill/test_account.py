"""The arithmetic of a drill: who failed, who was exposed, and for how long."""

import dataclasses

import pytest

from seawall.drill.account import Account, Sample, account
from seawall.drill.outages import core_cut_off, empty_parameter, slow_poison, stale_plan
from seawall.drill.result import Guarded, Result, Summary
from seawall.drill.scene import Drill, Protection

QUIET = Account(
    nodes=3,
    requests=1000,
    failed=0,
    unanswered=0,
    exposed_nodes=0,
    exposed_requests=0,
    detect_s=0.5,
    revert_s=0.0,
    human_actions=0,
)
LOUD = dataclasses.replace(QUIET, failed=800, exposed_nodes=3, exposed_requests=800)


def count(*samples: Sample, forgiven: tuple[tuple[float, float], ...] = ()) -> Account:
    return account(
        samples,
        nodes=3,
        injected_s=10.0,
        bad=frozenset({"r2"}),
        detected_s=11.0,
        human_actions=1,
        forgiven=forgiven,
    )


def test_what_came_before_the_fault_does_not_count() -> None:
    found = count(Sample(9.9, 0, 500, "r1"), Sample(10.0, 0, 200, "r1"))
    assert (found.requests, found.failed, found.exposed_requests) == (1, 0, 0)


def test_no_answer_a_server_error_and_a_wrong_answer_are_failures() -> None:
    found = count(
        Sample(11, 0, 0, ""),
        Sample(12, 1, 503, "r1"),
        Sample(13, 1, 404, "r1", expected=False),
        Sample(14, 2, 200, "r1"),
    )
    assert (found.failed, found.unanswered) == (3, 1)
    assert (found.exposed_nodes, found.exposed_requests) == (2, 3)
    assert found.revert_s == 3.0


def test_a_good_answer_of_the_bad_release_is_an_exposure_and_no_failure() -> None:
    found = count(Sample(11, 2, 200, "r2"))
    assert (found.failed, found.exposed_nodes, found.exposed_requests) == (0, 1, 1)


def test_a_process_killed_on_purpose_is_no_arms_fault() -> None:
    found = count(Sample(11, 0, 0, ""), Sample(13, 0, 0, ""), forgiven=((10.5, 12.0),))
    assert (found.requests, found.failed) == (1, 1)


def test_without_any_request_nothing_is_divided_by() -> None:
    assert count().failed_share == 0.0


def result(guarded: Account, *, held_by: str = "taster", stable_failed: int = 0) -> Result:
    arm = Guarded(guarded, stable_failed, held_by, "refused")
    return Result("x", "somebody", "something", arm, LOUD)


def test_a_drill_passes_when_the_fault_was_held() -> None:
    assert result(QUIET).passed


def test_a_drill_fails_when_nothing_held_the_fault() -> None:
    assert not result(QUIET, held_by="").passed


def test_a_drill_fails_when_a_later_protection_had_to_hold() -> None:
    held = result(QUIET)
    late = dataclasses.replace(held.guarded, got_past="guard")
    assert not dataclasses.replace(held, guarded=late).passed


@pytest.mark.parametrize(
    ("drill", "held_by", "off", "got_past"),
    [
        (empty_parameter.DRILL, "guard", set(), ""),
        (empty_parameter.DRILL, "taster", set(), "guard"),
        (empty_parameter.DRILL, "taster", {Protection.GUARD}, ""),
        (empty_parameter.DRILL, "canary", {Protection.GUARD, Protection.TASTER}, ""),
        (slow_poison.DRILL, "taste", set(), ""),
        (slow_poison.DRILL, "taster", set(), ""),  # met earlier: a busy machine tastes for long
        (slow_poison.DRILL, "bake", set(), "canary"),
        (stale_plan.DRILL, "parent", set(), ""),
        (stale_plan.DRILL, "check", set(), "parent"),
        (core_cut_off.DRILL, "last-known-good", set(), ""),
        (core_cut_off.DRILL, "", set(), "last-known-good"),
        (core_cut_off.DRILL, "", {Protection.LAST_KNOWN_GOOD}, ""),
    ],
)
def test_the_first_protection_that_is_on_has_to_hold(
    drill: Drill, held_by: str, off: set[Protection], got_past: str
) -> None:
    assert drill.got_past(held_by, frozenset(off)) == got_past


def test_a_drill_fails_when_the_fault_came_into_force_and_nobody_noticed() -> None:
    held = result(QUIET)
    took = dataclasses.replace(held.guarded, in_force=("r3",))
    assert not dataclasses.replace(held, guarded=took).passed


def test_a_drill_fails_when_a_stable_slot_failed_a_request() -> None:
    assert not result(QUIET, stable_failed=1).passed


def test_a_drill_fails_when_a_person_was_needed_or_clients_failed() -> None:
    assert not result(dataclasses.replace(QUIET, human_actions=1)).passed
    assert not result(dataclasses.replace(QUIET, failed=11)).passed


def test_all_drills_together_must_cost_next_to_nothing_of_the_naive_way() -> None:
    one_failed = dataclasses.replace(QUIET, failed=1)
    assert result(one_failed).passed
    assert not Summary((result(one_failed),)).passed  # 1 of 800 is more than one in a thousand
    assert Summary((result(QUIET), result(one_failed))).passed
    assert Summary(()).failed_share_of_naive is None
