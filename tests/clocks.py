"""Clocks that a test sets."""

from seawall.clock import SystemClock


class HandClock:
    """Stands still until the test turns it; whoever sleeps turns it too."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.time_s = now_s

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s

    async def sleep(self, duration_s: float) -> None:
        self.time_s += duration_s


class AheadClock(SystemClock):
    """The machine's clock, ahead by what the test says."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s
