"""The watcher of a trial, with everything it looks at made up."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seawall.clock import SystemClock
from seawall.ids import Digest, Generation, ReleaseId
from seawall.node import moves, watcher
from seawall.node.state import Served
from seawall.node.steering import Arm
from seawall.node.watcher import Watcher
from seawall.rollout.ports import Probes

SERVED = Served(ReleaseId("r2"), Digest("2" * 64), Generation(2))


class Trials:
    """A candidate that is well."""

    baseline = False
    died = asyncio.Event()
    ending = ""

    def __init__(self) -> None:
        self._candidate = SimpleNamespace(slot=SimpleNamespace(directory=Path("candidate")))

    def keeper(self, arm: Arm) -> Any:
        return self._candidate if arm is Arm.CANDIDATE else None

    async def answers(self, _: Arm) -> bool:
        return True

    def usage(self, _: Arm) -> None:
        return None


class Instruments:
    async def measure(self, _: object) -> None:
        await asyncio.Event().wait()

    def step(self, *_: object) -> None:
        pass


class Prober:
    """Every question is answered well, at once."""

    complete = True

    async def warm(self, *_: Path) -> None:
        pass

    async def round(self, count: int) -> Probes:
        return Probes(asked=count)

    def step(self) -> None:
        pass


def test_a_step_that_begins_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "TRIAL_WATCH_INTERVAL_S", 3_600.0)

    async def story() -> list[Generation]:
        told: asyncio.Queue[moves.Event] = asyncio.Queue()
        made = Watcher(
            cast("Any", Trials()),
            cast("Any", Instruments()),
            cast("Any", Prober()),
            SystemClock(),
            told.put_nowait,
        )
        found: list[Generation] = []
        made.step(moves.Watch(SERVED, Generation(2), 0))
        running = asyncio.ensure_future(made.run())
        for generation in (3, 4):
            async with asyncio.timeout(30):
                event = await told.get()
            assert isinstance(event, moves.Probed)
            found.append(event.generation)
            made.step(moves.Watch(SERVED, Generation(generation), 10))
        running.cancel()
        await asyncio.wait((running,))
        return found

    assert asyncio.run(story()) == [2, 3]
