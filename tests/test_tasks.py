"""Waiting for an event no longer than it is worth."""

import asyncio

import pytest

from seawall.tasks import set_within


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
