"""`seawall bots jobs|run-job`: what control does by itself at intervals, and doing it now."""

from typing import Final

from seawall.api.client import Client
from seawall.api.codec import to_json
from seawall.api.job_views import JobsView, JobView
from seawall.cli.connect import connect
from seawall.cli.target import Target
from seawall.cli.watch import every, now_s
from seawall.console import jobs as draw
from seawall.console.output import Output, styled
from seawall.daemon.processes import user_name
from seawall.errors import UnreachableError
from seawall.exit_codes import DONE, REFUSED

_REFRESH_S: Final = 0.5
_GOOD: Final = frozenset({"released", "unchanged"})


def show(output: Output, target: Target) -> int:
    """List all jobs.

    Raises:
        UnreachableError: nothing runs there.
    """
    with connect(target) as client:
        view = client.jobs()
    output.tell(view, lambda: draw.jobs(view, now_s()))
    return DONE


def run(output: Output, target: Target, name: str, *, wait: bool) -> int:
    """Run a job now, and follow it to its end.

    Returns:
        `REFUSED` when it did not go well.

    Raises:
        NotFoundError: there is no such job.
        ConflictError: it is off, or a job runs.
        UnreachableError: nothing runs there, or control went away meanwhile.
    """
    with connect(target) as client:
        view = client.run_job(name, user_name())
        if wait:
            view = _followed(output, client, view)
    if output.json_format:
        output.write_json(to_json(view))
    elif wait:
        output.show(draw.jobs(JobsView((view,)), now_s()))
    else:
        output.show(styled("The job is running. See `seawall bots jobs`."))
    return DONE if view.running or view.outcome in _GOOD else REFUSED


def _followed(output: Output, client: Client, begun: JobView) -> JobView:
    """The job at the end of the run that began; each new step is told once."""
    told = ""
    for _ in every(_REFRESH_S):
        view = next(one for one in client.jobs().jobs if one.job == begun.job)
        if not view.running:
            return view
        if view.step != told and not output.json_format:
            output.show_aside(styled(f"{view.job}: {view.step}", "dim"))
        told = view.step
    raise UnreachableError(
        "outcome-unknown",
        "This command stops waiting; the run continues.",
        remedy="See `seawall bots jobs`.",
    )
