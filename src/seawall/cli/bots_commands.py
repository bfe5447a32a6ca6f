"""`seawall bots ...`: the options, and nothing that runs one."""

from pathlib import Path
from typing import Annotated

import typer

from seawall import limits
from seawall.cli.settings import Format, FormatOption, finish

bots_app = typer.Typer(
    help="Bot models: trained from access records, measured, explained. Needs no running edge.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Records = Annotated[
    list[Path] | None,
    typer.Option("--records", metavar="FILE|DIR", help="Access records of nodes; repeatable."),
]
Sessions = Annotated[
    Path | None,
    typer.Option("--sessions", metavar="FILE", help="The truth about clients, tab-separated."),
]
Database = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="SEAWALL_CLICKHOUSE_URL",
        show_envvar=True,
        help="A ClickHouse server in place of the embedded one.",
    ),
]
Budget = Annotated[
    float, typer.Option("--budget", help="Share of human requests that may be taken for bots.")
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--report", metavar="DIR", help="Write a report with pictures there."),
]
BotRule = Annotated[
    list[str] | None,
    typer.Option(
        "--bot-rule", metavar="NAME", help="A rule whose clients are bots; honeypot by default."
    ),
]
ToolRule = Annotated[
    list[str] | None,
    typer.Option(
        "--tool-rule",
        metavar="NAME",
        help="A rule for programs that say what they are; declared by default.",
    ),
]
ModelFile = Annotated[Path, typer.Argument(help="A model file.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the program."""
    app.add_typer(bots_app, name="bots")


@bots_app.command()
def train(
    records: Records = None,
    sessions: Sessions = None,
    current: Annotated[
        Path | None,
        typer.Option("--current", metavar="FILE", help="The model that it shall replace."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where an accepted model goes."),
    ] = None,
    report: ReportFolder = None,
    *,
    name: Annotated[str, typer.Option("--name", help="Name of the model.")] = "trained",
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Chooses held-out families; same seed, same model.")
    ] = 1,
    budget: Budget = limits.LEARN_FALSE_POSITIVE_BUDGET,
    bot_rule: BotRule = None,
    tool_rule: ToolRule = None,
    database: Database = "",
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="CHECK", help="Accept although this check fails."),
    ] = None,
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Train a model and accept it only if it beats the current one and keeps the budget.

    Ends with 1 when the model is refused; it is then not written to --out.
    """
    from seawall.cli import bots  # noqa: PLC0415 - as in main.py: what a command needs

    source = bots.Named(records or [], sessions, database, bot_rule or [], tool_rule or [])
    wanted = bots.Wanted(name, current, out, report, seed, budget, force or [])
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
    from seawall.cli import bots  # noqa: PLC0415 - as in main.py: what a command needs

    source = bots.Named(records or [], sessions, database, bot_rule or [], tool_rule or [])
    finish(output_format, lambda output: bots.measure(output, model, source, budget, report))


# A field `bots` begins with - where there is no score, which must not be taken for an option.
@bots_app.command(context_settings={"ignore_unknown_options": True})
def explain(
    model: ModelFile,
    vector: Annotated[
        str,
        typer.Argument(help="A vector, or the field bots of a record; - reads standard input."),
    ],
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Tell a vector's score and what moved it, in words."""
    from seawall.cli import bots  # noqa: PLC0415 - as in main.py: what a command needs

    finish(output_format, lambda output: bots.explain(output, model, vector))


@bots_app.command()
def drift(
    before: Annotated[
        list[Path],
        typer.Option("--before", metavar="FILE|DIR", help="Records of the time compared with."),
    ],
    after: Annotated[
        list[Path], typer.Option("--after", metavar="FILE|DIR", help="Records of now.")
    ],
    database: Database = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Tell how far traffic has moved between two times.

    Ends with 1 on an alarm: the model sees another population than it learned from.
    """
    from seawall.cli import bots  # noqa: PLC0415 - as in main.py: what a command needs

    finish(output_format, lambda output: bots.drift(output, before, after, database))


@bots_app.command()
def show(model: ModelFile, output_format: FormatOption = Format.TEXT) -> None:
    """Show what a model file holds: features, trees, metrics, digest."""
    from seawall.cli import bots  # noqa: PLC0415 - as in main.py: what a command needs

    finish(output_format, lambda output: bots.show(output, model))
