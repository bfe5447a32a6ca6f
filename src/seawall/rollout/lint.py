"""What no plan may do, whoever made it: checked on every plan before it is written.

The planner is written to keep these; this file does not trust it. A plan that breaks one is not
written, and the rollout is held with the reason. Numbers are those of the design's invariants.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from seawall.ids import Digest, NodeName
from seawall.judge.verdict import Healthy
from seawall.model.rollout import WithoutTraffic
from seawall.rollout.behind import news, reachable
from seawall.rollout.state import (
    NO_GENERATION,
    STRAIGHT,
    TASTE,
    Assigned,
    Basis,
    Findings,
    Fleet,
    Inventory,
    Pass,
    Plan,
    Rollout,
    Stage,
)
from seawall.rollout.wave import nodes_max


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant. `invariant` is its number in the design; 0 for one of form."""

    invariant: int
    text: str


def lint(
    before: Fleet, plan: Plan, inventory: Inventory, findings: Findings
) -> tuple[Violation, ...]:
    """Everything that is wrong with a plan made on `before`."""
    return (
        *_generations(before, plan),
        *_ahead(before, plan, inventory),
        *_targets(before, plan),
        *_known(before, plan),
        *_one_at_a_time(plan),
        *_shares(plan),
        *_exposure(before, plan, inventory),
        *_advances(before, plan, findings),
        *_quarantine(before, plan),
    )


def _generations(before: Fleet, plan: Plan) -> Iterator[Violation]:
    """1: a node's generation never falls, and each change has a larger one."""
    if plan.fleet.generation < before.generation:
        yield Violation(1, f"the fleet's generation falls to {plan.fleet.generation}")
    for new in plan.assignments:
        old = before.assigned.get(new.node)
        if old is not None and new.generation <= old.generation:
            yield Violation(1, f"{new.node} goes from {old.generation} to {new.generation}")
        if new.generation <= before.generation:
            words = f"{new.node} gets generation {new.generation}, which was given before"
            yield Violation(1, words)
        if plan.fleet.assigned.get(new.node) != new:
            yield Violation(1, f"the assignment of {new.node} differs from the fleet's")


def _ahead(before: Fleet, plan: Plan, inventory: Inventory) -> Iterator[Violation]:
    """1: a node that was told more than this store knows is not given other content unasked."""
    for new in plan.assignments:
        report, told = inventory.report(new.node), before.assigned.get(new.node)
        if report is None or told is None or news(plan.fleet, told):
            continue
        ahead = before.generation < report.generation <= reachable(before)
        if ahead and report.digest not in {None, new.digest}:
            words = (
                f"{new.node} serves a release that this store has lost, and would get {new.release}"
            )
            yield Violation(1, words)


def _targets(before: Fleet, plan: Plan) -> Iterator[Violation]:
    """A release becomes the target only on what it was made on, or as a way back."""
    old, new = before.target, plan.fleet.target
    if old == new or new is None:
        return
    makers = [r for r in plan.fleet.rollouts if r.release == new.release]
    makers += [r for r in plan.ended if r.release == new.release]
    ways_back = {r.before for r in plan.ended} | set(before.good)
    if new in ways_back:
        return
    # Without a bake time a release is done in the plan that lets its last node commit.
    stages = {Stage.COMMITTING, Stage.BAKING, Stage.DONE}
    if not any(r.before == old and r.stage in stages for r in makers):
        words = f"{new.release} becomes the target over {old.release if old else 'nothing'}"
        yield Violation(6, f"{words}, but it was not made on top of that")


def _known(before: Fleet, plan: Plan) -> Iterator[Violation]:
    """2: only releases that the fleet knows are assigned, under their own digests."""
    known: dict[str, Digest] = {}
    for target in (before.target, plan.fleet.target, *before.good):
        if target is not None:
            known[target.release] = target.digest
    for rollout in (*before.rollouts, *plan.fleet.rollouts):
        known[rollout.release] = rollout.digest
        if rollout.before is not None:
            known[rollout.before.release] = rollout.before.digest
    for new in plan.assignments:
        if known.get(new.release) != new.digest:
            yield Violation(2, f"{new.node} gets {new.release} under an unknown digest")
        if new.trial is not None and known.get(new.trial.release) != new.trial.digest:
            yield Violation(2, f"{new.node} tries {new.trial.release} under an unknown digest")


def _one_at_a_time(plan: Plan) -> Iterator[Violation]:
    running = plan.fleet.running
    for assigned in plan.fleet.assigned.values():
        trial = assigned.trial
        if trial is not None and (running is None or running.release != trial.release):
            yield Violation(0, f"{assigned.node} tries {trial.release}, which is not on its way")


def _shares(plan: Plan) -> Iterator[Violation]:
    """5: the share of connections is at most the step's."""
    rollout = plan.fleet.running
    for assigned in plan.assignments:
        if assigned.trial is None or rollout is None:
            continue
        share = assigned.trial.share_permille
        if not 0 <= share <= rollout.share_permille:
            words = f"{assigned.node} gets {share} permille in a step of {rollout.share_permille}"
            yield Violation(5, words)


def _exposure(before: Fleet, plan: Plan, inventory: Inventory) -> Iterator[Violation]:
    """5: no plan lets more nodes meet a release that is not judged than the wave's share.

    Where nodes are removed, those that meet it already may be more than the share of the rest.
    """
    rollout = plan.fleet.running
    if rollout is None or rollout.straight in STRAIGHT or rollout.last_wave:
        return
    wave = rollout.policy.waves[rollout.wave]
    meet = _meeting(plan.fleet, rollout)
    if wave.group or not meet - _meeting(before, rollout):
        return
    nodes = {*before.assigned, *plan.fleet.assigned, *inventory.nodes}
    allowed = nodes_max(wave.share, len(nodes))
    earlier = len(rollout.committed) if rollout.stage is Stage.TASTING else 0
    if len(meet) > max(allowed, earlier):
        words = (
            f"{len(meet)} of {len(nodes)} nodes would meet {rollout.release}; {allowed} are allowed"
        )
        yield Violation(5, words)


def _meeting(fleet: Fleet, rollout: Rollout) -> set[NodeName]:
    """Nodes that were told to run or try a rollout's release."""
    return {
        assigned.node
        for assigned in fleet.assigned.values()
        if _runs(assigned, rollout)
        or (assigned.trial is not None and assigned.trial.release == rollout.release)
    }


def _runs(assigned: Assigned, rollout: Rollout) -> bool:
    return assigned.release == rollout.release


def _advances(before: Fleet, plan: Plan, findings: Findings) -> Iterator[Violation]:
    """6: no advance without a pass of the step before it, and no pass without its basis."""
    old_by_number = {rollout.number: rollout for rollout in before.rollouts}
    for rollout in plan.fleet.rollouts:
        old = old_by_number.get(rollout.number)
        for passed in rollout.passed[len(old.passed) if old else 0 :]:
            yield from _basis(rollout, passed)
            if passed.basis is Basis.HEALTHY and not _judged(passed, findings):
                words = f"{rollout.release} passed step {passed.step} without a healthy verdict"
                yield Violation(6, words)
        if rollout.straight in STRAIGHT or not rollout.members:
            continue
        steps = {passed.step for passed in rollout.passed if passed.wave == rollout.wave}
        needed: range | tuple[()] = ()
        if rollout.stage is Stage.CANARY:
            needed = range(TASTE, rollout.step)
        elif rollout.stage is Stage.COMMITTING:
            needed = range(TASTE, len(rollout.policy.steps) + 1)
        missing = [step for step in needed if step not in steps]
        if missing:
            words = f"{rollout.release} is {rollout.stage.value} in wave {rollout.wave + 1}"
            yield Violation(6, f"{words} without having passed step {missing[0]}")


def _basis(rollout: Rollout, passed: Pass) -> Iterator[Violation]:
    by_policy = rollout.policy.without_traffic is WithoutTraffic.PROBES
    fits = {
        Basis.TASTED: passed.step == TASTE,
        Basis.HEALTHY: passed.step != TASTE,
        Basis.PROBES: passed.step != TASTE and by_policy,
    }.get(passed.basis, True)
    if not fits or passed.basis in STRAIGHT or not passed.text:
        yield Violation(6, f"{rollout.release} passed step {passed.step} as {passed.basis.value}")


def _judged(passed: Pass, findings: Findings) -> bool:
    return (
        isinstance(findings.verdict, Healthy)
        and passed.generation != NO_GENERATION
        and findings.step_generation == passed.generation
    )


def _quarantine(before: Fleet, plan: Plan) -> Iterator[Violation]:
    """9: a quarantined digest is never newly assigned without a named force."""
    quarantined = before.quarantined | plan.fleet.quarantined
    stood = {before.target.digest} if before.target else set[Digest]()
    for rollout in (*before.rollouts, *plan.fleet.rollouts):
        if rollout.forced:
            stood.add(rollout.digest)
        if rollout.before is not None:
            stood.add(rollout.before.digest)
    if plan.fleet.target is not None and plan.fleet.target == before.target:
        stood.add(plan.fleet.target.digest)
    blamed = {blame.digest for blame in plan.blames}
    for new in plan.assignments:
        for digest in _digests(new):
            if digest in quarantined and (digest not in stood or digest in blamed):
                words = f"{new.node} gets {digest[:12]}, which is quarantined"
                yield Violation(9, words)


def _digests(assigned: Assigned) -> Iterator[Digest]:
    yield assigned.digest
    if assigned.trial is not None:
        yield assigned.trial.digest
