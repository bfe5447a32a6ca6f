"""The sentences of a rollout: which step on how many nodes, and the evidence for a pass."""

from collections.abc import Collection, Sequence

from seawall.ids import NodeName
from seawall.phrases import few
from seawall.rollout.standing import Look
from seawall.rollout.state import TASTE, Inventory, Rollout, Stage

_NAMES_SHOWN = 3


def share_text(permille: int) -> str:
    """`1 %` or `0.5 %`."""
    return f"{permille / 10:g} %"


def step_text(rollout: Rollout) -> str:
    """`wave 2, step 1 of 3 (1 %)`; the wave only where there are several."""
    if rollout.stage is Stage.CANARY and rollout.step != TASTE:
        step = f"step {rollout.step} of {len(rollout.policy.steps)} "
        step += f"({share_text(rollout.share_permille)})"
    else:
        step = {Stage.TASTING: "taste", Stage.COMMITTING: "commit"}.get(
            rollout.stage, rollout.stage.value
        )
    earlier = {*rollout.committed} - {*rollout.members}
    return f"wave {rollout.wave + 1}, {step}" if earlier else step


def count_text(names: Collection[NodeName]) -> str:
    """`1 node`, `3 nodes`."""
    return f"{len(names)} node{'' if len(names) == 1 else 's'}"


def names_text(names: Sequence[NodeName]) -> str:
    """The first few names."""
    return few(names, _NAMES_SHOWN)


def looks_text(looks: Sequence[Look]) -> str:
    """What the first of these nodes have to say."""
    shown = "; ".join(look.text for look in looks[:_NAMES_SHOWN])
    rest = len(looks) - _NAMES_SHOWN
    return f"{shown}; and {rest} more" if rest > 0 else shown


def probes_text(members: Sequence[NodeName], inventory: Inventory) -> str:
    """`12 golden requests answered alike`."""
    asked = differed = 0
    for name in members:
        report = inventory.report(name)
        if report is not None and report.trial is not None:
            asked += report.trial.probes.asked
            differed += report.trial.probes.differed
    if not asked:
        return "no golden request was asked"
    plural = "" if asked == 1 else "s"
    return f"{asked} golden request{plural}, {differed} answered differently"
