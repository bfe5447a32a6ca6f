"""What every command is told: which site file, which running process, which format.

The data directory says where the running process is found (a socket in it); `--url` names one on
another machine instead. Nothing here reads a file or opens a connection.

Paths are taken unseen (`readable=False`): that one is closed to this user is told in the words, and
with the exit code, of whoever opens it.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from seawall import limits
from seawall.cli.ending import ended
from seawall.cli.target import DEFAULT_CONFIG, DEFAULT_DATA_DIR, Target
from seawall.console.output import Output


class Format(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


def _directory(typed: str) -> Path:
    if not typed:  # as a path it would be the current directory
        raise typer.BadParameter("it is empty. Perhaps a variable of a script has no value.")
    return Path(typed)


Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="SEAWALL_CONFIG", help="The site file.", readable=False),
]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        "-d",
        envvar="SEAWALL_DATA_DIR",
        metavar="<path>",
        help="Where Seawall keeps state.",
        parser=_directory,
    ),
]
ResolvConf = Annotated[
    Path | None,
    typer.Option(
        "--resolv-conf",
        metavar="FILE",
        help="Resolve names of origins and bots by its `nameserver` lines; default: "
        "/etc/resolv.conf.",
        readable=False,
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency",
        min=0,
        max=limits.ENVOY_WORKERS_MAX,
        help="Envoy worker threads; 0: one per core.",
    ),
]
Url = Annotated[
    str,
    typer.Option("--url", envvar="SEAWALL_URL", help="API address of a Seawall elsewhere."),
]
Token = Annotated[
    str,
    typer.Option("--token", envvar="SEAWALL_TOKEN", help="The API token for --url."),
]
Message = Annotated[str, typer.Option("--message", "-m", help="Why; shown in the history.")]
FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="text for people, json for programs.")
]


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON: for one that is too wrong to be understood."""
    joined = {"--format=json", "-fjson"}
    pairs = pairwise(arguments)
    return not joined.isdisjoint(arguments) or any(
        flag in {"--format", "-f"} and value == Format.JSON for flag, value in pairs
    )


def finish(output_format: Format, action: Callable[[Output], int], *, serves: bool = False) -> None:
    """Run a command as `ended` does, and end with its exit code.

    Args:
        output_format: as asked for.
        action: the command.
        serves: it goes on and tells events, of which its failure is one.

    Raises:
        typer.Exit: always; that is how a command ends.
    """
    raise typer.Exit(ended(action, json_format=output_format is Format.JSON, serves=serves))


@dataclass(frozen=True, slots=True)
class Edge:
    """What a command that asks a running Seawall is told by the options of all of them."""

    config: Path
    target: Target
    output_format: Format

    def finish(self, action: Callable[[Output, Target], int]) -> None:
        """As `finish`, with the Seawall to ask."""
        finish(self.output_format, lambda output: action(output, self.target))


def on_edge(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which Seawall it asks, after its own; they become `edge`.

    All of them take `--config`, so that changing its verb turns one command line into another.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    common = inspect.signature(_edge).parameters.values()
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *common)]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        told = {each.name: given.pop(each.name) for each in common}
        command(_edge(**told), **given)

    run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]  # - what Typer reads
    run.__annotations__ = {each.name: each.annotation for each in keyword}
    return run


def _edge(
    config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> Edge:
    return Edge(config, Target(data_dir, url, token), output_format)
