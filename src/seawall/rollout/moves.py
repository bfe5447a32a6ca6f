"""The moves of one running rollout: each reads standings and verdict, and changes the draft.

A move waits (changes nothing), goes on, holds, or withdraws. Going on needs a `Pass` with its
basis; bad news is looked for first and in every stage, paused and frozen ones included.
"""

from collections.abc import Sequence
from dataclasses import replace

from seawall import limits
from seawall.errors import assert_never
from seawall.ids import NodeName
from seawall.judge.verdict import Unhealthy
from seawall.rollout.draft import Draft
from seawall.rollout.going import all_ready, blocked, everywhere, others, verdict_on
from seawall.rollout.standing import Look, Standing, in_commit, in_trial, is_awaited
from seawall.rollout.state import NO_GENERATION, TASTE, Basis, Rollout, Speed, Stage
from seawall.rollout.steps import open_wave, try_members
from seawall.rollout.words import count_text, looks_text, names_text, step_text


def move(draft: Draft, rollout: Rollout) -> None:
    """One move of the running rollout."""
    if _withdrawn(draft, rollout):
        return
    match rollout.stage:
        case Stage.TASTING | Stage.CANARY:
            if rollout.members:
                try_members(draft, rollout)
            else:
                open_wave(draft, rollout)
        case Stage.COMMITTING:
            _commit(draft, rollout)
        case Stage.BAKING:
            _bake(draft, rollout)
        case Stage.QUEUED | Stage.DONE | Stage.ROLLED_BACK | Stage.ABORTED | Stage.SUPERSEDED:
            pass
        case _ as never:
            assert_never(never)


# --- Bad news --------------------------------------------------------------------------------


def _withdrawn(draft: Draft, rollout: Rollout) -> bool:
    """Look for what ends the rollout at any stage."""
    looks = [in_commit(draft, rollout, name) for name in _told_to_commit(draft, rollout)]
    if rollout.stage in {Stage.TASTING, Stage.CANARY}:
        looks += [in_trial(draft, rollout, name) for name in rollout.members]
    bad = [look for look in looks if look.standing is Standing.BAD]
    if bad:
        _blame(draft, rollout, looks_text(bad))
        return True
    if _bad_bake(draft, rollout, looks):
        return True
    if rollout.stage is Stage.BAKING:
        return False
    verdict = verdict_on(draft, rollout)
    if isinstance(verdict, Unhealthy):
        words = f"{step_text(rollout)}: {_unhealthy(verdict)}"
        if draft.findings.alone is not None:
            words = f"{words.removesuffix('.')}. {_alone(draft.findings.alone)}"
            draft.withdraw(rollout, Stage.ROLLED_BACK, words)
        else:
            _blame(draft, rollout, words)
        return True
    return _out_of_time(draft, rollout)


def _told_to_commit(draft: Draft, rollout: Rollout) -> tuple[NodeName, ...]:
    """Also nodes that joined while it bakes: what they say of it counts as much."""
    if rollout.stage is not Stage.BAKING:
        return rollout.committed
    told = (name for name, new in draft.fleet.assigned.items() if new.release == rollout.release)
    return tuple(sorted({*rollout.committed, *told}))


def _bad_bake(draft: Draft, rollout: Rollout, looks: Sequence[Look]) -> bool:
    """Undo what fares worse than the time before; nobody is blamed: an origin may have failed.

    A few nodes that went back alone are told again. A way back is not undone by what it fled from.
    """
    if rollout.straight is Basis.KNOWN_GOOD:
        return False
    verdict = draft.findings.bake
    reverted = [look for look in looks if look.standing is Standing.REVERTED]
    told = len(_told_to_commit(draft, rollout))
    if isinstance(verdict, Unhealthy):
        words = f"while baking: {_unhealthy(verdict)}"
    elif len(reverted) > limits.ROLLOUT_LOST_SHARE_MAX * told:
        words = looks_text(reverted)
    else:
        return False
    reason = (
        f"{words.removesuffix('.')}. A failing origin looks the same, so the release is not "
        "quarantined: you may apply it again"
    )
    draft.withdraw(rollout, Stage.ROLLED_BACK, reason)
    return True


def _blame(draft: Draft, rollout: Rollout, reason: str) -> None:
    draft.blame(rollout.digest, reason)
    draft.withdraw(rollout, Stage.ROLLED_BACK, reason)


def _unhealthy(verdict: Unhealthy) -> str:
    where = f" of {verdict.site}" if verdict.site else ""
    return f"unhealthy by {verdict.gate}{where}: {verdict.text}".rstrip(": ")


def _alone(name: NodeName) -> str:
    return (
        f"Only {name} measured this, so the release is not quarantined. Look at that machine. If "
        f"it is to blame, apply the release again; `seawall nodes remove {name}` removes the node"
    )


def _out_of_time(draft: Draft, rollout: Rollout) -> bool:
    held = rollout.held is not None and rollout.speed is Speed.CONFIG
    if held or rollout.paused is not None:
        since_s = min(wait.since_s for wait in (rollout.held, rollout.paused) if wait is not None)
        if draft.now_s - since_s <= limits.ROLLOUT_WAIT_S_MAX:
            return False
        why = f"held: {rollout.held.reason}" if rollout.held else "paused"
        hours = limits.ROLLOUT_WAIT_S_MAX / 3_600
        draft.withdraw(
            rollout,
            Stage.ROLLED_BACK,
            f"{why}, and nobody resumed or aborted it within {hours:.0f} h",
        )
        return True
    if draft.fleet.frozen is not None or draft.now_s <= rollout.deadline_s:
        return False
    if rollout.speed is Speed.SWITCH and others(rollout):
        # What is switched off in an emergency stays off where it is: the rest gets it when it can.
        everywhere(draft, rollout)
        return True
    took_s = rollout.deadline_s - rollout.started_s
    words = f"not committed everywhere within its {took_s:.0f} s ({step_text(rollout)})"
    draft.withdraw(rollout, Stage.ROLLED_BACK, words)
    return True


# --- Commit and bake -------------------------------------------------------------------------


def _commit(draft: Draft, rollout: Rollout) -> None:
    looks = [in_commit(draft, rollout, name) for name in rollout.members]
    if not all_ready(draft, rollout, looks):
        return
    now = draft.unhold(rollout)
    if now.straight is not None:
        everywhere(draft, now)
    elif not blocked(draft, now):
        following = replace(
            now,
            stage=Stage.TASTING,
            step=TASTE,
            wave=now.wave + 1,
            members=(),
            step_started_s=draft.now_s,
            step_generation=NO_GENERATION,
        )
        draft.put(following)
        open_wave(draft, following)


def _bake(draft: Draft, rollout: Rollout) -> None:
    connected = [name for name in draft.inventory.nodes if draft.inventory.connected(name)]
    reports = [draft.inventory.report(name) for name in connected]
    good = [
        report.node
        for report in reports
        if report is not None and report.keeps(rollout.release, rollout.digest)
    ]
    late_s = rollout.policy.bake_s + limits.ROLLOUT_BAKE_PATIENCE_S
    if good and len(good) == len(connected):
        draft.end(rollout, Stage.DONE, f"last known good on {count_text(good)}")
    elif any(is_awaited(draft.inventory, name) for name in connected):
        # A control process that takes over long after the commit has heard a part of the fleet:
        # the rest may have gone back.
        return
    elif draft.now_s - rollout.step_started_s > late_s:
        serving = [r.node for r in reports if r is not None and r.digest == rollout.digest]
        if not serving:
            draft.hold(rollout, "unserved", "no node serves it yet")
            return
        without = [name for name in connected if name not in serving]
        missing = [name for name in serving if name not in good]
        words = f"served by {count_text(serving)}" if without else "served by all"
        words += f", not by {names_text(without)}" if without else ""
        words += f"; not yet last known good on {names_text(missing)}" if missing else ""
        draft.end(rollout, Stage.DONE, words)
