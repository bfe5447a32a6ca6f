"""`diff`, `apply` and `rollback`: what changes the edge, or says how it would change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.api.client import Client
from seawall.api.codec import to_json
from seawall.api.views import Refused
from seawall.cli.connect import connect
from seawall.cli.follow import told_when_left
from seawall.cli.settings import DEFAULT_CONFIG, Target, named
from seawall.cli.watch import every
from seawall.console import changes, problems, progress
from seawall.console.output import Output, styled
from seawall.daemon.ports import require_free
from seawall.daemon.processes import user_name
from seawall.exit_codes import DONE, REFUSED
from seawall.site.collect import collect

_BAKE_POLL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Attributes:
        force: kinds of mass change that may pass, or digests of quarantined content.
        watch: follow the release until it is last known good.
        wait: until it serves; otherwise only until it is on its way.
        break_glass: why the steps of the rollout are skipped.
    """

    config: Path = DEFAULT_CONFIG
    message: str = ""
    force: tuple[str, ...] = ()
    dry_run: bool = False
    watch: bool = False
    wait: bool = True
    break_glass: str = ""


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


def apply(output: Output, target: Target, order: Order) -> int:
    """Release the site file and wait until it serves.

    Raises:
        UsageError: the site file cannot be read.
        ConflictError: another program holds one of its addresses.
        UnreachableError: nothing runs there, or it went away on the way.
    """
    sources = collect(order.config.absolute())
    with connect(target) as client, told_when_left(output):
        # The listeners of a fleet's site file are for its nodes, not for control's machine.
        if not target.url and (target.data_dir / "node").is_dir():
            require_free(sources, target.data_dir)
        events = client.apply(
            sources,
            message=order.message,
            author=user_name(),
            dry_run=order.dry_run,
            force=order.force,
            break_glass=order.break_glass,
        )
        if not order.wait:
            return DONE if progress.see_off(output, events) else REFUSED
        end = progress.follow(output, events, stream=order.watch)
        if isinstance(end, Refused):
            return REFUSED
        if order.watch and end.release is not None and end.changed:
            return _follow_bake(output, client, end.release.id)
    return DONE


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


def _follow_bake(output: Output, client: Client, release: str) -> int:
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
