"""What a release survived: the report of the gate, stored with the release and shown by `show`.

One stage after the other, each with its outcome, its time, its arithmetic and, when it refused, a
remedy. The JSON is read for as long as releases are kept: fields are added, never changed, and what
an older Seawall wrote (a list of steps) is still a report. Nothing here decides anything.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from seawall import limits
from seawall.errors import RefusedError

_FORMAT: Final = 2


class GateStage(StrEnum):
    """The stages, in order."""

    LIMITS = "limits"
    COMPATIBILITY = "compatibility"
    GUARD = "guard"
    SCORES = "scores"
    CLIENTS = "clients"
    VALIDATE = "validate"
    TASTER = "taster"


class Outcome(StrEnum):
    """How a stage ended."""

    PASSED = "passed"
    REFUSED = "refused"
    FORCED = "forced"
    """It refused, and somebody said by name that the release goes on."""
    SKIPPED = "skipped"
    """There was nothing to look at: the content is what serves already."""


@dataclass(frozen=True, slots=True)
class StageFinding:
    """What a stage that weighs a change found.

    Attributes:
        refusal: why the release may not go on; None when it may.
        forcible: a person may say that it is meant.
        notes: what whoever releases it should know: that nothing could be measured.
    """

    summary: str
    lines: tuple[str, ...] = ()
    refusal: RefusedError | None = None
    forcible: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage.

    Attributes:
        stage: one of `GateStage`, or the name of a step of an older Seawall.
        summary: one line for people.
        lines: the arithmetic and what was found, bounded.
        code: of the refusal; empty when it passed.
        remedy: what to do about the refusal.
        blames_content: of a refusal, whether the release is to blame rather than the machine.
    """

    stage: str
    outcome: Outcome
    elapsed_s: float
    summary: str
    lines: tuple[str, ...] = ()
    code: str = ""
    remedy: str = ""
    blames_content: bool = False


@dataclass(frozen=True, slots=True)
class GateReport:
    """All stages that were gone through."""

    stages: tuple[StageReport, ...] = ()

    @property
    def refusal(self) -> StageReport | None:
        """The stage that stopped the release; None when it may go on."""
        return next((s for s in self.stages if s.outcome is Outcome.REFUSED), None)


def bounded(lines: list[str]) -> tuple[str, ...]:
    """Lines as a report keeps them: not too many, none too long."""
    kept = [line[: limits.GATE_LINE_LENGTH_CHARS_MAX] for line in lines[: limits.GATE_LINES_MAX]]
    if rest := len(lines) - len(kept):
        kept.append(f"{rest} more lines are not shown.")
    return tuple(kept)


def to_json(report: GateReport) -> str:
    """The text for the store, at most `limits.GATE_REPORT_LENGTH_CHARS_MAX` long."""
    lines_max = limits.GATE_LINES_MAX + 1
    while True:
        text = json.dumps(
            {
                "format": _FORMAT,
                "stages": [_stage_json(stage, lines_max) for stage in report.stages],
            },
            separators=(",", ":"),
        )
        if len(text) <= limits.GATE_REPORT_LENGTH_CHARS_MAX or lines_max == 0:
            return text
        lines_max //= 2


def from_json(text: str) -> GateReport:
    """What `to_json` wrote, or an older Seawall; empty when it makes no sense."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return GateReport()
    stages = found.get("stages") if isinstance(found, dict) else found
    if not isinstance(stages, list):
        return GateReport()
    return GateReport(tuple(_stage(each) for each in stages if isinstance(each, dict)))


def _stage_json(stage: StageReport, lines_max: int) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "outcome": stage.outcome.value,
        "elapsed_s": round(stage.elapsed_s, 6),
        "summary": stage.summary[: limits.GATE_LINE_LENGTH_CHARS_MAX],
        "lines": list(stage.lines[:lines_max]),
        "code": stage.code,
        "remedy": stage.remedy[: limits.GATE_LINE_LENGTH_CHARS_MAX],
        "blames_content": stage.blames_content,
    }


def _stage(found: dict[str, Any]) -> StageReport:
    """One stage; an older Seawall wrote `stage`, `text` and `duration_s`, and only what passed."""
    elapsed = found.get("elapsed_s", found.get("duration_s"))
    outcome = found.get("outcome")
    lines = found.get("lines")
    return StageReport(
        stage=_text(found.get("stage")),
        outcome=Outcome(outcome) if outcome in set(Outcome) else Outcome.PASSED,
        elapsed_s=float(elapsed) if isinstance(elapsed, int | float) else 0.0,
        summary=_text(found.get("summary", found.get("text"))),
        lines=tuple(_text(line) for line in lines) if isinstance(lines, list) else (),
        code=_text(found.get("code")),
        remedy=_text(found.get("remedy")),
        blames_content=found.get("blames_content") is True,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
