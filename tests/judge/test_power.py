"""What docs/judge.md claims is what the judge does."""

import random

from tools import power
from tools.rollouts import Fault, World, a_world, rollout

from seawall.limits import JUDGE_ALPHA

AA_ROLLOUTS = 40


def test_the_figures_of_the_page_are_those_of_this_judge() -> None:
    page = power.PAGE.read_text()
    assert power.quick() in page, "docs/judge.md is stale: run `python -m tools.power`"
    assert f"{power.AA_ROLLOUTS:,} rollouts of a release that changes nothing" in page


def test_a_release_that_changes_nothing_is_not_called_unhealthy() -> None:
    for seed in range(AA_ROLLOUTS):
        world = a_world(random.Random(seed))
        assert rollout(world, Fault(), seed, shares=(0.01, 0.5), deadline_s=30).end != "unhealthy"
    assert AA_ROLLOUTS * JUDGE_ALPHA < 1


def test_clients_that_fail_on_whole_connections_raise_no_alarm() -> None:
    world = World(100.0, errors=0.01, per_connection=20.0, clumped=1.0)
    ends = [rollout(world, Fault(), seed, shares=(0.1,), deadline_s=60).end for seed in range(40)]
    assert ends.count("unhealthy") <= 1


def test_a_release_that_harms_is_called_unhealthy_by_the_gate_it_harms() -> None:
    world = World(1000.0)
    for fault, gate in (
        (Fault(errors=0.05), "errors"),
        (Fault(slow=0.6), "slow"),
        (Fault(client_errors=0.5), "client-errors"),
    ):
        end = rollout(world, fault, 1, shares=(0.1,), deadline_s=60)
        assert (end.end, end.gate) == ("unhealthy", gate)


def test_the_same_seed_gives_the_same_rollout() -> None:
    world = a_world(random.Random(3))
    assert rollout(world, Fault(errors=0.1), 3) == rollout(world, Fault(errors=0.1), 3)


def test_the_figures_replace_what_stood_between_the_markers() -> None:
    page = f"before\n{power.BEGIN}\nold\n{power.END}\nafter\n"
    once = power.into_page(page, "new")
    assert "old" not in once
    assert power.into_page(once, "new") == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
