"""A kill switch whose time is over while releases are frozen: it waits, and makes no noise."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from api.test_hands import TurnedClock
from api.world import ANN, World, last, until, world
from seawall import limits
from seawall.api.hand_requests import DeedRequest, KillRequest
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.releaser import Releaser
from seawall.api.views import Applied
from seawall.api.work import Facts
from seawall.clock import SystemClock
from seawall.ids import SiteName
from seawall.model import Feature, Switch
from seawall.release.rows import require_text

_LOOKS = 5


class _CountedClock(TurnedClock):
    """Counts how often somebody waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    async def sleep(self, duration_s: float) -> None:
        await super().sleep(duration_s)
        self.waits += duration_s == limits.SWITCH_RETRY_S


async def _switched_off(here: World) -> list[str]:
    """What was written down about switches that are over."""
    entries = (await here.service.audit(limit=200)).entries
    return [entry.subject for entry in entries if entry.what == "switch-over"]


def test_it_ends_once_the_freeze_is_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> None:
        clock = _CountedClock()
        async with world(tmp_path / "data", clock=clock) as here:
            await here.applied(here.text())
            request = KillRequest("compression", ttl_s=60.0)
            assert isinstance(await last(await here.service.hands.kill(request, ANN)), Applied)
            await here.service.hands.freeze(DeedRequest(reason="a weekend"), ANN)
            clock.ahead_s += 120
            board, asked = here.control.switchboard, list[str]()
            apply = Releaser.apply

            def counted(releaser: Releaser, order: object) -> object:
                asked.append("apply")
                return apply(releaser, order)  # type: ignore[arg-type]  # - passed on

            monkeypatch.setattr(Releaser, "apply", counted)
            running = asyncio.ensure_future(board.run())
            try:
                await until(lambda: board.notice() is not None, "it is told")
                notice = board.notice()
                assert notice is not None
                assert "frozen" in notice.text
                await until(lambda: clock.waits >= _LOOKS, "it was looked at again and again")
                assert asked == [], "the whole gate was asked again and again"
                assert await _switched_off(here) == []
                await here.service.hands.unfreeze(DeedRequest(), ANN)
                await until(lambda: here.node.history[-1] == "r3", "it has ended")
                assert await _switched_off(here) == ["compression everywhere"]
            finally:
                running.cancel()
                await asyncio.wait((running,))

    asyncio.run(tell())


def test_as_many_as_there_may_be_end_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a time in which control was away."""
    off = tuple(
        Switch(Feature.RETRIES, SiteName(f"{number:02}".ljust(63, "s")), 1.0, "", "ann")
        for number in range(limits.SWITCHES_MAX)
    )

    async def tell() -> None:
        asked = list[Order]()
        async with world(tmp_path / "data") as here:
            await here.applied(here.text())
            facts = await here.control.releaser.current_facts()
            assert facts is not None

            async def with_all(_: Releaser) -> Facts:
                return replace(facts, switches=off)

            def taken(_: Releaser, order: Order) -> Flow:
                asked.append(order)
                return Flow(SystemClock())

            monkeypatch.setattr(Releaser, "current_facts", with_all)
            monkeypatch.setattr(Releaser, "apply", taken)
            assert await here.control.switchboard.end_overdue() is not None
        (order,) = asked
        require_text(order.message, "message", limits.RELEASE_MESSAGE_LENGTH_CHARS_MAX)
        assert off[0].words in order.message
        assert order.message.endswith(" and 59 more")

    asyncio.run(tell())
