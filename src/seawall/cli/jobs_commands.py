"""`seawall bots jobs` and `run-job`: the options, and nothing that runs one."""

from typing import Annotated

import typer

from seawall.cli.settings import (
    DEFAULT_CONFIG,
    DEFAULT_DATA_DIR,
    Config,
    DataDir,
    Format,
    FormatOption,
    Target,
    Token,
    Url,
    finish,
)


def add_to(bots_app: typer.Typer) -> None:
    """Add the commands of this file to `seawall bots`."""
    bots_app.command("jobs")(jobs)
    bots_app.command("run-job")(run_job)


def jobs(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Show what control does by itself: retraining and published ranges."""
    from seawall.cli import jobs as commands

    target = Target(data_dir, url, token)
    finish(output_format, lambda output: commands.show(output, target))


def run_job(
    job: Annotated[str, typer.Argument(help="retrain or ranges.")],
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return as soon as it runs.")] = False,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Run a job of control now, whenever it is due, and follow it.

    Ends with 1 when it did not go well. The run goes on when this command is left.
    """
    from seawall.cli import jobs as commands

    target = Target(data_dir, url, token)
    finish(output_format, lambda output: commands.run(output, target, job, wait=not no_wait))
