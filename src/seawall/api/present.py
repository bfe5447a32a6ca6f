"""From what the parts say to what callers are shown: problems, changes, the guard, Envoy's words.

Pure. Bounds of what one answer shows live here; what is cut is counted, never silently gone.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seawall import limits
from seawall.api.views import (
    ChangeView,
    EnvoyRefusalView,
    GateStepView,
    ProblemView,
    TurnedAwayView,
)
from seawall.gate.clients import FORCE_CLIENTS, judge_clients
from seawall.gate.report import GateReport, bounded
from seawall.ids import SiteName
from seawall.rollout.ports import Nack
from seawall.site.problem import Location, Problem
from seawall.telemetry.rehearsal import Rehearsed

if TYPE_CHECKING:
    from seawall.compiler.diff import Change


def problem_view(problem: Problem) -> ProblemView:
    """A problem of a site file."""
    return ProblemView(
        id=problem.id,
        severity=problem.severity.value,
        file=problem.location.file,
        line=problem.location.line,
        column=problem.location.column,
        subject=problem.subject,
        what=problem.what,
        why=problem.why,
        remedy=problem.remedy,
    )


def change_views(changes: Sequence["Change"]) -> tuple[tuple[ChangeView, ...], int]:
    """Changes to show, and how many more there are. Those that drain come first."""
    ordered = sorted(changes, key=lambda change: not (change.drains or change.restarts))
    shown = tuple(
        ChangeView(str(c.action), c.subject, c.text, c.drains, c.restarts)  # type: ignore[arg-type]  # - a StrEnum of the same words
        for c in ordered[: limits.API_CHANGES_SHOWN_MAX]
    )
    return shown, len(ordered) - len(shown)


def turned_away_view(found: Rehearsed | None) -> TurnedAwayView | None:
    """Whom changed bot rules and address lists would meet; None when none changed.

    Args:
        found: as `judge_clients` takes it.
    """
    report = judge_clients(found)
    if not report.lines and not report.notes:
        return None
    refusal = report.refusal
    return TurnedAwayView(
        sites=found.sites if found is not None else (),
        fleet=found.fleet if found is not None else None,
        lines=bounded([*(report.lines or report.notes)]),  # notes say no more of what lines say
        code=refusal.code if refusal else "",
        message=refusal.message if refusal else "",
        remedy=refusal.remedy if refusal else "",
        force=FORCE_CLIENTS if refusal else "",
    )


def envoy_refusal(nack: Nack, locations: Mapping[str, Location]) -> EnvoyRefusalView:
    """A refusal by Envoy with the place of what it is about."""
    place = locations.get(nack.owner) or _nearest(nack.owner, locations)
    return EnvoyRefusalView(
        owner=nack.owner,
        resource=nack.resource,
        file=place.file if place else "",
        line=place.line if place else 0,
        envoy_words=nack.envoy_words[: limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX],
    )


def refusal_text(views: Sequence[EnvoyRefusalView]) -> str:
    """One sentence: who refused what, where it was written, and Envoy's words."""
    if not views:
        return "the node gave no reason."
    first = views[0]
    where = f" ({first.file}:{first.line})" if first.line else ""
    more = f" {len(views) - 1} more resources were refused." if len(views) > 1 else ""
    return f"Envoy refused {first.owner}{where}: {first.envoy_words}{more}"


def gate_views(report: GateReport | None) -> tuple[GateStepView, ...]:
    """The stages of the gate, for callers."""
    return tuple(
        GateStepView(
            stage=stage.stage,
            text=stage.summary,
            duration_s=stage.elapsed_s,
            outcome=stage.outcome.value,
            lines=stage.lines,
            remedy=stage.remedy,
        )
        for stage in (report.stages if report is not None else ())
    )


def site_of(subject: str) -> SiteName | None:
    """The site a subject such as `route shop/api` belongs to."""
    kind, _, name = subject.partition(" ")
    return SiteName(name.partition("/")[0]) if kind in {"site", "route"} else None


def _nearest(owner: str, locations: Mapping[str, Location]) -> Location | None:
    site = site_of(owner)
    return locations.get(f"site {site}") if site else None
