"""A push by break-glass that could not begin takes nobody's place."""

import asyncio
from pathlib import Path

import pytest

from api.test_waiting_feeds import ONE, OTHER, _end, _in_the_gate, _listed, _released, _waiting
from api.world import until
from seawall import limits
from seawall.errors import ConflictError


def test_what_waits_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SWITCH_TURN_WAIT_S", 0.2)

    async def story() -> None:
        async with _listed(tmp_path) as at:
            applying, go_on = await _in_the_gate(at, monkeypatch)
            waiting = asyncio.ensure_future(_end(at, "bad", ONE))
            desk = at.service.hands.desk
            await until(desk.waiting, "it waits")
            with pytest.raises(ConflictError, match="Another release is on its way"):
                await _end(at, "bad", OTHER, break_glass=True)
            assert list(await _waiting(at)) == ["bad"]
            go_on.set()
            await applying
            await waiting
            await _released(at, "bad", ONE)

    asyncio.run(story())
