"""`seawall bots jobs` and `run-job`: the options, and nothing that runs one."""

from typing import Annotated

import typer

from seawall.cli.settings import Edge, on_edge


def add_to(bots_app: typer.Typer) -> None:
    """Add the commands of this file to `seawall bots`."""
    bots_app.command("jobs")(jobs)
    bots_app.command("run-job")(run_job)


@on_edge
def jobs(edge: Edge) -> None:
    """Show the jobs of control: retraining and published ranges."""
    from seawall.cli import jobs as commands

    edge.finish(commands.show)


@on_edge
def run_job(
    edge: Edge,
    job: Annotated[str, typer.Argument(help="retrain or ranges.")],
    *,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return as soon as it runs.")] = False,
) -> None:
    """Run a job of control now, and follow it.

    Exits with 1 if it fails. The run continues if you leave this command.
    """
    from seawall.cli import jobs as commands

    edge.finish(lambda output, target: commands.run(output, target, job, wait=not no_wait))
