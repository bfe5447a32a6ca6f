"""`seawall drill ...`: the options, and nothing that runs one."""

from pathlib import Path
from typing import Annotated

import typer

from seawall.cli.settings import Format, FormatOption, finish

drill_app = typer.Typer(
    help="Famous outages, replayed on a private fleet on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the program."""
    app.add_typer(drill_app, name="drill")


@drill_app.command("list")
def list_drills(output_format: FormatOption = Format.TEXT) -> None:
    """Name the drills, with the outage each replays."""
    from seawall.cli import drills

    finish(output_format, drills.list_all)


@drill_app.command("run")
def run_drill(
    name: Annotated[str, typer.Argument(help="A drill, or all.")],
    off: Annotated[
        list[str] | None,
        typer.Option("--off", metavar="PROTECTION", help="Switch a protection off."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write the table into this page, too.")
    ] = None,
    *,
    naive: Annotated[
        bool, typer.Option("--naive/--no-naive", help="Run the naive way beside it.")
    ] = True,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Inject a fault into real Envoys with real traffic, and count what it costs.

    Uses loopback addresses only, and nothing of an edge that runs here. Ends with 1 when Seawall
    did not hold the fault.
    """
    from seawall.cli import drills

    finish(output_format, lambda out: drills.run(out, name, off or [], page, with_naive=naive))
