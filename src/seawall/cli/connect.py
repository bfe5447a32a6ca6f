"""The way from a command to the running Seawall, and the words when there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from seawall.api.calls import Calls, is_running
from seawall.cli.target import Target
from seawall.cli.watch import every
from seawall.console.words import argument
from seawall.daemon.processes import envoys, hardly_starts, last_words, read_run_file, user_name
from seawall.daemon.standin import place_of
from seawall.errors import UnreachableError

if TYPE_CHECKING:
    from seawall.api.client import Client

CallsT = TypeVar("CallsT", bound=Calls)
_POLL_S: Final = 0.05


@contextmanager
def connect(target: Target) -> Iterator["Client"]:
    """A client of the target, for every operation.

    Raises:
        UnreachableError: nothing runs there, with what still serves and what to type.
    """
    from seawall.api.client import Client  # noqa: PLC0415 - `apply` needs none of it

    with connect_as(Client, target) as client:
        yield client


@contextmanager
def connect_as(kind: type[CallsT], target: Target) -> Iterator[CallsT]:
    """The same, as a client of one kind."""
    if target.url:
        with kind.for_url(target.url, target.token) as client:
            client.speak_for(user_name())
            yield client
        return
    data_dir = target.data_dir.absolute()
    if is_node_of_fleet(target):
        from seawall.cli.own import only_node  # noqa: PLC0415 - a client of control needs none of it

        raise only_node(data_dir)
    data_dir = place_of(data_dir)
    _wait_while_starting(data_dir)
    try:
        with kind.for_data_dir(data_dir) as client:
            client.speak_for(user_name())
            yield client
    except UnreachableError as error:
        if error.code != "not-running":
            raise
        if read_run_file(data_dir / "run" / "up.json") is not None:
            words = last_words(data_dir, "control")
            raise UnreachableError(
                "control-restarting",
                f"The control process of {target.data_dir} is not answering at the moment."
                + (f" Its last words: {words}" if words else ""),
                remedy="Seawall is restarting it, and the edge still serves. Try again in a "
                f"moment, or read {target.data_dir}/logs/control.log.",
                detail=error.message,
            ) from error
        raise _not_running(target) from error


def is_node_of_fleet(target: Target) -> bool:
    """Whether the data directory is a node's, whose control is on another machine."""
    try:
        joined = not target.url and (target.data_dir / "identity").exists()
    except OSError:  # another user's directory: whoever connects says so
        joined = False
    if not joined:
        return False
    from seawall.cli.own import is_node  # noqa: PLC0415 - a client of control needs none of it

    return is_node(target.data_dir.absolute())


def _wait_while_starting(data_dir: Path) -> None:
    """Under a live supervisor control is only starting, or starting again: worth a moment."""
    for tick in every(_POLL_S):
        waited_s = tick * _POLL_S
        supervised = read_run_file(data_dir / "run" / "up.json") is not None
        if is_running(data_dir) or not supervised or hardly_starts(data_dir, waited_s):
            return


def _not_running(target: Target) -> UnreachableError:
    left = envoys(target.data_dir)
    serving = f" Its Envoy (process {left[0].pid}) still serves." if left else ""
    return UnreachableError(
        "not-running",
        f"Seawall is not running on the data directory {target.data_dir}.{serving}",
        remedy=f"Start it with `seawall up --data-dir {argument(target.data_dir)}`, or give the "
        "right directory with --data-dir.",
    )
