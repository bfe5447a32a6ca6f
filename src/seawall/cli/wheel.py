"""The options of the commands with which an operator takes the wheel; `hands` runs them.

As in `main`, a command's body imports what it needs.
"""

from pathlib import Path
from typing import Annotated

import typer

from seawall.cli.settings import Edge, Message, on_edge
from seawall.cli.target import named

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit log.")]
BreakGlass = Annotated[
    bool, typer.Option("--break-glass", help="Skip the rollout steps, even while frozen.")
]

feed_app = typer.Typer(
    help="Machine-made data: address lists and bot models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
quarantine_app = typer.Typer(
    help="Content that must not be rolled out again.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (kill, unkill, pause, resume, abort, freeze, unfreeze, rollout):
        app.command()(command)
    app.add_typer(feed_app, name="feed")
    app.add_typer(quarantine_app, name="quarantine")


@on_edge
def kill(
    edge: Edge,
    feature: Annotated[str | None, typer.Argument(help="What to switch off; see --list.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Only for this site.")] = None,
    ttl: Annotated[
        str, typer.Option("--ttl", help="For how long, such as 90s, 30m or 2h; default: 30m.")
    ] = "",
    reason: Reason = "",
    *,
    list_all: Annotated[
        bool, typer.Option("--list", "-l", help="Show what is switched off, and what can be.")
    ] = False,
    break_glass: BreakGlass = False,
) -> None:
    """Switch a feature off for a while; it comes back automatically."""
    from seawall.api.hand_requests import KillRequest
    from seawall.cli import hands
    from seawall.daemon.processes import user_name

    if list_all or (feature is None and not (site or ttl or reason or break_glass)):
        edge.finish(hands.switches)
    edge.finish(
        lambda out, target: hands.kill(
            out,
            target,
            KillRequest(
                feature=hands.feature_of(feature),
                site=named(site, "--site"),
                ttl_s=hands.seconds(ttl),
                reason=reason,
                author=user_name(),
                break_glass=break_glass,
            ),
        )
    )


@on_edge
def unkill(
    edge: Edge,
    feature: Annotated[str, typer.Argument(help="What to switch on again.")],
    site: Annotated[
        str | None, typer.Option("--site", help="The kill switch of this site.")
    ] = None,
    *,
    break_glass: BreakGlass = False,
) -> None:
    """End a kill switch early."""
    from seawall.api.hand_requests import UnkillRequest
    from seawall.cli import hands
    from seawall.daemon.processes import user_name

    edge.finish(
        lambda out, target: hands.unkill(
            out,
            target,
            UnkillRequest(feature, named(site, "--site"), user_name(), break_glass),
        )
    )


@on_edge
def pause(edge: Edge, reason: Reason = "") -> None:
    """Pause the running rollout where it is; it is still watched."""
    from seawall.cli import hands

    edge.finish(lambda out, target: hands.steer(out, target, "pause", reason))


@on_edge
def resume(edge: Edge, reason: Reason = "") -> None:
    """Continue a rollout that is paused, or held for lack of evidence."""
    from seawall.cli import hands

    edge.finish(lambda out, target: hands.steer(out, target, "resume", reason))


@on_edge
def abort(edge: Edge, reason: Reason = "") -> None:
    """Withdraw the running rollout from every node."""
    from seawall.cli import hands

    edge.finish(lambda out, target: hands.steer(out, target, "abort", reason))


@on_edge
def freeze(edge: Edge, reason: Reason = "") -> None:
    """Stop releases from starting or advancing; rollback still works."""
    from seawall.cli import hands

    edge.finish(lambda out, target: hands.freeze(out, target, reason))


@on_edge
def unfreeze(edge: Edge) -> None:
    """Lift the freeze."""
    from seawall.cli import hands

    edge.finish(hands.unfreeze)


@on_edge
def rollout(
    edge: Edge,
    release: Annotated[
        str, typer.Argument(help="A release; default: the one that is being rolled out.")
    ] = "",
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again and again until it has ended.")
    ] = False,
) -> None:
    """Tell the story of a rollout: steps, evidence, verdicts, times."""
    from seawall.cli import hands

    edge.finish(lambda out, target: hands.rollout(out, target, release, watch=watch))


@feed_app.command("push")
@on_edge
def feed_push(
    edge: Edge,
    name: Annotated[
        str,
        typer.Argument(
            help="A list of the site file without a `file`, bot-model, or bot-model-shadow."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="Its new content.", readable=False)],
    message: Message = "",
    *,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="KIND",
            help="Let this refusal pass: a kind of mass change, `clients` or `score-drift`.",
        ),
    ] = None,
) -> None:
    """Release new content of a list, a bot model, or a shadow model.

    While another release is being rolled out, or releases are frozen, the push waits and is
    released automatically.
    """
    from seawall.cli import hands

    forced = tuple(force or ())
    edge.finish(
        lambda out, target: hands.push_feed(out, target, name, file, message=message, force=forced)
    )


@feed_app.command("list")
@on_edge
def feed_list(edge: Edge) -> None:
    """List the address lists and the bot model of the current release, and waiting pushes."""
    from seawall.cli import hands

    edge.finish(hands.feeds)


@quarantine_app.command("list")
@on_edge
def quarantine_list(edge: Edge) -> None:
    """List what must not be rolled out again, and why."""
    from seawall.cli import hands

    edge.finish(hands.quarantine)


@quarantine_app.command("release")
@on_edge
def quarantine_release(
    edge: Edge, digest: Annotated[str, typer.Argument(help="At least its first 12 digits.")]
) -> None:
    """Allow quarantined content to be rolled out again."""
    from seawall.cli import hands

    edge.finish(lambda out, target: hands.release_quarantine(out, target, digest))
