"""A node that has asked and not reported yet is waited for; one that says nothing is lost."""

import pytest

from rollout.model import POLICY, digest
from seawall import limits
from seawall.ids import NodeName, ReleaseId
from seawall.rollout.draft import Draft
from seawall.rollout.standing import Standing, in_commit, in_trial
from seawall.rollout.state import Findings, Fleet, Inventory, Rollout, Seen, Speed, Stage

NODE = NodeName("a")
STARTED_S = 100.0


def rollout() -> Rollout:
    return Rollout(
        number=1,
        release=ReleaseId("r1"),
        digest=digest("r1"),
        speed=Speed.CONFIG,
        policy=POLICY,
        actor="ann",
        onto=None,
        before=None,
        stage=Stage.COMMITTING,
        queued_s=STARTED_S,
        started_s=STARTED_S,
        step_started_s=STARTED_S,
        deadline_s=STARTED_S + 1000,
    )


def looked(
    silent_s: float, at_s: float, *, heard: bool = True, awaited: bool = False
) -> set[Standing]:
    nodes = {NODE: Seen(NODE, None, silent_s, heard, awaited)}
    seen = Inventory(nodes, limits.NODE_SILENT_AFTER_S)
    draft = Draft(Fleet(), seen, Findings(), at_s)
    return {look(draft, rollout(), NODE).standing for look in (in_commit, in_trial)}


def test_a_node_that_asked_just_now_will_report_soon() -> None:
    assert looked(0.0, STARTED_S + 1) == {Standing.PENDING}


def test_a_node_that_control_could_not_hear_yet_is_awaited_however_old_the_step_is() -> None:
    assert looked(5.0, STARTED_S + 500, heard=False) == {Standing.PENDING}
    gone_s = limits.NODE_SILENT_AFTER_S + 1
    assert looked(gone_s, STARTED_S + 500, heard=False) == {Standing.LOST}


def test_a_node_that_asked_and_had_no_time_to_report_is_awaited_however_old_the_step_is() -> None:
    assert looked(0.0, STARTED_S + 500, awaited=True) == {Standing.PENDING}


@pytest.mark.parametrize(
    ("silent_s", "after_s"),
    [(limits.NODE_SILENT_AFTER_S + 1, 1.0), (0.0, limits.ROLLOUT_NODE_PATIENCE_S + 1)],
    ids=["silent", "asks for ever and reports nothing"],
)
def test_a_node_that_says_nothing_is_lost(silent_s: float, after_s: float) -> None:
    assert looked(silent_s, STARTED_S + after_s) == {Standing.LOST}
