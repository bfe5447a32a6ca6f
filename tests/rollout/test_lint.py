"""Each invariant is broken once by hand, and lint finds it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout.model import Model, ModelNode, digest
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.judge.verdict import NotEnough, Reason
from seawall.rollout.behind import reachable
from seawall.rollout.lint import lint
from seawall.rollout.plan import plan
from seawall.rollout.ports import Trial
from seawall.rollout.state import Assigned, Basis, Fleet, Pass, Plan, Stage, Target

A = NodeName("a")
Break = Callable[[Fleet, Plan], Plan]


def in_step(step: int) -> Model:
    """Four nodes, the first of them in this step of r2."""
    model = Model()
    for name in "abcd":
        model.add(ModelNode(NodeName(name)))
    for release in ("r1", "r2"):
        model.start(release)
        for _ in range(200):
            model.tick()
            running = model.fleet.running
            if not model.fleet.rollouts or (running and running.step >= step and release == "r2"):
                break
    return model


def told(fleet: Fleet, name: NodeName = A, **changes: object) -> tuple[Assigned, Fleet]:
    new = replace(
        fleet.assigned[name],
        generation=Generation(fleet.generation + 1),
        **changes,  # type: ignore[arg-type]  # - wrong on purpose
    )
    return new, replace(fleet, assigned={**fleet.assigned, name: new}, generation=new.generation)


def assigning(**changes: object) -> Break:
    def change(fleet: Fleet, made: Plan) -> Plan:
        new, following = told(fleet, A, **changes)
        return replace(made, fleet=following, assignments=(new,))

    return change


def rolling(**changes: object) -> Break:
    def change(fleet: Fleet, made: Plan) -> Plan:
        running = fleet.running
        assert running is not None
        changed = replace(running, **changes)  # type: ignore[arg-type]  # - wrong on purpose
        return replace(made, fleet=replace(fleet, rollouts=(changed,)))

    return change


def falling(fleet: Fleet, made: Plan) -> Plan:
    old = fleet.assigned[A]
    new = replace(old, generation=Generation(old.generation - 1))
    following = replace(fleet, assigned={**fleet.assigned, A: new})
    return replace(made, fleet=following, assignments=(new,))


def forgetting(fleet: Fleet, made: Plan) -> Plan:
    return replace(made, fleet=replace(fleet, generation=Generation(fleet.generation - 1)))


def giving_twice(fleet: Fleet, made: Plan) -> Plan:
    new = replace(fleet.assigned[NodeName("b")], generation=fleet.generation)
    following = replace(fleet, assigned={**fleet.assigned, new.node: new})
    return replace(made, fleet=following, assignments=(new,))


def untold(fleet: Fleet, made: Plan) -> Plan:
    new, _ = told(fleet)
    return replace(made, fleet=replace(fleet, generation=new.generation), assignments=(new,))


def everywhere_at_once(fleet: Fleet, made: Plan) -> Plan:
    trial = fleet.assigned[A].trial
    following, new = fleet, []
    for name in fleet.assigned:
        one, following = told(following, name, trial=trial)
        new.append(one)
    return replace(made, fleet=following, assignments=tuple(new))


def aiming(fleet: Fleet, made: Plan) -> Plan:
    target = Target(ReleaseId("r9"), digest("r9"), 1.0)
    return replace(made, fleet=replace(fleet, target=target))


def aiming_at_r2(**changes: object) -> Break:
    def change(fleet: Fleet, made: Plan) -> Plan:
        made = rolling(**changes)(fleet, made)
        target = Target(ReleaseId("r2"), digest("r2"), 1.0)
        return replace(made, fleet=replace(made.fleet, target=target))

    return change


def quarantining(fleet: Fleet, made: Plan) -> Plan:
    made = assigning(trial=None)(fleet, made)
    trial = Trial(ReleaseId("r2"), digest("r2"), 1)
    new, following = told(fleet, trial=trial)
    bad = replace(following, quarantined=frozenset({digest("r2")}))
    return replace(made, fleet=bad, assignments=(new,))


@pytest.mark.parametrize(
    ("invariant", "change", "words"),
    [
        (1, falling, "goes from"),
        (1, forgetting, "the fleet's generation falls"),
        (1, giving_twice, "given before"),
        (1, untold, "differs from the fleet's"),
        (2, assigning(release=ReleaseId("r9"), digest=digest("r9")), "unknown digest"),
        (2, assigning(trial=Trial(ReleaseId("r2"), digest("r9"), 1)), "unknown digest"),
        (0, assigning(trial=Trial(ReleaseId("r1"), digest("r1"), 1)), "not on its way"),
        (5, assigning(trial=Trial(ReleaseId("r2"), digest("r2"), 999)), "999 permille"),
        (5, everywhere_at_once, "4 of 4 nodes"),
        (6, rolling(step=3), "without having passed step 2"),
        (6, rolling(stage=Stage.COMMITTING), "without having passed"),
        (6, rolling(passed=(Pass(1, 1, Basis.TASTED, "x", 0.0),)), "passed step 1 as tasted"),
        (6, rolling(passed=(Pass(1, 1, Basis.FIRST, "x", 0.0),)), "passed step 1 as first"),
        (6, aiming, "but it was not made on top of that"),
        (6, aiming_at_r2(), "but it was not made on top of that"),
        (
            6,
            aiming_at_r2(stage=Stage.COMMITTING, before=Target(ReleaseId("r0"), digest("r0"), 1.0)),
            "but it was not made on top of that",
        ),
        (9, quarantining, "quarantined"),
    ],
)
def test_lint_finds_a_broken_invariant(invariant: int, change: Break, words: str) -> None:
    model = in_step(2)
    inventory, findings = model.inventory(), model.findings()
    made = plan(model.fleet, inventory, findings, model.now_s)
    assert lint(model.fleet, made, inventory, findings) == ()
    before = model.fleet
    if invariant == 6 and "passed" in words and "having" not in words:
        running = before.running
        assert running is not None
        before = replace(before, rollouts=(replace(running, passed=()),))
    broken = change(model.fleet, made)
    found = lint(before, broken, inventory, findings)
    assert any(v.invariant == invariant and words in v.text for v in found), found


def test_what_a_restored_store_has_forgotten_is_not_taken_from_a_node_unasked() -> None:
    model = in_step(2)
    inventory, findings, fleet = model.inventory(), model.findings(), model.fleet
    made = assigning(trial=None)(fleet, plan(fleet, inventory, findings, model.now_s))
    seen = inventory.nodes[A]
    report = seen.report
    assert report is not None

    def forgotten(generation: int, serves: str) -> bool:
        said = replace(report, generation=Generation(generation), digest=digest(serves))
        nodes = {**inventory.nodes, A: replace(seen, report=said)}
        found = lint(fleet, made, replace(inventory, nodes=nodes), findings)
        return any("has lost" in violation.text for violation in found)

    assert forgotten(fleet.generation + 1, "r9")
    assert not forgotten(fleet.generation + 1, "r1"), "it serves what it is given"
    assert not forgotten(fleet.generation, "r9"), "the store knows all it was told"
    assert not forgotten(reachable(fleet) + 1, "r9"), "no node has such a number"


def test_a_healthy_pass_needs_the_healthy_verdict_on_that_step() -> None:
    model = in_step(2)
    for _ in range(60):
        model.pass_time()
        inventory, findings = model.inventory(), model.findings()
        made = plan(model.fleet, inventory, findings, model.now_s)
        running, following = model.fleet.running, made.fleet.running
        assert running is not None
        assert following is not None
        if following.step != running.step:
            break
        model.think()
    assert (running.step, following.step) == (2, 3)
    assert lint(model.fleet, made, inventory, findings) == ()
    lacking = replace(findings, verdict=NotEnough(Reason.GATHERING))
    assert any(
        "without a healthy verdict" in violation.text
        for violation in lint(model.fleet, made, inventory, lacking)
    )
    other = replace(findings, step_generation=Generation(findings.step_generation - 1))
    stale = plan(model.fleet, inventory, other, model.now_s).fleet.running
    assert stale is not None
    assert stale.step == running.step, "a verdict on another step advances nothing"
