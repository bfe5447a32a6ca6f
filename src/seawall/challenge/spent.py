"""Used challenges: each grants one clearance, however many answers arrive at the same moment.

One lock in one process makes it atomic. The set is bounded and forgets a nonce when its challenge
is too old to be answered. When it is full nothing more is granted: remembering less would let
answers be used twice. So each network has a share, and none can fill it for all.
"""

import heapq
import threading
from enum import StrEnum

from seawall.limits import CHALLENGE_SPENT_ENTRIES_MAX, CHALLENGE_SPENT_PER_PREFIX_MAX


class Spending(StrEnum):
    """What became of a nonce."""

    FIRST = "first"
    AGAIN = "again"
    FULL = "full"


class SpentSet:
    """Nonces of used challenges until they expire; safe from any thread.

    Args:
        capacity: nonces of all networks.
        each: nonces of one network.
    """

    def __init__(
        self,
        capacity: int = CHALLENGE_SPENT_ENTRIES_MAX,
        *,
        each: int = CHALLENGE_SPENT_PER_PREFIX_MAX,
    ) -> None:
        self._capacity = capacity
        self._each = each
        self._nonces: set[str] = set()
        self._ends: list[tuple[float, str, str]] = []
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    def spend(self, nonce: str, prefix: str, *, expires_s: float, now_s: float) -> Spending:
        """Use up `nonce` for network `prefix`; `FIRST` for exactly one caller until `expires_s`.

        `FULL` when no more can be remembered, of this network or at all.
        """
        with self._lock:
            while self._ends and self._ends[0][0] < now_s:
                self._forget(*heapq.heappop(self._ends)[1:])
            if nonce in self._nonces:
                return Spending.AGAIN
            held = self._held.get(prefix, 0)
            if held >= self._each or len(self._nonces) >= self._capacity:
                return Spending.FULL
            heapq.heappush(self._ends, (expires_s, nonce, prefix))
            self._nonces.add(nonce)
            self._held[prefix] = held + 1
            return Spending.FIRST

    def _forget(self, nonce: str, prefix: str) -> None:
        self._nonces.discard(nonce)
        left = self._held.pop(prefix) - 1
        if left:
            self._held[prefix] = left

    def __len__(self) -> int:
        return len(self._nonces)
