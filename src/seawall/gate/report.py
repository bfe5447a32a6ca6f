"""What a release survived: every stage of the gate, kept with the release as JSON."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from seawall.errors import RefusedError, SeawallError


class StageName(StrEnum):
    """The stages, in their order."""

    CHECK = "check"
    """Limits, and every reference inside the compiled result."""
    GUARD = "guard"
    """Not too much removed or changed at once."""
    VALIDATE = "validate"
    """The real Envoy accepts it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage that ran.

    Attributes:
        code: why it refused, for machines; empty when it passed.
        words: what was found: the guard's arithmetic, Envoy's words, or how much was checked.
        remedy: what to do about a refusal; empty when it passed.
        owner: what of the site file was refused, for example `origin api`; may be empty.
    """

    name: StageName
    passed: bool
    duration_s: float
    words: str = ""
    code: str = ""
    remedy: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class GateReport:
    """The stages that ran, up to the first refusal.

    Attributes:
        forced: what the guard would have refused, had it not been forced by name: each with
            its arithmetic.
    """

    stages: tuple[Stage, ...]
    forced: tuple[str, ...] = ()

    @property
    def refusal(self) -> Stage | None:
        """The stage that refused."""
        return next((stage for stage in self.stages if not stage.passed), None)

    @property
    def passed(self) -> bool:
        """Every stage passed."""
        return self.refusal is None

    def require_passed(self) -> None:
        """Stop here when a stage refused.

        Raises:
            RefusedError: with that stage's code, words and remedy.
        """
        refusal = self.refusal
        if refusal is not None:
            raise RefusedError(refusal.code, refusal.words, remedy=refusal.remedy)

    def to_json(self) -> str:
        """For the store."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "GateReport | None":
        """What `to_json` wrote; None when a release has none, or one this version cannot read.

        A report is for people: one of another version must never stand in the way of a release.
        """
        try:
            value: Any = json.loads(text)
            stages = tuple(
                Stage(**{**stage, "name": StageName(stage["name"])}) for stage in value["stages"]
            )
            return GateReport(stages, tuple(str(line) for line in value["forced"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


def refused_stage(name: StageName, error: SeawallError, duration_s: float) -> Stage:
    """A stage that ended with `error`."""
    return Stage(
        name=name,
        passed=False,
        duration_s=duration_s,
        words=error.message,
        code=error.code,
        remedy=error.remedy,
    )
