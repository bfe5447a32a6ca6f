"""The options of the commands with which an operator takes the wheel; `hands` runs them.

As in `main`, a command's body imports what it needs.
"""

from pathlib import Path
from typing import Annotated

import typer

from seawall.cli.settings import (
    DEFAULT_CONFIG,
    DEFAULT_DATA_DIR,
    Config,
    DataDir,
    Format,
    FormatOption,
    Message,
    Target,
    Token,
    Url,
    finish,
)

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit log.")]
BreakGlass = Annotated[
    bool,
    typer.Option("--break-glass", help="Skip the steps of the rollout, also while frozen."),
]

feed_app = typer.Typer(
    help="Machine-made data: address lists.", no_args_is_help=True, rich_markup_mode=None
)
quarantine_app = typer.Typer(
    help="Content that is not rolled out again.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (kill, unkill, pause, resume, abort, freeze, unfreeze, rollout):
        app.command()(command)
    app.add_typer(feed_app, name="feed")
    app.add_typer(quarantine_app, name="quarantine")


def kill(
    feature: Annotated[str, typer.Argument(help="What to switch off; see --list.")] = "",
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    site: Annotated[str, typer.Option("--site", help="Only for this site.")] = "",
    ttl: Annotated[
        str, typer.Option("--ttl", help="For how long, such as 90s, 30m or 2h; 30m without.")
    ] = "",
    reason: Reason = "",
    *,
    list_all: Annotated[
        bool, typer.Option("--list", "-l", help="Show what is killed and what can be.")
    ] = False,
    break_glass: BreakGlass = False,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Switch a feature off for a while; it comes back by itself."""
    from seawall.api.hand_requests import KillRequest
    from seawall.cli import hands
    from seawall.daemon.processes import user_name

    target = Target(data_dir, url, token)
    if list_all or not feature:
        finish(output_format, lambda out: hands.switches(out, target))
    finish(
        output_format,
        lambda out: hands.kill(
            out,
            target,
            KillRequest(
                feature=feature,
                site=site or None,
                ttl_s=hands.seconds(ttl),
                reason=reason,
                author=user_name(),
                break_glass=break_glass,
            ),
        ),
    )


def unkill(
    feature: Annotated[str, typer.Argument(help="What to switch on again.")],
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    site: Annotated[str, typer.Option("--site", help="The kill of this site.")] = "",
    *,
    break_glass: BreakGlass = False,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """End a kill switch before its time."""
    from seawall.api.hand_requests import UnkillRequest
    from seawall.cli import hands
    from seawall.daemon.processes import user_name

    request = UnkillRequest(feature, site or None, user_name(), break_glass)
    finish(output_format, lambda out: hands.unkill(out, Target(data_dir, url, token), request))


def pause(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    reason: Reason = "",
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Stop the running rollout where it stands; it is still watched."""
    from seawall.cli import hands

    target = Target(data_dir, url, token)
    finish(output_format, lambda out: hands.steer(out, target, "pause", reason))


def resume(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    reason: Reason = "",
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Let a rollout go on that is paused, or held for want of evidence."""
    from seawall.cli import hands

    target = Target(data_dir, url, token)
    finish(output_format, lambda out: hands.steer(out, target, "resume", reason))


def abort(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    reason: Reason = "",
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Withdraw the running rollout from every node."""
    from seawall.cli import hands

    target = Target(data_dir, url, token)
    finish(output_format, lambda out: hands.steer(out, target, "abort", reason))


def freeze(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    reason: Reason = "",
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Stop every start and advance of a release; ways back stay open."""
    from seawall.cli import hands

    target = Target(data_dir, url, token)
    finish(output_format, lambda out: hands.freeze(out, target, reason))


def unfreeze(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Lift the freeze."""
    from seawall.cli import hands

    finish(output_format, lambda out: hands.unfreeze(out, Target(data_dir, url, token)))


def rollout(
    release: Annotated[
        str, typer.Argument(help="A release; without it, the one that is on its way.")
    ] = "",
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again and again until it has ended.")
    ] = False,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Tell the story of a rollout: steps, evidence, verdicts, times."""
    from seawall.cli import hands

    target = Target(data_dir, url, token)
    finish(output_format, lambda out: hands.rollout(out, target, release, watch=watch))


@feed_app.command("push")
def feed_push(
    name: Annotated[
        str,
        typer.Argument(
            help="A list of the site file without a `file`, bot-model, or bot-model-shadow."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="Its new content.")],
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    message: Message = "",
    *,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force", metavar="KIND", help="Let a mass change of this kind pass, or `score-drift`."
        ),
    ] = None,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Release new content of a list, another bot model, or a shadow beside it."""
    from seawall.cli import hands

    target, forced = Target(data_dir, url, token), tuple(force or ())
    finish(
        output_format,
        lambda out: hands.push_feed(out, target, name, file, message=message, force=forced),
    )


@feed_app.command("list")
def feed_list(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """List the address lists of the current release, and tell its bot model."""
    from seawall.cli import hands

    finish(output_format, lambda out: hands.feeds(out, Target(data_dir, url, token)))


@quarantine_app.command("list")
def quarantine_list(
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """List what may not be rolled out again, and why."""
    from seawall.cli import hands

    finish(output_format, lambda out: hands.quarantine(out, Target(data_dir, url, token)))


@quarantine_app.command("release")
def quarantine_release(
    digest: Annotated[str, typer.Argument(help="At least its first 12 digits.")],
    _config: Config = DEFAULT_CONFIG,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = "",
    token: Token = "",
    output_format: FormatOption = Format.TEXT,
) -> None:
    """Let quarantined content be rolled out again."""
    from seawall.cli import hands

    target = Target(data_dir, url, token)
    finish(output_format, lambda out: hands.release_quarantine(out, target, digest))
