"""The commands of a fleet with their options, added to the `seawall` command by `add_to`.

Like `main`: a command's body imports what it needs, and nothing here runs one.
"""

from pathlib import Path
from typing import Annotated

import typer

from seawall.cli.settings import (
    Concurrency,
    DataDir,
    Edge,
    Format,
    FormatOption,
    ResolvConf,
    finish,
    on_edge,
)
from seawall.cli.target import DEFAULT_DATA_DIR

nodes_app = typer.Typer(
    help="Nodes on other machines.", no_args_is_help=True, rich_markup_mode=None
)


def add_to(app: typer.Typer, token_app: typer.Typer) -> None:
    """Add these commands to `seawall` and to `seawall token`."""
    app.command("control")(control)
    app.command("node")(node)
    app.add_typer(nodes_app, name="nodes")
    token_app.command("join")(token_join)


def control(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    listen_nodes: Annotated[
        str, typer.Option("--listen-nodes", metavar="HOST:PORT", help="Where nodes connect.")
    ] = "",
    advertise: Annotated[
        str,
        typer.Option(
            "--advertise",
            metavar="HOST:PORT",
            help="The address that nodes use, if it is another one.",
        ),
    ] = "",
    database: Annotated[
        str,
        typer.Option(
            "--database",
            metavar="URL",
            envvar="SEAWALL_DATABASE",
            help="PostgreSQL instead of a SQLite file: postgresql://USER@HOST/NAME.",
        ),
    ] = "",
    api: Annotated[
        str,
        typer.Option(
            "--api", metavar="HOST:PORT", help="Also serve the HTTP API there, with tokens."
        ),
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="A site file to compare with in status.", readable=False
        ),
    ] = None,
    mirror_dir: Annotated[
        Path | None,
        typer.Option("--mirror-dir", help="Also write every bundle there, for mirrors."),
    ] = None,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Run control for nodes on other machines until Ctrl-C."""
    from seawall.cli import fleet

    options = fleet.ControlOptions(config, listen_nodes, advertise, database, api, mirror_dir)
    finish(output_format, lambda out: fleet.control(out, data_dir, options), serves=True)


def node(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    control_: Annotated[
        list[str] | None,
        typer.Option("--control", metavar="URL", help="Address of control; repeatable."),
    ] = None,
    join: Annotated[
        str,
        typer.Option(
            "--join", metavar="TOKEN", envvar="SEAWALL_JOIN", help="From `seawall token join`."
        ),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", help="Name of this node; default: the host's name.")
    ] = "",
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            "--mirror", metavar="URL", help="Fetch bundles there first; they are verified."
        ),
    ] = None,
    concurrency: Concurrency = 0,
    resolv_conf: ResolvConf = None,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Run a node of a fleet until Ctrl-C; join the fleet first when given a token."""
    from seawall.cli import fleet

    options = fleet.NodeOptions(
        tuple(control_ or ()), join, name, tuple(mirror or ()), concurrency, resolv_conf
    )
    finish(output_format, lambda out: fleet.node(out, data_dir, options), serves=True)


@on_edge
def token_join(
    edge: Edge,
    *,
    ttl: Annotated[str, typer.Option("--ttl", help="How long it may be used, at most 7d.")] = "1h",
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Group of the node, for waves; repeatable.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The only name that may join; replaces a node of that name."),
    ] = None,
) -> None:
    """Print the line that lets a machine join the fleet, once."""
    from seawall.cli import fleet

    edge.finish(lambda out, target: fleet.token_join(out, target, ttl, tuple(group or ()), name))


@nodes_app.command("list")
@on_edge
def nodes_list(edge: Edge) -> None:
    """List the nodes of the fleet."""
    from seawall.cli import fleet

    edge.finish(fleet.nodes)


@nodes_app.command("remove")
@on_edge
def nodes_remove(edge: Edge, name: Annotated[str, typer.Argument(help="The node.")]) -> None:
    """Stop trusting a node; it keeps serving what it has."""
    from seawall.cli import fleet

    edge.finish(lambda out, target: fleet.remove(out, target, name))
