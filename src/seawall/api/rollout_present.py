"""Rollouts as views: states into shapes, and nothing else."""

from seawall.api.rollout_views import (
    FreezeView,
    PassView,
    RolloutEventView,
    RolloutNodeView,
    RolloutsView,
    RolloutView,
)
from seawall.ids import NodeName
from seawall.judge.judge import describe
from seawall.rollout.pages import StoredEvent
from seawall.rollout.state import Findings, Fleet, Inventory, Rollout, Stage


def rollouts_view(fleet: Fleet, inventory: Inventory, findings: Findings) -> RolloutsView:
    """Everything of now."""
    running, frozen, target = fleet.running, fleet.frozen, fleet.target
    return RolloutsView(
        target=target.release if target is not None else None,
        frozen=FreezeView(frozen.actor, frozen.reason, frozen.since_s) if frozen else None,
        running=None if running is None else rollout_view(running, fleet, inventory, findings),
        waiting=tuple(rollout_view(waiting, fleet, inventory) for waiting in fleet.waiting),
    )


def rollout_view(
    rollout: Rollout, fleet: Fleet, inventory: Inventory, findings: Findings | None = None
) -> RolloutView:
    """One rollout; its nodes only while it goes on."""
    waves = rollout.policy.wave_count
    return RolloutView(
        number=rollout.number,
        release=rollout.release,
        before=rollout.before.release if rollout.before else None,
        speed=rollout.speed.value,
        stage=rollout.stage.value,
        actor=rollout.actor,
        reason=rollout.reason,
        wave=min(rollout.wave + 1, waves),
        waves=waves,
        step=rollout.step,
        steps=len(rollout.policy.steps),
        share_permille=rollout.share_permille,
        started_s=rollout.started_s,
        step_started_s=rollout.step_started_s,
        deadline_s=rollout.deadline_s,
        verdict=_verdict(rollout, findings),
        held=rollout.held.reason if rollout.held else "",
        paused_by=rollout.paused.actor if rollout.paused else "",
        straight=rollout.straight.value if rollout.straight else "",
        passed=tuple(
            PassView(p.wave + 1, p.step, p.basis.value, p.text, p.at_s) for p in rollout.passed
        ),
        nodes=()
        if rollout.ended
        else tuple(_node(name, rollout, fleet, inventory) for name in inventory.nodes),
        ended_s=rollout.ended_s,
        outcome=rollout.outcome,
    )


def event_view(stored: StoredEvent) -> RolloutEventView:
    """A sentence of the history."""
    event = stored.event
    return RolloutEventView(stored.at_s, event.rollout, event.release, event.code, event.text)


def _verdict(rollout: Rollout, findings: Findings | None) -> str:
    if findings is None or rollout.stage is not Stage.CANARY:
        return ""
    return describe(findings.verdict)


def _node(name: NodeName, rollout: Rollout, fleet: Fleet, inventory: Inventory) -> RolloutNodeView:
    seen = inventory.nodes[name]
    report, assigned = seen.report, fleet.assigned.get(name)
    trial = report.trial if report is not None else None
    mine = trial if trial is not None and trial.digest == rollout.digest else None
    return RolloutNodeView(
        name=name,
        connected=seen.heard and inventory.connected(name),
        part=_part(name, rollout),
        release=report.release if report is not None else None,
        generation=assigned.generation if assigned is not None else 0,
        share_permille=mine.share_permille if mine is not None else 0,
        phase=mine.phase.value if mine else report.phase.value if report else "",
        message=mine.message if mine else report.message if report else "",
    )


def _part(name: NodeName, rollout: Rollout) -> str:
    if name in rollout.committed:
        return "committed"
    if name in rollout.members:
        return "member"
    return "aside" if name in rollout.aside else "waiting"
