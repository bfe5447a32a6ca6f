"""Who is at the other end of a connection to the nodes' port, as its certificate says.

uvicorn does not hand the certificate of a client to the app, so the protocol reads it from the TLS
transport when the connection is made, and puts it into the scope of every request. The name comes
from the certificate alone; nothing in a request can change it.
"""

import ssl
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from seawall import limits
from seawall.api.server import BoundedProtocol
from seawall.errors import SeawallError
from seawall.fleet.ca import NODE_URI, key_sha256
from seawall.ids import NodeName

SCOPE_KEY: Final = "seawall.peer"
_NOBODY: Final = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A client with a certificate of our authority.

    Attributes:
        key_sha256: of its key; the registry says whether that key is this node's.
        ends_s: end of its certificate, Unix seconds: a connection may outlive it.
    """

    node: NodeName
    key_sha256: str
    ends_s: float


class PeerProtocol(BoundedProtocol):
    """HTTP on a TLS connection, with `scope["seawall.peer"]`: a `Peer`, or None.

    Whoever shows no certificate may join and nothing else: few of them at once, and one that stays
    gives its place to the next. A node has a share too. Otherwise one who holds thousands of
    connections would have every other node answered that control is busy.

    The share is of a name with its key: a machine that was removed still shows its certificate, and
    must not hold the place of the one that has its name now.
    """

    held: ClassVar[dict[str, dict["PeerProtocol", float]]] = {}
    """Connections by name and SHA-256 of the key, each with when it came (the loop's clock);
    `peer_protocol` gives every server its own."""
    _whose: str | None = None

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("ssl_object"))
        self.tell(SCOPE_KEY, peer)
        most = limits.NODE_CONNECTIONS_EACH_MAX
        if peer is None:
            most = limits.NODE_STRANGERS_MAX
            self.timeout_keep_alive = limits.NODE_STRANGER_IDLE_S
        self._whose = f"{peer.node} {peer.key_sha256}" if peer is not None else _NOBODY
        held = self.held.setdefault(self._whose, {})
        held[self] = self.loop.time()
        if len(held) <= most:
            return
        oldest = next(iter(held))
        if peer is None and held[self] - held[oldest] >= limits.NODE_STRANGER_STAY_S:
            oldest.leave()
            oldest.transport.abort()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(exc)
        self.leave()

    def leave(self) -> None:
        """Hold a place no more."""
        if self._whose is not None:
            held = self.held[self._whose]
            del held[self]
            if not held:
                del self.held[self._whose]
            self._whose = None


def peer_protocol() -> type[PeerProtocol]:
    """`PeerProtocol` for one server."""

    class Protocol(PeerProtocol):
        held: ClassVar[dict[str, dict[PeerProtocol, float]]] = {}

    return Protocol


def peer_of(connection: ssl.SSLObject | None) -> Peer | None:
    """The peer behind a finished handshake; None when it showed no certificate of a node."""
    described = connection.getpeercert() if connection is not None else None
    certificate = connection.getpeercert(binary_form=True) if connection is not None else None
    if not described or not certificate:
        return None
    found = cast("Any", described)
    names = [text for kind, text in found.get("subjectAltName", ()) if kind == "URI"]
    if len(names) != 1 or not names[0].startswith(NODE_URI):
        return None
    try:
        key = key_sha256(certificate)
    except (SeawallError, ValueError):
        return None
    ends_s = ssl.cert_time_to_seconds(found["notAfter"])
    return Peer(NodeName(names[0].removeprefix(NODE_URI)), key, float(ends_s))
