"""When a node may ask control again after it failed: spread out, growing, and never long.

A thousand nodes lose their connections at the same moment when control restarts. The first
attempt of each is at a random time in a short span; further ones come after pauses that double up
to a bound, each shortened by chance. Pure: time and chance are passed in.
"""

from random import Random  # noqa: TID251 - the type of what the caller seeded

from seawall import limits


class Pauses:
    """The pause of one connection."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._failures = 0
        self._until_s = float("-inf")

    def left_s(self, now_s: float) -> float:
        """How long to wait yet; 0 when an attempt may be made."""
        return max(0.0, self._until_s - now_s)

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0

    def failed(self, now_s: float) -> None:
        """No answer came."""
        if self._failures == 0:
            pause_s = self._rng.uniform(0, limits.RECONNECT_SPREAD_S)
        else:
            pause_s = min(limits.RECONNECT_PAUSE_S_MAX, 2.0 ** min(self._failures, 16))
            pause_s *= self._rng.uniform(0.5, 1.0)
        self._failures += 1
        self._until_s = now_s + pause_s

    def told(self, retry_after_s: float, now_s: float) -> None:
        """Control is busy and said when to come again; each node comes a little later than that."""
        bounded_s = min(max(0.0, retry_after_s), float(limits.RETRY_AFTER_S_MAX))
        self._until_s = now_s + bounded_s * self._rng.uniform(1.0, 1.5)

    def long(self, now_s: float) -> None:
        """Control answers, and refuses this node: no hurry."""
        self._until_s = now_s + limits.RECONNECT_PAUSE_S_MAX * self._rng.uniform(0.5, 1.0)
