"""Used challenges: each grants one clearance, however many answers arrive at the same moment.

One lock in one process makes it atomic. The set is bounded and forgets a nonce when its challenge
is too old to be answered. When it is full nothing more is granted: remembering less would let
answers be used twice.
"""

import heapq
import threading
from enum import StrEnum

from seawall.limits import CHALLENGE_SPENT_ENTRIES_MAX


class Spending(StrEnum):
    """What became of a nonce."""

    FIRST = "first"
    AGAIN = "again"
    FULL = "full"


class SpentSet:
    """Nonces of used challenges until they expire; safe from any thread."""

    def __init__(self, capacity: int = CHALLENGE_SPENT_ENTRIES_MAX) -> None:
        self._capacity = capacity
        self._nonces: set[str] = set()
        self._ends: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def spend(self, nonce: str, *, expires_s: float, now_s: float) -> Spending:
        """Use `nonce` up; `FIRST` for exactly one caller until `expires_s`."""
        with self._lock:
            while self._ends and self._ends[0][0] < now_s:
                self._nonces.discard(heapq.heappop(self._ends)[1])
            if nonce in self._nonces:
                return Spending.AGAIN
            if len(self._nonces) >= self._capacity:
                return Spending.FULL
            heapq.heappush(self._ends, (expires_s, nonce))
            self._nonces.add(nonce)
            return Spending.FIRST

    def __len__(self) -> int:
        return len(self._nonces)
