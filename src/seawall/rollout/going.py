"""What several moves of a rollout share: who is set aside, and whether it may advance."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from seawall import limits
from seawall.ids import NodeName
from seawall.judge.verdict import Verdict
from seawall.rollout.draft import Draft
from seawall.rollout.standing import Look, Standing
from seawall.rollout.state import (
    NOTHING_JUDGED,
    Basis,
    Rollout,
    Speed,
    Stage,
    Target,
)
from seawall.rollout.words import count_text, looks_text, names_text, step_text

LOST: Final = "lost"
"""Code of the hold of a rollout that waits for nodes to be back, and goes on by itself then."""


def set_aside(draft: Draft, rollout: Rollout, looks: Sequence[Look]) -> Rollout | None:
    """Go on without nodes that cannot; None when that is not to be decided here, or it has ended.

    A machine's own failure does not blame the release. Silence may: more than a few lost nodes
    hold the rollout until they are back, or a person goes on without them.
    """
    unable = [look for look in looks if look.standing in {Standing.UNABLE, Standing.REVERTED}]
    lost = [look for look in looks if look.standing is Standing.LOST]
    few = len(lost) <= limits.ROLLOUT_LOST_SHARE_MAX * len(looks)
    go_on = few or rollout.resumed_by or rollout.speed is Speed.SWITCH
    out = unable + (lost if go_on else [])
    if out and len(out) == len(looks) and not others(rollout):
        draft.withdraw(rollout, Stage.ROLLED_BACK, f"no node could commit it: {looks_text(out)}")
        return None
    if out:
        names = tuple(look.name for look in out)
        left = tuple(name for name in rollout.members if name not in names)
        unable_names = {look.name for look in unable}
        now = replace(
            draft.unhold(rollout),
            members=left,
            aside=joined(rollout.aside, names),
            committed=tuple(name for name in rollout.committed if name not in unable_names),
            resumed_by="",
        )
        draft.put(now)
        draft.say(now, "aside", f"continues without {names_text(names)}: {looks_text(out)}")
        return now
    if lost:
        draft.hold(rollout, LOST, f"{step_text(rollout)}: {looks_text(lost)}")
        return None
    return rollout


def all_ready(draft: Draft, rollout: Rollout, looks: Sequence[Look]) -> bool:
    """Whether every member does what it was told; otherwise whoever cannot is set aside."""
    now = set_aside(draft, rollout, looks)
    if now is None or now.members != rollout.members:
        return False
    waits = [look for look in looks if look.standing is not Standing.READY]
    if any(look.standing is Standing.PENDING for look in waits):
        draft.unhold(now)
    return not waits


def others(rollout: Rollout) -> bool:
    """Whether nodes of earlier waves prove that the release can serve."""
    return any(name not in rollout.members for name in rollout.committed)


def blocked(draft: Draft, rollout: Rollout) -> bool:
    """Whether a person or a freeze stops advances; break-glass goes through a freeze."""
    frozen = draft.fleet.frozen is not None and rollout.straight is None
    return frozen or rollout.paused is not None


def verdict_on(draft: Draft, rollout: Rollout) -> Verdict:
    """The judge's, when it is about this release and this step."""
    findings = draft.findings
    about = rollout.step_generation and findings.step_generation == rollout.step_generation
    return findings.verdict if about and rollout.stage is Stage.CANARY else NOTHING_JUDGED


def everywhere(draft: Draft, rollout: Rollout) -> None:
    """Every wave has committed: from now on it is what nodes shall run."""
    draft.aim(target_of(rollout))
    baking = replace(
        rollout, stage=Stage.BAKING, members=(), step_started_s=draft.now_s, resumed_by=""
    )
    draft.put(baking)
    serving = tuple(name for name in baking.committed if name not in baking.aside)
    nodes = count_text(serving)
    words = f"serves on {nodes}; last known good after {baking.policy.bake_s:.0f} s"
    draft.say(baking, "committed", words if serving else "no node is connected yet")


def target_of(rollout: Rollout) -> Target:
    """The rollout's release as the fleet's target."""
    before = rollout.before
    base = before.release if before else None
    if rollout.feed and before is not None and before.feed == rollout.feed:
        base = before.base
    return Target(
        rollout.release,
        rollout.digest,
        rollout.policy.bake_s,
        feed=rollout.feed,
        base=base if rollout.feed else None,
        unproven=rollout.straight is Basis.BREAK_GLASS,
    )


def joined(first: Sequence[NodeName], second: Sequence[NodeName]) -> tuple[NodeName, ...]:
    """Both, by name."""
    return tuple(sorted({*first, *second}))
