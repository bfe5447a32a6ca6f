"""Which nodes may speak now: the registry in memory, asked at every request.

It is read anew every moment and at once when somebody unknown comes, so that a node that joined or
was removed at another control process is known here within seconds.
"""

import asyncio
from contextlib import suppress
from typing import Final

from seawall import limits
from seawall.clock import Clock
from seawall.errors import RefusedError, SeawallError
from seawall.fleet.peer import Peer
from seawall.ids import NodeName
from seawall.release.registry import FleetNode, Registry

_REFRESH_S: Final = 2.0


class Members:
    """The nodes of the fleet."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._nodes: dict[NodeName, FleetNode] = {}
        self._read_at_s = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._nodes)

    @property
    def names(self) -> tuple[NodeName, ...]:
        """Of all of them, in order."""
        return tuple(sorted(self._nodes))

    def groups_of(self, name: NodeName) -> tuple[str, ...]:
        """Groups of a node, as its token said; none of one that is not known."""
        found = self._nodes.get(name)
        return found.groups if found is not None else ()

    async def require(self, peer: Peer | None) -> FleetNode:
        """The node behind a connection.

        Raises:
            RefusedError: no certificate, one that is over, or of a key that is not this node's.
        """
        if peer is None:
            raise RefusedError(
                "certificate-needed",
                "Only nodes with a certificate of this fleet may use this port.",
                remedy="Let the node join: seawall token join.",
            )
        if self._clock.now_s() > peer.ends_s:
            raise RefusedError(
                "certificate-over",
                f"The certificate of node {peer.node} has expired.",
                remedy=f"Let it join again: seawall token join --name {peer.node}.",
            )
        found = self._nodes.get(peer.node)
        if found is None or found.key_sha256 != peer.key_sha256:
            await self._reread()
            found = self._nodes.get(peer.node)
        if found is None or found.key_sha256 != peer.key_sha256:
            raise RefusedError(
                "node-removed",
                f"Node {peer.node} was removed from this fleet, or joined again with another key.",
                remedy=f"Let it join again: seawall token join --name {peer.node}.",
            )
        return found

    async def _reread(self) -> None:
        """Read the registry for somebody who is not in it, as soon as it may be read again.

        Who joined a moment ago at another control process must not be told to have been removed:
        it would rest for long. The certificate is of this fleet, so it may wait here.
        """
        came_s = self._clock.monotonic_s()
        while self._read_at_s <= came_s:
            due_s = self._read_at_s + limits.FOLLOWER_REFRESH_S - self._clock.monotonic_s()
            if due_s > 0:
                await self._clock.sleep(due_s)
            await self.refresh(older_than_s=limits.FOLLOWER_REFRESH_S)

    async def refresh(self, *, older_than_s: float = 0.0) -> None:
        """Read the registry, unless that was done within `older_than_s` seconds.

        Raises:
            UnreachableError: the store does not answer.
        """
        async with self._reading:
            if self._clock.monotonic_s() - self._read_at_s < older_than_s:
                return
            began_s = self._clock.monotonic_s()
            nodes = await asyncio.to_thread(self._registry.nodes)
            self._read_at_s = began_s
            self._nodes = {NodeName(node.name): node for node in nodes}

    async def run(self) -> None:
        """Keep up with the registry until cancelled."""
        while True:
            with suppress(SeawallError):
                await self.refresh()
            await self._clock.sleep(_REFRESH_S)
