"""What each node shall run, derived from the state alone, and the generations of what changes.

The wanted state of a node is a function of the fleet: members of the wave try, committed nodes
serve, all others stand on the target. So a lost node, a new leader or a repeated plan need no
memory: whatever differs from what the node was told last is told, with a larger generation.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

from seawall import limits
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.rollout.behind import keeps, news, reachable
from seawall.rollout.draft import Draft
from seawall.rollout.ports import (
    UNHEALTHY_BAKING,
    NodeReport,
    Phase,
    Trial,
    TrialPhase,
    TrialReport,
)
from seawall.rollout.standing import steers, tries
from seawall.rollout.state import Assigned, Fleet, Inventory, Rollout, Stage


@dataclass(frozen=True, slots=True)
class Wanted:
    """An assignment without its generation."""

    release: ReleaseId
    digest: Digest
    bake_s: float
    trial: Trial | None = None


def wanted(name: NodeName, fleet: Fleet, inventory: Inventory) -> Wanted | None:
    """What `name` shall run; None when there is nothing to run."""
    rollout, target = fleet.running, fleet.target
    if rollout is not None and name in rollout.committed:
        return Wanted(rollout.release, rollout.digest, rollout.policy.bake_s)
    if target is None:
        return None
    trial = None
    if (
        rollout is not None
        and name in rollout.members
        and rollout.stage in {Stage.TASTING, Stage.CANARY}
    ):
        trial = _trial(name, rollout, fleet, inventory)
    return Wanted(target.release, target.digest, target.bake_s, trial)


def assign(draft: Draft) -> None:
    """Put what changes into the draft."""
    fleet, inventory = draft.fleet, draft.inventory
    names = sorted({*fleet.assigned, *inventory.nodes})
    rollout = fleet.running
    # A step has its own generation even where nothing else changes: windows are told by it.
    fresh = rollout is not None and not rollout.step_generation
    members = rollout.members if rollout is not None else ()
    changes: dict[NodeName, Wanted] = {}
    gone: list[NodeName] = []
    for name in names:
        want, told = wanted(name, fleet, inventory), fleet.assigned.get(name)
        if want is None:
            if told is not None:
                gone.append(name)
        elif told is not None and _kept(draft, told, want):
            continue
        elif (
            told is None
            or _without_number(told) != want
            or (want.trial is not None and fresh and name in members)
            or _tell_again(draft, name, told)
        ):
            changes[name] = want
    if changes or gone:
        _apply(draft, changes, gone)


def _kept(draft: Draft, told: Assigned, want: Wanted) -> bool:
    """The store is older than the node; what a rollout commits now is told all the same."""
    if news(draft.fleet, told):
        return False
    return keeps(draft.fleet, told, draft.inventory.report(told.node), want.digest)


def _apply(draft: Draft, changes: dict[NodeName, Wanted], gone: list[NodeName]) -> None:
    fleet = draft.fleet
    generation = _next_generation(fleet, [draft.inventory.report(name) for name in changes])
    told = {name: known for name, known in fleet.assigned.items() if name not in gone}
    for name, want in changes.items():
        before = told.get(name)
        previous = before.previous if before else None
        if before is not None and before.release != want.release:
            previous = before.release
        told[name] = Assigned(
            node=name,
            generation=generation,
            release=want.release,
            digest=want.digest,
            bake_s=want.bake_s,
            trial=want.trial,
            previous=previous,
            at_s=draft.now_s,
        )
        draft.changed[name] = told[name]
    draft.withdrawn += gone
    draft.fleet = replace(
        fleet,
        assigned=MappingProxyType(told),
        generation=generation if changes else fleet.generation,
    )
    rollout = draft.fleet.running
    if (
        rollout is not None
        and not rollout.step_generation
        and any(_moves(rollout, want) for want in changes.values())
    ):
        first = rollout.first_generation or generation
        draft.put(replace(rollout, first_generation=first, step_generation=generation))


def _moves(rollout: Rollout, want: Wanted) -> bool:
    return want.trial is not None or want.release == rollout.release


def _trial(name: NodeName, rollout: Rollout, fleet: Fleet, inventory: Inventory) -> Trial | None:
    report = inventory.report(name)
    told = fleet.assigned.get(name)
    if report is None:
        # A silent member keeps what it was told: its lease ends the trial if it cannot hear us.
        return told.trial if told else None
    if not tries(report):
        return None
    return Trial(
        release=rollout.release,
        digest=rollout.digest,
        share_permille=rollout.share_permille if steers(report) else 0,
        baseline=rollout.policy.baseline and rollout.compared,
        taste_deadline_s=rollout.policy.taste_deadline_s,
    )


def _without_number(told: Assigned) -> Wanted:
    return Wanted(told.release, told.digest, told.bake_s, told.trial)


def _tell_again(draft: Draft, name: NodeName, told: Assigned) -> bool:
    """The node would not listen to this number, or refused it long enough ago to ask again."""
    report = draft.inventory.report(name)
    if report is None:
        return False
    if told.generation < report.generation <= reachable(draft.fleet):
        return True
    if report.generation != told.generation:
        return False
    waited_s = draft.now_s - told.at_s
    if report.phase is Phase.REJECTED:
        braked = UNHEALTHY_BAKING in report.message
        patience_s = limits.ROLLOUT_BRAKED_REOFFER_S if braked else limits.ROLLOUT_REOFFER_S
        return waited_s >= patience_s
    # Content with something else under our number: a restored store gave that number twice.
    other = report.phase in {Phase.BAKING, Phase.GOOD} and report.digest != told.digest
    trial = report.trial
    tried = trial.digest if trial is not None else None
    other |= tried != (told.trial.digest if told.trial else None) and not _failed(trial)
    return other and waited_s > limits.ROLLOUT_NODE_PATIENCE_S


def _failed(trial: TrialReport | None) -> bool:
    return trial is not None and trial.phase is TrialPhase.FAILED


def _next_generation(fleet: Fleet, reports: list[NodeReport | None]) -> Generation:
    believed = [
        report.generation
        for report in reports
        if report is not None and report.generation <= reachable(fleet)
    ]
    return Generation(max(fleet.generation, *believed, 0) + 1)
