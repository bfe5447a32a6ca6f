"""A clock that tests move by hand; its sleep gives others their turn and goes on."""

import asyncio


class HandClock:
    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(0.001 if duration_s else 0)
