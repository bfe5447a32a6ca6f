"""The machine of a node that joined a fleet: its records are here, and control is elsewhere."""

from contextlib import suppress
from pathlib import Path

from seawall.api.calls import is_running
from seawall.api.status_views import WhyView
from seawall.api.why_view import why_view
from seawall.compiler.names import ACCESS_FILE
from seawall.daemon.standin import place_of
from seawall.errors import NotFoundError, SeawallError, UnreachableError, UsageError
from seawall.fleet.identity import Identity
from seawall.telemetry.records import AccessRecord, find
from seawall.telemetry.why import Known


def why(data_dir: Path, request_id: str, node: str) -> WhyView:
    """The story of a request as far as this node knows it.

    Raises:
        UsageError: it cannot be a request id, or another node is named.
        NotFoundError: this node has no record of it.
        UnreachableError: its records cannot be read.
    """
    name, control = _who(data_dir)
    if node not in ("", name):
        raise UsageError(
            "another-node",
            f"This machine is node {name} and has no records of node {node[:80]}.",
            remedy=f"Run the command on the control machine, {control}.",
        )
    try:
        record = _find(data_dir, request_id)
    except NotFoundError as error:
        raise NotFoundError(
            error.code,
            f"Node {name} has no record of request {request_id}.",
            remedy=f"Another node may have it: control, at {control}, asks all nodes. "
            f"{error.remedy}",
        ) from error
    told = (
        f"Node {name} answers from its own records only. Control, at {control}, also knows the "
        "bot model and the policy: run the command there to include them."
    )
    return why_view(record, Known(), node=name, before=(told,))


def only_node(data_dir: Path) -> UnreachableError:
    """Why a command cannot be answered on this machine."""
    name, control = _who(data_dir)
    return UnreachableError(
        "only-a-node",
        f"The data directory {data_dir} holds only node {name} of a fleet.",
        remedy=f"Run the command on the control machine, {control}. On this machine "
        "only `seawall why` works, from the records of this node.",
    )


def is_node(data_dir: Path) -> bool:
    """Whether this is the directory of a node whose control is on another machine."""
    return Identity(data_dir / "identity").exists and not is_running(data_dir)


def _find(data_dir: Path, request_id: str) -> AccessRecord:
    """From where the node works now, and else from its own disk."""
    place = place_of(data_dir)
    if place != data_dir:
        with suppress(NotFoundError):
            return find(place / "access" / ACCESS_FILE, request_id)
    return find(data_dir / "access" / ACCESS_FILE, request_id)


def _who(data_dir: Path) -> tuple[str, str]:
    """The node's name, and where control is; as far as that can be read."""
    try:
        standing = Identity(data_dir / "identity").load()
    except SeawallError:
        return "of this machine", "an address that cannot be read on this machine"
    return standing.node, ", ".join(f"{host}:{port}" for host, port in standing.controls)
