"""The JSON of a fleet's nodes, as operators see and change it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinTokenRequest:
    """Let a machine join the fleet.

    Attributes:
        node: the only name that the machine may use; if empty, it chooses one. The name of an
            existing node allows the machine to replace that node.
        groups: groups that the node will belong to, for waves.
    """

    node: str = ""
    groups: tuple[str, ...] = ()
    ttl_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class JoinTokenView:
    """A join token. Its text is shown only once.

    Attributes:
        control: HOST:PORT at which nodes reach control.
        command: the command to run on the machine.
    """

    node: str
    groups: tuple[str, ...]
    expires_s: float
    control: str
    token: str
    command: str


@dataclass(frozen=True, slots=True)
class FleetNodeView:
    """A node of the fleet.

    Attributes:
        connected: whether it reported recently; null if the answering process does not lead,
            because nodes report to the leader.
        certificate_over: its certificate has expired, so it cannot reach control and must join
            again. It still serves.
        release: the one that it serves, as far as is known.
    """

    name: str
    groups: tuple[str, ...]
    joined_s: float
    certificate_ends_s: float
    certificate_over: bool
    connected: bool | None
    release: str | None
    phase: str


@dataclass(frozen=True, slots=True)
class FleetView:
    """All nodes, by name.

    Attributes:
        leader: HOST:PORT of the leading control process; empty if none leads.
        leading: whether the answering process leads.
    """

    nodes: tuple[FleetNodeView, ...]
    leader: str
    leading: bool


@dataclass(frozen=True, slots=True)
class NodeRemoved:
    """A node that is no longer trusted."""

    name: str
