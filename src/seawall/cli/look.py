"""`status`, `releases`, `show`, `why` and `audit`: looking changes nothing."""

from contextlib import suppress
from typing import Final

from seawall.api.client import Client
from seawall.api.status_views import StatusView
from seawall.cli.connect import connect, is_node_of_fleet
from seawall.cli.target import Target, named
from seawall.cli.watch import every, now_s
from seawall.console import releases as draw
from seawall.console import status as draw_status
from seawall.console.output import Output, styled
from seawall.errors import UnreachableError
from seawall.exit_codes import DONE, REFUSED

_REFRESH_S: Final = 1.0
_WELL: Final = frozenset({"serving", "working", "standby"})


def status(output: Output, target: Target, *, watch: bool) -> int:
    """Show what serves; with `watch` again and again.

    Returns:
        `REFUSED` when the edge is degraded, down or empty.

    Raises:
        UnreachableError: nothing runs there.
    """
    with connect(target) as client:
        view = client.status()
        if watch:
            with suppress(KeyboardInterrupt):
                _watch(output, client, view)
            return DONE
    _show_status(output, view)
    return DONE if view.state in _WELL else REFUSED


def releases(output: Output, target: Target, limit: int, before: str) -> int:
    """List releases."""
    with connect(target) as client:
        view = client.releases(limit=limit, before=before)
    output.tell(view, lambda: draw.releases(view, now_s()))
    return DONE


def show(output: Output, target: Target, release: str) -> int:
    """Show one release.

    Raises:
        UsageError: its name is empty.
        NotFoundError: there is no such release.
    """
    named(release, "The name of the release")
    with connect(target) as client:
        view = client.show(release)
    output.tell(view, lambda: draw.release_detail(view))
    return DONE


def why(output: Output, target: Target, request_id: str, node: str) -> int:
    """Tell the story of one request; on the machine of a node, as far as that node knows it.

    Raises:
        NotFoundError: no access record has that id.
        UnreachableError: it was not found, and not every node has searched.
        UsageError: it is no id, as when the command that should have told it failed.
    """
    from seawall.telemetry.records import require_request_id  # noqa: PLC0415 - others need it not

    request_id = request_id.strip()
    require_request_id(request_id)
    if is_node_of_fleet(target):
        from seawall.cli import own  # noqa: PLC0415 - a client of control needs none of it

        view = own.why(target.data_dir.absolute(), request_id, node)
    else:
        with connect(target) as client:
            view = client.why(request_id, node=node)
    output.tell(view, lambda: draw_status.why(view))
    return DONE


def audit(output: Output, target: Target, limit: int) -> int:
    """Show who did what."""
    with connect(target) as client:
        view = client.audit(limit=limit)
    output.tell(view, lambda: draw.audit(view))
    return DONE


def _watch(output: Output, client: Client, view: StatusView) -> None:
    """Show it again and again; the interrupt that ends it is the caller's."""
    if output.json_format or not output.out.is_terminal:
        for _ in every(_REFRESH_S):
            _show_status(output, view)
            if output.unread:
                return
            view = client.status()
    from rich.live import Live  # noqa: PLC0415 - only a live screen pays for it

    with Live(draw_status.status(view, cut=True), console=output.out, screen=True) as live:
        for _ in every(_REFRESH_S):
            try:
                live.update(draw_status.status(client.status(), cut=True), refresh=True)
            except UnreachableError as error:
                # The control process may be restarting: the screen stays, the edge serves on.
                live.update(styled(f"{error.message} {error.remedy}", "yellow"), refresh=True)


def _show_status(output: Output, view: StatusView) -> None:
    output.tell(view, lambda: draw_status.status(view))
