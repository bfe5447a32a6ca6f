"""`seawall bots ...`: the options, and nothing that runs one."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from seawall import limits
from seawall.cli.settings import Edge, Format, FormatOption, Message, finish, on_edge
from seawall.cli.target import named
from seawall.cli.wheel import BreakGlass

bots_app = typer.Typer(
    help="Bot models: train, measure, explain, shadow; clearance keys and jobs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Records = Annotated[
    list[Path] | None,
    typer.Option(
        "--records",
        metavar="FILE|DIR",
        help="Access records of nodes; repeatable.",
        readable=False,
    ),
]
Sessions = Annotated[
    Path | None,
    typer.Option(
        "--sessions",
        metavar="FILE",
        help="Known labels of clients, tab-separated.",
        readable=False,
    ),
]
Database = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="SEAWALL_CLICKHOUSE_URL",
        show_envvar=True,
        help="A ClickHouse server instead of the embedded one.",
    ),
]
Budget = Annotated[
    float, typer.Option("--budget", help="Share of human requests that may be mistaken for bots.")
]
ReportFolder = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write a report with pictures there.")
]
BotRule = Annotated[
    list[str] | None,
    typer.Option(
        "--bot-rule", metavar="NAME", help="A rule whose clients are bots; default: honeypot."
    ),
]
ToolRule = Annotated[
    list[str] | None,
    typer.Option(
        "--tool-rule",
        metavar="NAME",
        help="A rule for programs that declare what they are; default: declared.",
    ),
]
ModelFile = Annotated[
    Path,
    typer.Argument(help="A model file; `starter`: the one that Seawall ships.", readable=False),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the program."""
    app.add_typer(bots_app, name="bots")


@bots_app.command()
def train(
    records: Records = None,
    sessions: Sessions = None,
    current: Annotated[
        Path | None,
        typer.Option("--current", metavar="FILE", help="The model to replace.", readable=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where an accepted model goes."),
    ] = None,
    report: ReportFolder = None,
    *,
    name: Annotated[
        str, typer.Option("--name", help="Name of the model; default: from the date.")
    ] = "",
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Chooses held-out families; same seed, same model.")
    ] = 1,
    budget: Budget = limits.LEARN_FALSE_POSITIVE_BUDGET,
    bot_rule: BotRule = None,
    tool_rule: ToolRule = None,
    database: Database = "",
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="CHECK", help="Accept even if this check fails."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="FEATURE",
            help="Do not train on this feature; identity: all that tell browsers apart.",
        ),
    ] = None,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Train a model and accept it only if it beats the current one and keeps the budget.

    Exits with 1 if the model is refused; it is then not written to --out.
    """
    from seawall.cli import bots

    source = bots.Named(records or [], sessions, database, bot_rule or [], tool_rule or [])
    wanted = bots.Wanted(name, current, out, report, seed, budget, force or [], without or [])
    finish(output_format, lambda output: bots.train(output, source, wanted))


@bots_app.command("eval")
def evaluate(
    model: ModelFile,
    records: Records = None,
    sessions: Sessions = None,
    report: ReportFolder = None,
    *,
    budget: Budget = limits.LEARN_FALSE_POSITIVE_BUDGET,
    bot_rule: BotRule = None,
    tool_rule: ToolRule = None,
    database: Database = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Measure an existing model on labelled records."""
    from seawall.cli import bots

    source = bots.Named(records or [], sessions, database, bot_rule or [], tool_rule or [])
    finish(output_format, lambda output: bots.measure(output, model, source, budget, report))


class _TakesField(TyperCommand):
    """Takes a field `bots` without a score, which begins with `- `, for what it is: no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put such a field behind `--`, as one would type it."""
        fields = [each for each in args if each.startswith("- ")]
        if fields and "--" not in args:
            args = [*(each for each in args if each not in fields), "--", *fields]
        return super().parse_args(ctx, args)


@bots_app.command(cls=_TakesField)
def explain(
    model: ModelFile,
    vector: Annotated[
        str, typer.Argument(help="A vector, or the field bots of a record; - reads standard input.")
    ],
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Explain a vector's score and what moved it, in words."""
    from seawall.cli import bots

    finish(output_format, lambda output: bots.explain(output, model, vector))


@bots_app.command()
def drift(
    before: Annotated[
        list[Path],
        typer.Option(
            "--before",
            metavar="FILE|DIR",
            help="Records of the earlier period.",
            readable=False,
        ),
    ],
    after: Annotated[
        list[Path],
        typer.Option(
            "--after", metavar="FILE|DIR", help="Records of the later period.", readable=False
        ),
    ],
    database: Database = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Show how far traffic has moved between two periods.

    Exits with 1 on an alarm: the model sees another population than it learned from.
    """
    from seawall.cli import bots

    finish(output_format, lambda output: bots.drift(output, before, after, database))


@bots_app.command()
def show(model: ModelFile, output_format: FormatOption = Format.TEXT) -> None:
    """Show what is in a model file: features, trees, metrics, digest."""
    from seawall.cli import bots

    finish(output_format, lambda output: bots.show(output, model))


@bots_app.command()
@on_edge
def shadow(
    edge: Edge,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            "--records",
            metavar="FILE|DIR",
            help="Access records of other machines instead of this one's; repeatable.",
            readable=False,
        ),
    ] = None,
) -> None:
    """Show how the shadow model compares with the one in force, and whether it is ready.

    Add a shadow with `seawall feed push bot-model-shadow FILE`.
    """
    from seawall.cli import shadow as commands

    edge.finish(lambda out, target: commands.report(out, target, records or []))


@bots_app.command()
@on_edge
def promote(
    edge: Edge,
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="First digits of the shadow's id; refused if it has changed."
        ),
    ] = None,
    message: Message = "",
    *,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force", metavar="KIND", help="Let this refusal pass, such as `score-drift`."
        ),
    ] = None,
) -> None:
    """Make the shadow the bot model, as one release that also removes the shadow."""
    from seawall.api.hand_requests import PromoteRequest
    from seawall.cli import shadow as commands
    from seawall.daemon.processes import user_name

    def request() -> PromoteRequest:
        shadow = named(which, "The id of the shadow") or ""
        return PromoteRequest(shadow, user_name(), message, tuple(force or ()))

    edge.finish(lambda out, target: commands.promote(out, target, request()))


@bots_app.command()
@on_edge
def unshadow(edge: Edge, message: Message = "") -> None:
    """Remove the shadow model, as a release; the model in force keeps scoring."""
    from seawall.cli import shadow as commands

    edge.finish(lambda out, target: commands.unshadow(out, target, message=message))


@bots_app.command("rotate-keys")
@on_edge
def rotate_keys(edge: Edge, message: Message = "", break_glass: BreakGlass = False) -> None:
    """Sign clearances with a new key, as a release; nobody is logged out.

    The previous key stays valid until the next rotation. After a leak, rotate twice, the second
    time with --break-glass: clients with a clearance by the leaked key are challenged again,
    and a rollout in steps would take that for a fault and go back.
    """
    from seawall.cli import hands

    edge.finish(
        lambda out, target: hands.rotate_keys(out, target, reason=message, break_glass=break_glass)
    )
