"""What the gate found: its stages with their arithmetic, and every difference that it saw."""

from collections.abc import Sequence

from rich.console import Group, RenderableType

from seawall.api.views import GateStepView
from seawall.console.output import joined, styled
from seawall.console.words import duration

_STYLES = {"passed": "green", "forced": "yellow", "skipped": "dim", "refused": "red"}


def gate(stages: Sequence[GateStepView]) -> RenderableType:
    """Every stage in a line, its arithmetic below it."""
    rows: list[RenderableType] = []
    for stage in stages:
        rows.append(
            joined(
                styled(f"{stage.stage:<14}"),
                styled(f"{stage.outcome:<9}", _STYLES.get(stage.outcome, "")),
                styled(f"{duration(stage.duration_s):>8}", "dim"),
                styled(f"  {stage.text}"),
            )
        )
        rows += [styled(f"    {line}", "dim") for line in stage.lines]
    return Group(*rows)


def arithmetic(stages: Sequence[GateStepView]) -> RenderableType | None:
    """What the stage found that refused; None when it had nothing to count."""
    lines = [line for stage in stages if stage.outcome == "refused" for line in stage.lines]
    return Group(*(styled(f"  {line}", "dim") for line in lines)) if lines else None
