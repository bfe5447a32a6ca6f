"""Time and chance: a queue of things that will happen, and one seeded source of randomness."""

import heapq
from collections.abc import Callable
from random import Random  # noqa: TID251 - the one place of the simulator that is seeded

Deed = Callable[[], None]


class World:
    """See the module.

    Attributes:
        now_s: monotonic seconds of the whole world.
        chance: all randomness.
        wall_shift_s: how far control's wall clock is off; jumps when chaos says so.
    """

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - a simulation, not a secret
        self.now_s = 0.0
        self.wall_shift_s = 0.0
        self._queue: list[tuple[float, int, Deed]] = []
        self._number = 0

    @property
    def wall_s(self) -> float:
        """Unix seconds as control reads them."""
        return 1_700_000_000.0 + self.now_s + self.wall_shift_s

    def after(self, delay_s: float, deed: Deed) -> None:
        """Let `deed` happen `delay_s` from now."""
        self._number += 1
        heapq.heappush(self._queue, (self.now_s + delay_s, self._number, deed))

    def between(self, low_s: float, high_s: float) -> float:
        """A random span."""
        return self.chance.uniform(low_s, high_s)

    def perhaps(self, share: float) -> bool:
        """True with this probability."""
        return self.chance.random() < share

    def step(self) -> None:
        """Let the next thing happen."""
        self.now_s, _, deed = heapq.heappop(self._queue)
        deed()
