"""Waiting for an event no longer than it is worth; work that a defect does not end."""

import asyncio

import pytest

from clocks import HandClock
from seawall.limits import STANDING_WORK_PAUSE_S
from seawall.tasks import Background, set_within


@pytest.mark.parametrize("patience_s", [0.0, 30.0, None])
def test_what_is_set_is_not_waited_for(patience_s: float | None) -> None:
    async def story() -> bool:
        event = asyncio.Event()
        event.set()
        return await set_within(event, patience_s)

    assert asyncio.run(story())


def test_what_is_set_meanwhile_is_told() -> None:
    async def story() -> bool:
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        return await set_within(event, None)

    assert asyncio.run(story())


@pytest.mark.parametrize("patience_s", [0.0, -1.0, 0.001])
def test_what_is_not_set_in_time_is_no_error(patience_s: float) -> None:
    async def story() -> bool:
        return await set_within(asyncio.Event(), patience_s)

    assert not asyncio.run(story())


def test_work_that_never_ends_begins_anew_after_an_error() -> None:
    clock, told = HandClock(), list[tuple[str, str, float]]()
    begun_s = clock.time_s

    def tell(name: str, error: BaseException) -> None:
        told.append((name, str(error), clock.time_s - begun_s))

    async def story() -> None:
        well = asyncio.Event()

        async def work() -> None:
            if len(told) < 2:
                raise ValueError("a defect")
            well.set()
            await asyncio.Event().wait()

        async with asyncio.timeout(10), Background(tell) as background:
            background.keep(work, clock, name="watch")
            await well.wait()

    asyncio.run(story())
    assert told == [("watch", "a defect", 0.0), ("watch", "a defect", STANDING_WORK_PAUSE_S)]
