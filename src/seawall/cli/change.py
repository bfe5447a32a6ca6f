"""`diff` and `rollback`, and what follows a change: see `applying` for the change itself."""

from pathlib import Path
from typing import Final

from seawall.api.client import Client
from seawall.api.codec import to_json
from seawall.api.views import Refused
from seawall.cli.applying import Order
from seawall.cli.connect import connect
from seawall.cli.follow import told_when_left
from seawall.cli.target import Target, named
from seawall.cli.watch import every
from seawall.console import changes, problems, progress
from seawall.console.output import Output, styled
from seawall.daemon.processes import user_name
from seawall.exit_codes import DONE, REFUSED
from seawall.site.collect import collect

_BAKE_POLL_S: Final = 0.25


def diff(output: Output, target: Target, config: Path) -> int:
    """Show what `apply` would change.

    Returns:
        `REFUSED` when the file has errors, or the guard would refuse it, or it turns many away.

    Raises:
        UsageError: the site file cannot be read.
        UnreachableError: nothing runs there.
    """
    sources = collect(config.absolute())
    with connect(target) as client:
        view = client.diff(sources)
    if output.json_format:
        output.write_json(to_json(view))
    elif not view.check.ok:
        output.show(problems.problems(view.check.problems, view.check.problems_hidden))
        output.show(problems.verdict(view.check))
    else:
        output.show(changes.diff(view))
    turned_away = view.turned_away is not None and bool(view.turned_away.code)
    good = view.check.ok and (view.guard is None or view.guard.ok) and not turned_away
    return DONE if good else REFUSED


def rollback(output: Output, target: Target, order: Order, release: str | None) -> int:
    """Serve an earlier release again.

    Raises:
        UsageError: its name is empty.
        NotFoundError: no such release, or its content is no longer kept.
        UnreachableError: nothing runs there.
    """
    release = named(release, "The name of the release")
    with connect(target) as client, told_when_left(output):
        events = client.rollback(
            release,
            author=user_name(),
            message=order.message,
            force=order.force,
            break_glass=order.break_glass,
        )
        end = progress.follow(output, events)
    return REFUSED if isinstance(end, Refused) else DONE


def follow_bake(output: Output, client: Client, release: str) -> int:
    """Wait until the rollout of `release` has ended: what one node says decides nothing."""
    for _ in every(_BAKE_POLL_S):
        if output.json_format:
            output.write_json(to_json(client.status()))
        newest = client.rollout_story(release).rollouts[-1]
        if newest.stage == "done":
            if not output.json_format:
                output.show(styled(f"{release}: {newest.outcome}.", "green"))
            return DONE
        if newest.ended_s is not None:
            output.error(
                f"{release} no longer serves: {newest.outcome}.",
                code="release-gone",
                do=f"`seawall rollout {release}` shows why.",
            )
            return REFUSED
    return DONE
