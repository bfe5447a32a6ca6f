"""Whole fleets on made-up time: no invariant breaks, and a planted defect is found."""

import dataclasses
from pathlib import Path

import pytest

from seawall import limits
from seawall.ids import Generation, NodeName
from seawall.judge.verdict import Healthy
from seawall.node import course as node_course
from seawall.node import hearing
from seawall.node.standing import Course
from seawall.rollout import steps
from seawall.testing.sim import core
from seawall.testing.sim.node import SimNode
from seawall.testing.sim.run import kept_seeds, run_all, run_seed

KEPT = Path(__file__).with_name("kept.txt")
SEEDS = 120


def test_no_seed_breaks_an_invariant() -> None:
    outcomes = list(run_all([*kept_seeds(KEPT), *range(10_000, 10_000 + SEEDS)]))
    failures = [f"seed {o.seed}: {o.failure}" for o in outcomes if o.failure]
    assert not failures, failures
    ends = {stage for outcome in outcomes for stage in outcome.ends}
    assert ends == {"done", "rolled-back", "aborted", "superseded"}, "chaos reaches every end"


def test_one_seed_gives_one_history() -> None:
    assert run_seed(42) == run_seed(42)


def broken(seeds: range) -> str:
    """The first failure among these seeds: they begin near one that fails, whatever it is about."""
    return next((o.failure for o in map(run_seed, seeds) if o.failure), "")


def test_a_node_that_accepts_smaller_generations_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hearing.hear

    def obedient(course: Course, event: object, now_s: float) -> Course:
        if isinstance(event, node_course.moves.Assigned):
            before = Generation(event.assignment.generation - 1)
            memory = dataclasses.replace(course.memory, generation=before)
            course = dataclasses.replace(course, memory=memory)
        return real(course, event, now_s)  # type: ignore[arg-type]  # - an event, whatever its kind

    monkeypatch.setattr(node_course, "hear", obedient)
    assert "generation" in broken(range(1, 60))


def test_a_writer_without_a_fence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = core.SimStore.write

    def unfenced(store: core.SimStore, made: core.Plan, **_: object) -> core.Fleet:
        fleet = dataclasses.replace(made.fleet, version=store.fleet.version)
        return real(store, dataclasses.replace(made, fleet=fleet))

    monkeypatch.setattr(core.SimStore, "write", unfenced)
    assert "1: the generation in the store fell" in broken(range(100, 300))


def test_a_node_that_gives_the_candidate_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SimNode._steered

    def generous(node: SimNode, ticket: int, share: int) -> None:
        real(node, ticket, share * 2)

    monkeypatch.setattr(SimNode, "_steered", generous)
    assert broken(range(1, 60)).startswith("Internal error: 5:")


def test_a_leader_that_takes_those_it_hears_first_for_everybody_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def impatient(control: core.SimControl, name: NodeName, now_s: float) -> core.Seen:
        report, at_s = control._seen.get(name, (None, now_s - 10 * limits.NODE_SILENT_AFTER_S))
        return core.Seen(name, report, now_s - at_s)

    monkeypatch.setattr(core.SimControl, "_last", impatient)
    assert "was not asked" in broken(range(40, 100))


def test_a_planner_that_advances_without_a_verdict_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "verdict_on", lambda _draft, _rollout: Healthy("it will be fine"))
    assert "without a healthy verdict" in broken(range(1, 60))
