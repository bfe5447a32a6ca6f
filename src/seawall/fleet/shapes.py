"""The JSON that control and nodes exchange beside assignments and reports, and their headers."""

from dataclasses import dataclass
from typing import Final

PROTOCOL: Final = 1
"""Of everything on the nodes' port. It changes only when an old node can no longer be answered;
what a node understands of assignments is `NodeReport.level`."""
PROTOCOL_HEADER: Final = "x-seawall-protocol"
NOW_HEADER: Final = "x-seawall-now"
"""The node's clock when it sent a report, Unix seconds."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A node that has a token.

    Attributes:
        name: what it calls itself.
        request: a certificate signing request in PEM.
    """

    token: str
    name: str
    request: str


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """What makes it a node of the fleet.

    Attributes:
        signing_key: PEM of the key that signs releases: the only one the node will trust.
        now_s: control's clock.
    """

    node: str
    groups: tuple[str, ...]
    certificate: str
    authority: str
    signing_key: str
    now_s: float


@dataclass(frozen=True, slots=True)
class RenewRequest:
    """A node whose certificate is due."""

    request: str


@dataclass(frozen=True, slots=True)
class RenewAnswer:
    """The new certificate in PEM."""

    certificate: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The answer to a report.

    Attributes:
        quiet_s: report again after so long when there is nothing new.
        words: what was not believed, and what the node should know.
    """

    quiet_s: float
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Any failure.

    Attributes:
        leader: HOST:PORT of the control process to ask instead; empty when there is none.
    """

    code: str
    message: str
    remedy: str = ""
    leader: str = ""
