"""Collectors that measure nothing, for tests that are about something else."""

from typing import Any

from seawall.ids import Generation, ReleaseId
from seawall.node.report import Collector
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window


class NoCollector:
    """See `seawall.node.report.Collector`."""

    async def run(self) -> None:
        pass

    def serving(self, release: ReleaseId, generation: Generation) -> None:
        pass

    def hurry(self, *, on: bool) -> None:
        pass

    def windows(self) -> tuple[Window, ...]:
        return ()

    def accepted(self, windows: tuple[Window, ...]) -> None:
        pass

    def notices(self) -> tuple[str, ...]:
        return ()

    def bots(self) -> BotSample | None:
        return None


def no_collector(*_: Any) -> Collector:
    """A `CollectorMaker`."""
    return NoCollector()
