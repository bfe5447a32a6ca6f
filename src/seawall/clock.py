"""Time as a dependency: whoever needs the time takes a `Clock`, so that tests own it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The two clocks a program needs, and a way to wait."""

    def now_s(self) -> float:
        """Wall-clock seconds since the Unix epoch: for records people read; may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back: for deadlines and durations; no meaning across boots."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait `duration_s` seconds of monotonic time."""
        ...


def offset_s(clock: Clock) -> float:
    """Wall-clock seconds when `monotonic_s` was 0: it changes when somebody sets the clock."""
    return clock.now_s() - clock.monotonic_s()


class SystemClock:
    """The machine's own clock."""

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return time.time()

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return time.monotonic()

    async def sleep(self, duration_s: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(duration_s)
