"""The `seawall` command: every subcommand with its options, and nothing that runs one.

A command's body imports what it needs, so that `seawall --help` costs nothing else and `seawall
status` never pays for the compiler. `docs/cli.md` is made from what stands here.
"""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from seawall.cli import (
    bots_commands,
    drill_commands,
    fleet_commands,
    jobs_commands,
    ranges_commands,
    reference_commands,
    wheel,
)
from seawall.cli.settings import (
    Concurrency,
    Config,
    DataDir,
    Edge,
    Format,
    FormatOption,
    Message,
    ResolvConf,
    asks_for_json,
    finish,
    on_edge,
)
from seawall.cli.target import DEFAULT_CONFIG, DEFAULT_DATA_DIR
from seawall.console.output import Output
from seawall.exit_codes import REFUSED

_INTERRUPTED: Final = 130
"""What Typer makes of Ctrl-C."""

app = typer.Typer(
    name="seawall",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
token_app = typer.Typer(
    help="Tokens for the HTTP API over TCP.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(token_app, name="token")
fleet_commands.add_to(app, token_app)

Force = Annotated[
    list[str] | None,
    typer.Option(
        "--force",
        metavar="KIND",
        help="Let this refusal pass: a kind of mass change, `clients`, `score-drift`, `taster`, or "
        "the digest of quarantined content.",
    ),
]


BreakGlass = Annotated[
    str,
    typer.Option(
        "--break-glass",
        metavar="REASON",
        help="Skip the rollout steps; the gate still applies, and a record is kept.",
    ),
]


def main() -> None:
    """Entry point of the `seawall` command."""
    json_format = asks_for_json(sys.argv[1:])
    try:
        code = app(prog_name="seawall", standalone_mode=not json_format)
    except SystemExit as ended:
        code = ended.code
    except typer.TyperException as error:  # text is written by Typer itself
        Output(json_format=json_format).error(
            error.format_message(), code="bad-command-line", do="See the command's --help."
        )
        code = error.exit_code
    # Ctrl-C before the command itself began, which says what goes on, is no fifth code of ours.
    sys.exit(REFUSED if code == _INTERRUPTED else code)


@app.command()
def init(
    origin: Annotated[
        str, typer.Option("--origin", help="Your website, for example http://localhost:3000.")
    ],
    host: Annotated[
        str, typer.Option("--host", help="Its host name; without one, every host is served.")
    ] = "",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; - writes to standard output.")
    ] = DEFAULT_CONFIG,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Write a commented seawall.yaml for your website."""
    from seawall.cli import local

    finish(output_format, lambda out: local.init(out, origin, host, output, force=force))


@app.command()
def up(
    config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    api: Annotated[
        str,
        typer.Option(
            "--api", metavar="HOST:PORT", help="Also serve the HTTP API there, with tokens."
        ),
    ] = "",
    concurrency: Concurrency = 0,
    resolv_conf: ResolvConf = None,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Run the edge on this machine until Ctrl-C."""
    from seawall.cli import run

    options = run.UpOptions(config, data_dir, api, concurrency, resolv_conf)
    finish(output_format, lambda out: run.up(out, options), serves=True)


@app.command()
def down(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    keep_serving: Annotated[
        bool,
        typer.Option(
            "--keep-serving", help="For updates: Envoy keeps serving; the next start takes it over."
        ),
    ] = False,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Stop the edge, including an Envoy that was left serving."""
    from seawall.cli import run

    finish(output_format, lambda out: run.down(out, data_dir, keep_serving=keep_serving))


@app.command()
def demo(
    data_dir: Annotated[
        Path,
        typer.Option("--data-dir", "-d", help="Where the demo keeps its files.", readable=False),
    ] = Path("demo-data"),
) -> None:
    """Start a small website with Seawall in front of it."""
    from seawall.cli import run

    finish(Format.TEXT, lambda out: run.demo(out, data_dir))


@app.command()
def check(
    config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    full: Annotated[
        bool | None,
        typer.Option(
            "--full/--quick", help="Let Envoy validate, too; default: for up to 200 sites."
        ),
    ] = None,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Find every problem of the site file.

    If an edge runs, problems that its release has too are warnings, as for `apply`.
    """
    from seawall.cli import local

    finish(output_format, lambda out: local.check(out, config, data_dir, full=full))


@app.command()
@on_edge
def diff(edge: Edge) -> None:
    """Show in words what `apply` would change, without changing it."""
    from seawall.cli import change

    edge.finish(lambda out, target: change.diff(out, target, edge.config))


@app.command()
@on_edge
def apply(
    edge: Edge,
    message: Message = "",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run every check, release nothing.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow until it is last known good.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return as soon as the rollout has begun.")
    ] = False,
    force: Force = None,
    break_glass: BreakGlass = "",
) -> None:
    """Release the site file and wait until it serves."""
    from seawall.cli import applying

    order = applying.Order(
        edge.config,
        message,
        tuple(force or ()),
        dry_run=dry_run,
        watch=watch,
        wait=not no_wait,
        break_glass=break_glass,
    )
    edge.finish(lambda out, target: applying.apply(out, target, order))


@app.command()
@on_edge
def rollback(
    edge: Edge,
    release: Annotated[
        str | None, typer.Argument(help="Where to go back to; default: the previous good release.")
    ] = None,
    message: Message = "",
    *,
    force: Force = None,
    break_glass: BreakGlass = "",
) -> None:
    """Serve an earlier release again."""
    from seawall.cli import applying, change

    order = applying.Order(message=message, force=tuple(force or ()), break_glass=break_glass)
    edge.finish(lambda out, target: change.rollback(out, target, order, release))


@app.command()
@on_edge
def status(
    edge: Edge,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep it on the screen until Ctrl-C.")
    ] = False,
) -> None:
    """Show what serves, how well, and what is wrong."""
    from seawall.cli import look

    edge.finish(lambda out, target: look.status(out, target, watch=watch))


@app.command()
@on_edge
def releases(
    edge: Edge,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many.")] = 20,
    *,
    before: Annotated[str, typer.Option("--before", help="Continue below this release.")] = "",
) -> None:
    """List releases, newest first."""
    from seawall.cli import look

    edge.finish(lambda out, target: look.releases(out, target, limit, before))


@app.command()
@on_edge
def show(
    edge: Edge, release: Annotated[str, typer.Argument(help="A release, for example r12.")]
) -> None:
    """Show one release in full."""
    from seawall.cli import look

    edge.finish(lambda out, target: look.show(out, target, release))


@app.command()
@on_edge
def why(
    edge: Edge,
    request_id: Annotated[
        str, typer.Argument(help="The x-request-id of a response, or the time it shows instead.")
    ],
    *,
    node: Annotated[str, typer.Option("--node", help="On a fleet, ask this node only.")] = "",
) -> None:
    """Tell the story of one request in plain words."""
    from seawall.cli import look

    edge.finish(lambda out, target: look.why(out, target, request_id, node))


@app.command()
@on_edge
def audit(
    edge: Edge,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many.")] = 50,
) -> None:
    """Show who did what, newest first."""
    from seawall.cli import look

    edge.finish(lambda out, target: look.audit(out, target, limit))


@token_app.command("create")
@on_edge
def token_create(
    edge: Edge,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Allow it to change the edge, too.")
    ] = False,
    days: Annotated[
        float | None, typer.Option("--days", min=0.0, help="It expires after this many days.")
    ] = None,
) -> None:
    """Create a token; its value is shown once and never again."""
    from seawall.cli import tokens

    edge.finish(lambda out, target: tokens.create(out, target, name, days, write=write))


@token_app.command("list")
@on_edge
def token_list(edge: Edge) -> None:
    """List tokens, without their values."""
    from seawall.cli import tokens

    edge.finish(tokens.list_all)


@token_app.command("revoke")
@on_edge
def token_revoke(
    edge: Edge, token_id: Annotated[str, typer.Argument(help="The id that `token list` shows.")]
) -> None:
    """Revoke a token at once."""
    from seawall.cli import tokens

    edge.finish(lambda out, target: tokens.revoke(out, target, token_id))


reference_commands.add_to(app)
wheel.register(app)
drill_commands.add_to(app)
bots_commands.add_to(app)
ranges_commands.add_to(bots_commands.bots_app)
jobs_commands.add_to(bots_commands.bots_app)

if __name__ == "__main__":
    main()
