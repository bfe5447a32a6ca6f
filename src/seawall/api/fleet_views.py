"""The JSON of a fleet's nodes, as operators see and change it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinTokenRequest:
    """Let a machine join.

    Attributes:
        node: the only name it may have; it names itself when this is empty. The name of a node
            that is there lets that node be replaced.
        groups: it will belong to, for waves.
    """

    node: str = ""
    groups: tuple[str, ...] = ()
    ttl_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class JoinTokenView:
    """A join token; its text is shown once and never again.

    Attributes:
        control: HOST:PORT that nodes reach control at.
        command: the line to run on the machine.
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
        connected: whether it reported lately; None where the process that answers does not lead,
            since nodes report to the one that does.
        certificate_over: it cannot reach control any more and must join again; it serves on.
        release: that it serves, as far as is known.
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
        leader: HOST:PORT of the control process that leads; empty when nobody does.
        leading: whether it is the one that answers.
    """

    nodes: tuple[FleetNodeView, ...]
    leader: str
    leading: bool


@dataclass(frozen=True, slots=True)
class NodeRemoved:
    """A node that is not believed any more."""

    name: str
