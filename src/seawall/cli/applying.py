"""`apply`: the command that somebody waits for.

Nothing is loaded for it that its request does not need, before that is on its way.
"""

from dataclasses import dataclass
from pathlib import Path

from seawall.api.calls import Calls
from seawall.cli.connect import connect, connect_as
from seawall.cli.follow import told_when_left
from seawall.cli.target import DEFAULT_CONFIG, Target
from seawall.console.output import Output
from seawall.daemon.ports import require_free
from seawall.daemon.processes import user_name
from seawall.exit_codes import DONE, REFUSED
from seawall.site.collect import collect


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


def apply(output: Output, target: Target, order: Order) -> int:
    """Release the site file and wait until it serves.

    Raises:
        UsageError: the site file cannot be read.
        ConflictError: another program holds one of its addresses.
        UnreachableError: nothing runs there, or it went away on the way.
    """
    sources = collect(order.config.absolute())
    with connect_as(Calls, target) as client, told_when_left(output):
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
        from seawall.api.views import Refused  # noqa: PLC0415 - while control works
        from seawall.console import progress  # noqa: PLC0415 - likewise

        if not order.wait:
            return DONE if progress.see_off(output, events) else REFUSED
        end = progress.follow(output, events, stream=order.watch)
        if isinstance(end, Refused):
            return REFUSED
        if order.watch and end.release is not None and end.changed:
            return _until_baked(output, target, end.release.id)
    return DONE


def _until_baked(output: Output, target: Target, release: str) -> int:
    from seawall.cli.change import follow_bake  # noqa: PLC0415 - needs every operation

    with connect(target) as client:
        return follow_bake(output, client, release)
