"""How one node stands with what it was told: ready, not yet, lost, unable, or proof that it is bad.

Pure readings of reports. A report about an older assignment says nothing about this one, except a
failure of the same release in the same rollout: that is news whenever it comes.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from seawall import limits
from seawall.ids import NodeName
from seawall.rollout.draft import Draft
from seawall.rollout.ports import (
    LEVEL_TRIALS,
    UNHEALTHY_BAKING,
    NodeReport,
    Phase,
    Steering,
    TrialPhase,
    TrialReport,
)
from seawall.rollout.state import Assigned, Fleet, Inventory, Rollout, Stage, Target

_MACHINE_WORDS: Final = (
    "address already in use",
    "cannot bind",
    "cannot assign requested address",
    "permission denied",
    "not connected",
)
"""Envoy's words for what the machine, not the release, is to blame for."""


class Standing(Enum):
    """Of one node in one step."""

    READY = "ready"
    """It does what it was told."""
    PENDING = "pending"
    LOST = "lost"
    """It fell silent, or has not done it in good time."""
    UNABLE = "unable"
    """It could not, for a reason of its own machine."""
    REVERTED = "reverted"
    """It went back while the release baked, by the time before: an origin may be to blame."""
    BAD = "bad"
    """It withdrew the release, and the release is to blame."""


@dataclass(frozen=True, slots=True)
class Look:
    """One node's standing and why."""

    name: NodeName
    standing: Standing
    text: str = ""


def tries(report: NodeReport | None) -> bool:
    """Whether a node can try a release beside the one that serves."""
    return report is not None and report.level >= LEVEL_TRIALS


def steers(report: NodeReport | None) -> bool:
    """Whether a node can share out connections, too."""
    return report is not None and tries(report) and report.steering is not Steering.NONE


def in_trial(draft: Draft, rollout: Rollout, name: NodeName) -> Look:
    """A member's standing in the taste or in a step of the canary."""
    return _failure(draft.inventory.report(name), rollout) or _in_trial(draft, rollout, name)


def _in_trial(draft: Draft, rollout: Rollout, name: NodeName) -> Look:
    report, assigned = draft.inventory.report(name), draft.fleet.assigned.get(name)
    if report is None:
        return _silent(name, draft.inventory, draft.now_s - rollout.step_started_s)
    if not tries(report):
        return Look(name, Standing.READY)
    if assigned is None or assigned.trial is None or assigned.trial.digest != rollout.digest:
        return Look(name, Standing.PENDING, f"{name}: not asked yet")
    trial = report.trial if report.generation == assigned.generation else None
    if trial is not None and trial.probes.differed:
        return Look(name, Standing.BAD, _differed(name, trial))
    if _in_effect(report, trial, rollout, assigned):
        return Look(name, Standing.READY)
    return _waiting(name, trial, rollout, draft.now_s - rollout.step_started_s)


def in_commit(draft: Draft, rollout: Rollout, name: NodeName) -> Look:
    """The standing of a node that was told to serve the release."""
    return _failure(draft.inventory.report(name), rollout) or _in_commit(draft, rollout, name)


def _in_commit(draft: Draft, rollout: Rollout, name: NodeName) -> Look:
    report, assigned = draft.inventory.report(name), draft.fleet.assigned.get(name)
    if report is None:
        return _silent(name, draft.inventory, draft.now_s - rollout.step_started_s)
    if assigned is None or assigned.release != rollout.release:
        return Look(name, Standing.PENDING, f"{name}: not asked yet")
    if report.generation >= assigned.generation:
        if report.phase is Phase.REJECTED:
            words = f"{name} {report.message or 'rejected it'}"
            return Look(name, _rejection(report), words)
        if report.digest == rollout.digest and report.phase in {Phase.BAKING, Phase.GOOD}:
            return Look(name, Standing.READY)
    waited_s = draft.now_s - max(assigned.at_s, rollout.step_started_s)
    if waited_s > limits.ROLLOUT_COMMIT_PATIENCE_S:
        words = f"{name} has not committed it after {waited_s:.0f} s"
        return Look(name, Standing.LOST, words)
    return Look(name, Standing.PENDING, f"{name}: {report.phase.value}")


def is_awaited(inventory: Inventory, name: NodeName) -> bool:
    """Whether the first report of a node that is there is still to come."""
    seen = inventory.nodes.get(name)
    return seen is not None and inventory.connected(name) and (seen.awaited or not seen.heard)


def settled(name: NodeName, fleet: Fleet, inventory: Inventory) -> bool:
    """Whether a node serves the target and nothing else is going on there."""
    report, assigned = inventory.report(name), fleet.assigned.get(name)
    return (
        report is not None
        and assigned is not None
        and fleet.target is not None
        and report.generation == assigned.generation
        and assigned.trial is None
        and assigned.release == fleet.target.release == report.release
        and report.digest == assigned.digest
        and report.phase in {Phase.BAKING, Phase.GOOD}
    )


def _rejection(report: NodeReport) -> Standing:
    if UNHEALTHY_BAKING in report.message:
        return Standing.REVERTED
    return Standing.BAD if blames_content(report) else Standing.UNABLE


def refuses(report: NodeReport, target: Target, told: Assigned | None) -> bool:
    """Whether a node was told to serve the target, refused it, and blames its content."""
    return (
        told is not None
        and told.digest == target.digest
        and report.generation == told.generation
        and report.phase is Phase.REJECTED
        and _rejection(report) is Standing.BAD
    )


def blames_content(report: NodeReport) -> bool:
    """Whether a rejection says something about the release rather than about the machine.

    A port that is taken, or a bundle this node does not trust, may be all right tomorrow: such a
    digest is not quarantined.
    """
    words = " ".join((report.message, *(nack.envoy_words for nack in report.nacks))).lower()
    return "envoy" in words and not any(machine in words for machine in _MACHINE_WORDS)


def _failure(report: NodeReport | None, rollout: Rollout) -> Look | None:
    """That the node withdrew this release by itself, at any step of this rollout."""
    trial = report.trial if report is not None else None
    if (
        report is None
        or trial is None
        or trial.phase is not TrialPhase.FAILED
        or trial.digest != rollout.digest
        or not rollout.first_generation  # nobody was told yet: it is about an earlier rollout
        or report.generation < rollout.first_generation
    ):
        return None
    standing = Standing.BAD if trial.blames_content else Standing.UNABLE
    words = trial.message or trial.verdict or "withdrew it"
    return Look(report.node, standing, f"{report.node}: {words}")


def _in_effect(
    report: NodeReport, trial: TrialReport | None, rollout: Rollout, assigned: Assigned
) -> bool:
    if trial is None or trial.digest != rollout.digest or assigned.trial is None:
        return False
    if assigned.trial.share_permille == 0:
        return trial.phase in {TrialPhase.TASTED, TrialPhase.STEERED}
    exact = trial.share_permille == assigned.trial.share_permille
    coarse = report.steering is Steering.COARSE and trial.share_permille > 0
    return trial.phase is TrialPhase.STEERED and (exact or coarse)


def _waiting(name: NodeName, trial: TrialReport | None, rollout: Rollout, waited_s: float) -> Look:
    patience_s = limits.ROLLOUT_NODE_PATIENCE_S
    if rollout.stage is Stage.TASTING:
        patience_s += rollout.policy.taste_deadline_s
    if waited_s > patience_s:
        words = f"{name} is not ready for this step after {waited_s:.0f} s"
        return Look(
            name, Standing.LOST, words + (f": {trial.message}" if trial and trial.message else "")
        )
    return Look(name, Standing.PENDING, f"{name}: {trial.phase.value if trial else 'not begun'}")


def _silent(name: NodeName, inventory: Inventory, waited_s: float) -> Look:
    """Nothing was reported: after a start of control a node asks first, and reports then."""
    seen = inventory.nodes.get(name)
    if seen is not None and inventory.connected(name):
        if not seen.heard:
            return Look(
                name, Standing.PENDING, f"{name} has not been heard from since control started"
            )
        if seen.awaited or waited_s <= limits.ROLLOUT_NODE_PATIENCE_S:
            return Look(name, Standing.PENDING, f"{name} has connected, but not reported yet")
    words = f"{name} has been silent for {seen.silent_s:.0f} s" if seen else f"{name} is unknown"
    return Look(name, Standing.LOST, words)


def _differed(name: NodeName, trial: TrialReport) -> str:
    first = f": {trial.probes.first}" if trial.probes.first else ""
    return (
        f"{name}: {trial.probes.differed} of {trial.probes.asked} golden requests differed{first}"
    )
