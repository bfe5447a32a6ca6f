"""Jobs of control as people read them: one line a job, and what is wrong below."""

from rich.console import Group, RenderableType
from rich.text import Text

from seawall.api.job_views import JobsView, JobView
from seawall.console.output import joined, styled
from seawall.console.releases import plain_table
from seawall.console.words import age, duration

_COLOURS = {
    "released": "green",
    "unchanged": "green",
    "refused": "yellow",
    "failed": "bold red",
    "interrupted": "yellow",
}


def jobs(view: JobsView, now_s: float) -> RenderableType:
    """All jobs, also those that are off."""
    table = plain_table("job", "every", "last run", "outcome", "next")
    for one in view.jobs:
        table.add_row(
            styled(one.job, "bold"),
            styled("off" if one.every_s is None else duration(one.every_s)),
            styled("never" if one.began_s is None else age(one.began_s, now_s)),
            _outcome(one),
            styled(_next(one, now_s)),
        )
    parts: list[RenderableType] = [table]
    for one in view.jobs:
        parts += _reason(one)
    return Group(*parts)


def step(view: JobView) -> str:
    """What a run does now, in one line."""
    if not view.of:
        return view.step
    return f"{view.step} {100 * view.done // view.of} %"


def _outcome(view: JobView) -> Text:
    if view.running:
        return styled(step(view) or "runs", "cyan")
    told = styled(view.outcome or "-", _COLOURS.get(view.outcome, ""))
    return joined(told, styled(", stale", "bold yellow")) if view.stale else told


def _next(view: JobView, now_s: float) -> str:
    if view.due_s is None or view.running:
        return "-"
    return f"in {duration(view.due_s - now_s)}" if view.due_s > now_s else "soon"


def _reason(view: JobView) -> list[RenderableType]:
    if not view.reason or view.running:
        return []
    parts: list[RenderableType] = [joined(styled(f"{view.job}: ", "bold"), styled(view.reason))]
    if view.remedy:
        parts.append(joined(styled("  do:  ", "bold"), styled(view.remedy)))
    if view.report:
        parts.append(joined(styled("  see: ", "bold"), styled(view.report)))
    return parts
