"""How control stays alive when everybody comes at once: bounds, and when to come again.

Nothing here waits: who is over a bound is told so and comes again a little later, each after
another time. Bundles that many nodes fetch are read from the store once.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from seawall import limits
from seawall.errors import UnreachableError
from seawall.ids import Digest, NodeName

_BUCKETS_MAX: Final = 2 * limits.NODES_MAX


class BusyError(UnreachableError):
    """Come again after `retry_after_s` seconds."""

    def __init__(self, what: str, retry_after_s: int) -> None:
        super().__init__(
            "busy",
            f"Control {what} at the moment.",
            remedy=f"Try again in {retry_after_s} s; the edge serves on.",
        )
        self.retry_after_s = retry_after_s


class Gate:
    """At most so much of something at once, and of that each node a share.

    Without the share one node that takes all of it, slowly, would keep every other one away.

    Args:
        most: of all nodes together.
        each: of one of them.
        what: what control does too much of, after its name.
    """

    def __init__(self, most: int, what: str, rng: Random, *, each: int) -> None:
        self._most = most
        self._each = each
        self._what = what
        self._rng = rng
        self._held: Counter[NodeName] = Counter()

    @contextmanager
    def pass_(self, node: NodeName, amount: int = 1) -> Iterator[None]:
        """Hold `amount` for `node` until the block ends; what is alone always passes.

        Raises:
            BusyError: too much is held already, by this node or by all.
        """
        for held, most in ((self._held[node], self._each), (self._held.total(), self._most)):
            if held and held + amount > most:
                raise BusyError(self._what, self._rng.randint(1, limits.RETRY_AFTER_S_MAX))
        self._held[node] += amount
        try:
            yield
        finally:
            self._held[node] -= amount
            if not self._held[node]:
                del self._held[node]


class Rates:
    """A bucket of tokens for each node: bursts pass, floods do not."""

    def __init__(self, *, per_s: float, burst: int, what: str = "reports") -> None:
        self._per_s = per_s
        self._burst = burst
        self._what = what
        self._left: OrderedDict[NodeName, tuple[float, float]] = OrderedDict()

    def take(self, node: NodeName, now_s: float) -> None:
        """Count one.

        Raises:
            BusyError: this node sends too often.
        """
        left, at_s = self._left.get(node, (float(self._burst), now_s))
        left = min(float(self._burst), left + max(0.0, now_s - at_s) * self._per_s)
        self._left[node] = (max(0.0, left - 1), now_s)
        self._left.move_to_end(node)
        while len(self._left) > _BUCKETS_MAX:
            self._left.popitem(last=False)
        if left < 1:
            raise BusyError(f"takes {self._per_s:g} {self._what} a second from one node", 1)


class Bundles:
    """The newest bundles in memory, each read once however many ask."""

    def __init__(self, read: Callable[[Digest], Awaitable[bytes]]) -> None:
        self._read = read
        self._kept: OrderedDict[Digest, bytes] = OrderedDict()
        self._reading: dict[Digest, asyncio.Lock] = {}

    async def get(self, digest: Digest) -> bytes:
        """The bundle.

        Raises:
            SeawallError: what `read` raised.
        """
        if digest not in self._kept:
            lock = self._reading.setdefault(digest, asyncio.Lock())
            try:
                async with lock:
                    if digest not in self._kept:
                        self._keep(digest, await self._read(digest))
            finally:
                if not lock.locked():
                    self._reading.pop(digest, None)
        self._kept.move_to_end(digest)
        return self._kept[digest]

    def _keep(self, digest: Digest, bundle: bytes) -> None:
        self._kept[digest] = bundle
        while sum(map(len, self._kept.values())) > limits.BUNDLE_CACHE_SIZE_BYTES_MAX:
            self._kept.popitem(last=False)


def quiet_s(nodes: int) -> float:
    """How long a node with nothing new may be silent in a fleet of `nodes`."""
    wanted_s = nodes / limits.REPORT_QUIET_NODES_PER_S
    return min(max(limits.REPORT_QUIET_S_MIN, wanted_s), limits.NODE_SILENT_AFTER_S / 2)
