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
    """List the drills, with the outage that each replays."""
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
        Path | None, typer.Option("--page", help="Also write the table into this page.")
    ] = None,
    *,
    naive: Annotated[
        bool, typer.Option("--naive/--no-naive", help="Also run the naive way.")
    ] = True,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Inject a fault into real Envoys with real traffic, and count what it costs.

    Uses only loopback addresses, and does not touch an edge that runs here. Exits with 1 if
    Seawall did not contain the fault.
    """
    from seawall.cli import drills

    finish(output_format, lambda out: drills.run(out, name, off or [], page, with_naive=naive))
