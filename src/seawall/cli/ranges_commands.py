"""`seawall bots fetch-ranges`: the options, and nothing that runs it."""

from pathlib import Path
from typing import Annotated

import typer

from seawall.cli.settings import Edge, on_edge


def add_to(bots_app: typer.Typer) -> None:
    """Add the command of this file to `seawall bots`."""
    bots_app.command("fetch-ranges")(fetch_ranges)


@on_edge
def fetch_ranges(
    edge: Edge,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Names of lists; default: all.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Update the files NAME.txt there."),
    ] = None,
    *,
    push: Annotated[
        bool, typer.Option("--push", help="Release what is new in the lists of the site file.")
    ] = False,
) -> None:
    """Fetch the ranges that operators of bots publish, into files or as releases.

    A list that cannot be fetched, is empty, or changed too much stays as it is. Exits with 1
    then.
    """
    from seawall.cli import ranges

    edge.finish(lambda output, target: ranges.fetch(output, names or [], out, target, release=push))
