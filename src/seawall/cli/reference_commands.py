"""`openapi`, `limits`, `version` and `--version`, which need no edge; `reference` runs them.

As in `main`, a command's body imports what it needs.
"""

from typing import Annotated

import typer

from seawall.cli.settings import Format, FormatOption, finish


def add_to(app: typer.Typer) -> None:
    """Add these commands to `app`, and the option to the program itself."""
    app.callback()(root)
    for command in (openapi, limits, version):
        app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        version()


def root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the versions, as `seawall version` does.",
        ),
    ] = False,
) -> None:
    """A web edge that no change of its own can take down."""


def openapi(output_format: FormatOption = Format.JSON) -> None:
    """Print the OpenAPI document of the HTTP API."""
    from seawall.cli import reference

    finish(output_format, reference.openapi)


def limits(output_format: FormatOption = Format.TEXT) -> None:
    """Print every limit with its value and its reason."""
    from seawall.cli import reference

    finish(output_format, reference.limits)


def version(output_format: FormatOption = Format.TEXT) -> None:
    """Print the versions of Seawall, its Envoy and Python."""
    from seawall.cli import reference

    finish(output_format, reference.version)
