"""What a person decided about files on disk stands; what only happened is tried again."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from api.test_watched import Pair, run, served_chain
from api.world import ANN, World, last, measuring, sources, until, world
from clocks import HandClock
from seawall import limits
from seawall.api.hand_requests import DeedRequest, KillRequest
from seawall.api.views import Applied, Refused
from seawall.api.watched import FileWatch
from seawall.rollout.draft import Draft
from seawall.rollout.orders import NOBODY
from seawall.rollout.state import Findings, Fleet, Plan, Stage

_SLOW = "rollout: {steps: [{share: 10%, soak: 10m, deadline: 10m}]}\n"
_LATER_S = 2 * limits.FILES_RETRY_S_MAX


def _watch(here: World, clock: HandClock) -> FileWatch:
    releaser, workshop = here.control.releaser, here.control.workshop
    return FileWatch(releaser, workshop, clock, log=lambda _event, _text: None)


def _in_steps(tmp_path: Path, story: Callable[[World, Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        async with (
            world(tmp_path / "data", trials=True) as here,
            measuring(here, here.node, requests=50.0),
        ):
            pair = Pair(tmp_path)
            site = pair.site(here.port)
            await here.applied(sources(site.files[0].content.decode() + _SLOW, site.root))
            await story(here, pair)

    asyncio.run(main())


def fails_while_it_bakes(fleet: Fleet, now_s: float) -> Plan:
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    assert fleet.running is not None
    draft.withdraw(fleet.running, Stage.ROLLED_BACK, "while baking: an origin failed")
    return draft.plan()


def test_files_whose_release_a_person_aborted_stay_until_they_change_again(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        clock = HandClock()
        watch = _watch(here, clock)
        assert await watch.poll() is None
        serves = served_chain(here)
        pair.renew()
        polled = asyncio.ensure_future(watch.poll())
        await until(lambda: here.step == 1, "the canary")
        await here.service.hands.abort(DeedRequest(), ANN)
        flow = await polled
        assert flow is not None
        assert isinstance(flow.outcome, Refused)
        for each in (watch, _watch(here, clock)):  # the second as after a restart
            for _ in range(3):
                assert await asyncio.wait_for(each.poll(), 5) is None
                clock.time_s += _LATER_S
        notice = watch.notice()
        assert notice is not None
        assert "aborted by ann" in notice.text
        assert "seawall apply" in notice.remedy
        killed = await last(await here.service.hands.kill(KillRequest("compression"), ANN))
        assert isinstance(killed, Applied), killed
        assert await asyncio.wait_for(watch.poll(), 5) is None, "another release changes nothing"
        assert served_chain(here) == serves
        pair.renew()
        polled = asyncio.ensure_future(watch.poll())
        await until(lambda: here.step == 1, "what changed again is tried")
        await here.service.hands.abort(DeedRequest(), ANN)
        await polled

    _in_steps(tmp_path, story)


def test_files_whose_release_was_paused_and_then_aborted_stay(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        clock = HandClock()
        watch = _watch(here, clock)
        assert await watch.poll() is None
        pair.renew()
        polled = asyncio.ensure_future(watch.poll())
        await until(lambda: here.step == 1, "the canary")
        await here.service.hands.pause(DeedRequest(), ANN)
        await polled
        await here.service.hands.abort(DeedRequest(), ANN)
        for _ in range(3):
            assert await asyncio.wait_for(watch.poll(), 5) is None
            clock.time_s += _LATER_S

    _in_steps(tmp_path, story)


def test_a_rollback_of_a_renewal_stays_also_after_another_release(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        watch, serves = here.control.watch, served_chain(here)
        pair.renew()
        assert await watch.poll() is not None
        assert await watch.poll() is None
        await here.rollback()
        assert await watch.poll() is None
        killed = await last(await here.service.hands.kill(KillRequest("compression"), ANN))
        assert isinstance(killed, Applied), killed
        for _ in range(3):
            assert await watch.poll() is None
        assert served_chain(here) == serves
        newest = pair.renew()
        assert await watch.poll() is not None
        assert served_chain(here) == newest

    run(tmp_path, story)


def test_a_renewal_that_was_withdrawn_while_it_baked_is_tried_again(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        clock = HandClock()
        watch = _watch(here, clock)
        serves = served_chain(here)
        here.node.bakes = False
        assert await watch.poll() is None
        renewed = pair.renew()
        pauses = []
        for _ in range(3):
            assert await watch.poll() is not None
            assert await watch.poll() is None
            assert served_chain(here) == renewed
            await here.control.executor.order(fails_while_it_bakes)
            await until(lambda: served_chain(here) == serves, "the way back")
            assert await watch.poll() is None
            notice = watch.notice()
            assert notice is not None
            assert "shop.pem" in notice.text
            assert "was withdrawn while it baked" in notice.text
            pauses.append(notice.remedy.split(";")[0])
            assert await watch.poll() is None
            clock.time_s += limits.FILES_RETRY_S_MIN * 2 ** len(pauses)
        assert pauses == [f"Seawall retries in {minutes} min" for minutes in (10, 20, 40)]

    run(tmp_path, story)


def test_a_copy_that_was_left_behind_is_not_tried_either(tmp_path: Path) -> None:
    """On the machine that takes over after a renewal was withdrawn on the other one."""

    async def story(here: World, pair: Pair) -> None:
        clock = HandClock()
        watch, other = _watch(here, clock), _watch(here, clock)
        here.node.bakes, other.one_of_several = False, True
        serves = served_chain(here)
        assert await watch.poll() is None
        pair.renew()
        assert await watch.poll() is not None
        await here.control.executor.order(fails_while_it_bakes)
        await until(lambda: served_chain(here) == serves, "the way back")
        pair.renew()
        for file in (pair.chain, pair.key):
            os.utime(file, (1e9, 1e9))
        for _ in range(3):
            assert await other.poll() is None
            clock.time_s += _LATER_S

    run(tmp_path, story)
