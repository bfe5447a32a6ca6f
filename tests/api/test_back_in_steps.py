"""Going back to a release that was never good takes its steps, and shuts nobody out meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from api.world import ANN, World, last, live, measuring, sources, until, world
from seawall.api.hand_requests import DeedRequest, KillRequest
from seawall.api.progress import Flow
from seawall.api.views import Applied, Refused
from seawall.clock import SystemClock

_SLOW = "rollout: {steps: [{share: 10%, soak: 10m, deadline: 10m}]}\n"
Following = asyncio.Future[Applied | Refused]


def _run(tmp_path: Path, story: Callable[[World, Following], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with (
            world(tmp_path / "data", trials=True) as here,
            measuring(here, here.node, requests=50.0),
        ):
            await here.applied(here.text())
            slow = sources(here.text(timeout="2s", extra=_SLOW))
            first = asyncio.ensure_future(last(here.service.apply(slow, caller=ANN)))
            await until(lambda: here.step == 1, "the canary")
            await here.service.hands.abort(DeedRequest(), ANN)
            assert isinstance(await first, Refused)
            back = asyncio.ensure_future(here.rollback("r2"))
            await until(lambda: here.step == 1, "the canary of what is gone back to")
            await story(here, back)

    asyncio.run(tell())


def test_a_kill_switch_takes_its_place(tmp_path: Path) -> None:
    async def story(here: World, back: Following) -> None:
        killed = await last(await here.service.hands.kill(KillRequest("compression"), ANN))
        assert isinstance(killed, Applied), killed
        ended = await back
        assert isinstance(ended, Refused)
        assert ended.code == "superseded"

    _run(tmp_path, story)


def test_another_rollback_withdraws_it(tmp_path: Path) -> None:
    async def story(here: World, back: Following) -> None:
        other = await here.rollback()
        assert isinstance(other, Applied), other
        assert other.withdrawn == "r2"
        ended = await back
        assert isinstance(ended, Refused)
        assert ended.code == "aborted"

    _run(tmp_path, story)


def test_whoever_has_ended_makes_no_room_beside_another_of_the_same_words(tmp_path: Path) -> None:
    async def tell(here: World) -> None:
        releaser = here.control.releaser
        on_its_way, in_the_gate = asyncio.Event(), asyncio.Event()

        def begin(until_set: asyncio.Event) -> Flow:
            return releaser._begin(Flow(SystemClock()), "ann applies a feed", work(until_set))

        async def work(until_set: asyncio.Event) -> None:
            await until_set.wait()

        releaser._prepared(begin(on_its_way))
        second = begin(in_the_gate)
        on_its_way.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert releaser.busy == "ann applies a feed"
        assert (await here.service.hands.rollouts_now()).gate == "ann applies a feed"
        assert (await here.service.hands.switches()).coming == "ann applies a feed"
        in_the_gate.set()
        await until(lambda: not releaser.busy, "the second has ended")
        assert second.outcome is None

    live(tmp_path, tell, with_node=False)
