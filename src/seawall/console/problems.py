"""Problems of a site file: place, what, why, remedy, id; errors before warnings, by file."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from seawall.api.views import CheckView, ProblemView
from seawall.console.output import joined, styled
from seawall.console.words import count, place

_STYLES = {"error": "bold red", "warning": "bold yellow"}


def problems(found: Sequence[ProblemView], hidden: int = 0) -> RenderableType:
    """Every problem on its own lines, `file:line:column` first so that editors can jump there."""
    parts: list[RenderableType] = []
    for severity in dict.fromkeys(("error", "warning", *(p.severity for p in found))):
        file = None
        for problem in (p for p in found if p.severity == severity):
            if file not in (None, problem.file):
                parts.append(styled(""))
            file = problem.file
            parts.append(_problem(problem))
    if hidden:
        parts.append(styled(f"... and {count(hidden, 'more problem')} not shown", "dim"))
    return Group(*parts)


def verdict(check: CheckView) -> Text:
    """The last line of `check`."""
    against = f" (compared with {check.compared_with})" if check.compared_with else ""
    errors = sum(p.severity == "error" for p in check.problems)
    warnings = len(check.problems) - errors
    tail = f", {count(warnings, 'warning')}" if warnings else ""
    if not check.ok:
        found = count(errors + check.problems_hidden, "error")
        return joined(styled("refused: ", "bold red"), styled(found + tail + against))
    amounts = ", ".join(
        (count(check.sites, "site"), count(check.routes, "route"), count(check.origins, "origin"))
    )
    return joined(styled("good: ", "bold green"), styled(amounts + tail + against))


def _problem(problem: ProblemView) -> Text:
    parts = [
        styled(place(problem.file, problem.line, problem.column), "bold"),
        styled(": "),
        styled(problem.severity, _STYLES.get(problem.severity, "bold")),
        styled(f": {problem.what} "),
        styled(f"[{problem.id}]", "dim"),
    ]
    for label, text in (("why", problem.why), ("do", problem.remedy)):
        if text:
            parts += [styled(f"\n    {label:<4}", "dim"), styled(text)]
    return joined(*parts)
