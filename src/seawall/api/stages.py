"""Writes the gate report as the stages go by, and makes the refusal that ends it.

It translates only: what a stage found into its report, its progress line and its error. The error
carries the report so far, so that a refusal shows its arithmetic like a release does.
"""

from collections.abc import Callable, Sequence
from typing import Final

from seawall.api.progress import ReleaseRefusedError
from seawall.api.views import EnvoyRefusalView, GuardLineView, GuardView, Stage
from seawall.clock import Clock
from seawall.compiler.contents import Contents
from seawall.errors import RefusedError
from seawall.gate.report import GateReport, GateStage, Outcome, StageReport, bounded
from seawall.release.guard import DEFAULT_BOUNDS, Deed, Finding, GuardReport, bound_of

Say = Callable[[str, Stage, str], None]
"""`started` or `done`, the stage, and a line for people."""
FORCE_TASTER: Final = "taster"
"""What `--force` names to go on past the taster."""
FORCE_SCORES: Final = "score-drift"
"""The same, past scores that move too far."""


class Stages:
    """The stages of one release, in order.

    Args:
        say: told when a stage begins and when it ended well.
        digest: of the content.
    """

    def __init__(self, clock: Clock, say: Say, digest: str) -> None:
        self._clock = clock
        self._say = say
        self._digest = digest
        self._done: list[StageReport] = []
        self._stage = GateStage.LIMITS
        self._began_s = 0.0

    @property
    def report(self) -> GateReport:
        """Of the stages so far."""
        return GateReport(tuple(self._done))

    def begin(self, stage: GateStage) -> None:
        """It is the turn of `stage`."""
        self._stage = stage
        self._began_s = self._clock.monotonic_s()
        self._say("started", stage.value, "")

    def passed(self, summary: str, lines: Sequence[str] = ()) -> None:
        """The stage ended well."""
        self._end(Outcome.PASSED, summary, lines)

    def forced(self, summary: str, lines: Sequence[str] = ()) -> None:
        """The stage refused, and somebody let the release pass by name."""
        self._end(Outcome.FORCED, summary, lines)

    def skipped(self, summary: str) -> None:
        """There was nothing to look at."""
        self._end(Outcome.SKIPPED, summary, ())

    def refuse(
        self,
        error: RefusedError,
        lines: Sequence[str] = (),
        *,
        blames_content: bool = False,
        guard: GuardView | None = None,
        envoy: tuple[EnvoyRefusalView, ...] = (),
    ) -> ReleaseRefusedError:
        """The refusal to raise, with the report up to here."""
        self._add(Outcome.REFUSED, error.message, lines, error, blames_content=blames_content)
        return ReleaseRefusedError(
            error.code,
            error.message,
            remedy=error.remedy,
            guard=guard,
            envoy=envoy,
            report=self.report,
            digest=self._digest,
        )

    def _end(self, outcome: Outcome, summary: str, lines: Sequence[str]) -> None:
        self._add(outcome, summary, lines, None)
        self._say("done", self._stage.value, summary)

    def _add(
        self,
        outcome: Outcome,
        summary: str,
        lines: Sequence[str],
        error: RefusedError | None,
        *,
        blames_content: bool = False,
    ) -> None:
        self._done.append(
            StageReport(
                stage=self._stage.value,
                outcome=outcome,
                elapsed_s=self._clock.monotonic_s() - self._began_s,
                summary=summary,
                lines=bounded(list(lines)),
                code=error.code if error else "",
                remedy=error.remedy if error else "",
                blames_content=blames_content,
            )
        )


def guard_view(report: GuardReport, after: Contents) -> GuardView:
    """The arithmetic of the mass-change guard, for callers."""
    return GuardView(
        ok=not report.refusals,
        lines=tuple(_line(f, len(getattr(after, f.kind))) for f in report.findings),
        force=tuple(finding.force_name for finding in report.refusals if finding.forcible),
    )


def _line(finding: Finding, after: int) -> GuardLineView:
    bounds = DEFAULT_BOUNDS[finding.kind]
    return GuardLineView(
        kind=finding.kind,
        before=finding.population,
        after=after,
        removed=finding.count if finding.deed is Deed.REMOVED else 0,
        changed=finding.count if finding.deed is Deed.CHANGED else 0,
        share=finding.count / finding.population if finding.population else 0.0,
        share_max=bound_of(bounds, finding.deed),
        refused=finding.refused,
        text=finding.text,
        added=finding.count if finding.deed is Deed.ADDED else 0,
    )
