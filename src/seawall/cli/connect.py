"""The way from a command to the running Seawall, and the words when there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

from seawall.api.client import Client
from seawall.cli.settings import Target
from seawall.daemon.processes import envoys, read_run_file
from seawall.errors import UnreachableError


@contextmanager
def connect(target: Target) -> Iterator[Client]:
    """A client of the target.

    Raises:
        UnreachableError: nothing runs there, with what still serves and what to type.
    """
    if target.url:
        with Client.for_url(target.url, target.token) as client:
            yield client
        return
    data_dir = target.data_dir.absolute()
    try:
        with Client.for_data_dir(data_dir) as client:
            yield client
    except UnreachableError as error:
        if error.code != "not-running":
            raise
        if read_run_file(data_dir / "run" / "up.json") is not None:
            raise UnreachableError(
                "control-restarting",
                f"The control process of {target.data_dir} does not answer just now.",
                remedy="It is being started again; the edge serves on. Try again in a moment, "
                f"or read {target.data_dir}/logs/control.log.",
                detail=error.message,
            ) from error
        raise _not_running(target) from error


def _not_running(target: Target) -> UnreachableError:
    left = envoys(target.data_dir)
    serving = f" Its Envoy (process {left[0].pid}) still serves." if left else ""
    return UnreachableError(
        "not-running",
        f"No Seawall runs on the data directory {target.data_dir}.{serving}",
        remedy=f"Start it with `seawall up --data-dir {target.data_dir}`, "
        "or name the right directory with --data-dir.",
    )
