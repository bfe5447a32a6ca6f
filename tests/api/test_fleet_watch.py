"""A fleet that is unwell as a whole freezes releases by itself, and lifts only its own freeze."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from api.test_hands import TurnedClock
from judge.windows import window
from seawall import limits
from seawall.api.fleet_watch import FleetWatch
from seawall.api.rollout_views import FreezeView, RolloutsView
from seawall.rollout.behind import BRAKE

if TYPE_CHECKING:
    from seawall.api.rollouts import Rollouts


@dataclass
class Frozen:
    """What the watch asks of rollouts."""

    by: str = ""
    told: list[str] = field(default_factory=list)

    async def status(self) -> RolloutsView:
        frozen = FreezeView(self.by, "", 0.0) if self.by else None
        return RolloutsView("r1", frozen, None, ())

    async def freeze(self, actor: str, reason: str) -> RolloutsView:
        self.by = actor
        self.told.append(f"freeze by {actor}: {reason}")
        return await self.status()

    async def unfreeze(self, actor: str) -> RolloutsView:
        self.by = ""
        self.told.append(f"unfreeze by {actor}")
        return await self.status()


def _watched(frozen: Frozen) -> FleetWatch:
    return FleetWatch(cast("Rollouts", frozen), TurnedClock(), log=lambda _event, _text: None)


async def _looks(watch: FleetWatch, count: int, *, errors: int) -> None:
    for _ in range(count):
        watch.heard([window("stable", 0.0, 1000, errors)])
        await watch.look()


def test_a_surge_of_errors_freezes_and_calm_lifts_it_again() -> None:
    async def scenario() -> None:
        frozen = Frozen()
        watch = _watched(frozen)
        await _looks(watch, limits.ANOMALY_PAST_LOOKS_MIN + 4, errors=1)
        assert not frozen.told
        await _looks(watch, limits.ANOMALY_DOWN_COUNT, errors=400)
        assert frozen.by == BRAKE
        assert "requests of the whole fleet failed" in frozen.told[0]
        await _looks(watch, 5, errors=400)
        assert len(frozen.told) == 1
        await _looks(watch, limits.ANOMALY_UP_COUNT, errors=1)
        assert frozen.by == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("person", ["ann", "seawall"])
def test_a_freeze_of_a_person_is_never_lifted(person: str) -> None:
    """`seawall` is whoever works as the user that Seawall has on a server."""

    async def scenario() -> None:
        frozen = Frozen(by=person)
        watch = _watched(frozen)
        await _looks(watch, limits.ANOMALY_PAST_LOOKS_MIN + 4, errors=1)
        await _looks(watch, limits.ANOMALY_DOWN_COUNT, errors=400)
        await _looks(watch, limits.ANOMALY_UP_COUNT, errors=1)
        assert frozen.by == person
        assert not frozen.told

    asyncio.run(scenario())


def test_a_person_who_lifts_it_is_not_contradicted() -> None:
    async def scenario() -> None:
        frozen = Frozen()
        watch = _watched(frozen)
        await _looks(watch, limits.ANOMALY_PAST_LOOKS_MIN + 4, errors=1)
        await _looks(watch, limits.ANOMALY_DOWN_COUNT, errors=400)
        frozen.by = ""
        await _looks(watch, 5, errors=400)
        assert frozen.by == ""

    asyncio.run(scenario())


def test_silence_is_no_reason_to_freeze() -> None:
    async def scenario() -> None:
        frozen = Frozen()
        watch = _watched(frozen)
        for _ in range(50):
            await watch.look()
        assert not frozen.told

    asyncio.run(scenario())
