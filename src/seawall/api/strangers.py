"""Connections to the API over TCP that have shown no valid token yet have places of their own.

Anybody who reaches the port can open connections and send nothing. If those counted as people do,
they would keep everybody with a token from reading. So a connection begins as a stranger's, and is
counted with the others from its first valid token on. Strangers are few, and the one that came
first leaves when one more comes: a program with a token sends it at once, so it is not the one that
has stayed longest unless somebody opens thousands of connections a second.
"""

import asyncio
from typing import ClassVar, Final

from starlette.requests import Request

from seawall import limits
from seawall.api.server import BoundedProtocol

_INTRODUCED: Final = "seawall.introduced"


class StrangerProtocol(BoundedProtocol):
    """HTTP on a connection that is a stranger's until `introduce` is called for its request."""

    strangers: ClassVar[dict["StrangerProtocol", None]] = {}
    """The longest here first; `stranger_protocol` gives every server its own."""
    known: ClassVar[set["StrangerProtocol"]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.tell(_INTRODUCED, self._introduced)
        self.timeout_keep_alive = limits.API_STRANGER_IDLE_S
        self.strangers[self] = None
        if len(self.strangers) > limits.API_STRANGERS_MAX:
            longest_here = next(iter(self.strangers))
            del self.strangers[longest_here]
            longest_here.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(exc)
        self.strangers.pop(self, None)
        self.known.discard(self)

    def _introduced(self) -> None:
        # One that had to leave has no place any more, whatever it showed meanwhile.
        if self in self.strangers:
            del self.strangers[self]
            self.known.add(self)
            self.timeout_keep_alive = limits.API_KEEP_ALIVE_S


def stranger_protocol() -> type[StrangerProtocol]:
    """`StrangerProtocol` for one server."""

    class Protocol(StrangerProtocol):
        strangers: ClassVar[dict[StrangerProtocol, None]] = {}
        known: ClassVar[set[StrangerProtocol]] = set()

    return Protocol


def introduce(request: Request) -> None:
    """Count the connection of a request as that of somebody with a token from now on."""
    introduced = request.scope.get(_INTRODUCED)
    if introduced is not None:
        introduced()
