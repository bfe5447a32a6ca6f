"""Pushes into feeds that come while something else is on its way: none of them is lost."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.world import ANN, World, course, last, measuring, until, world
from seawall.api.hand_requests import DeedRequest, FeedRequest, KillRequest
from seawall.api.hand_views import WAITING
from seawall.api.views import Applied, ApplyEvent, Progress, Refused
from seawall.errors import NotFoundError
from seawall.ids import Digest

LISTED = """
    deny: [bad, worse]
lists:
  bad: {}
  worse: {}
"""
ONE, OTHER, THIRD = "192.0.2.0/24\n", "198.51.100.0/24\n", "203.0.113.0/24\n"


@asynccontextmanager
async def _listed(tmp_path: Path) -> AsyncIterator[World]:
    """An idle edge with two lists, whose node tries releases."""
    async with world(tmp_path / "data", trials=True) as at, measuring(at, at.node):
        await at.applied(at.text(extra=LISTED))
        yield at


async def _paused(at: World) -> None:
    """A release of a person that is on its way and stands still."""
    await _stopped(at, at.apply(at.text(timeout="16s", extra=LISTED)))


def _runs_after(at: World, before: str) -> bool:
    """Whether another release is on its way: the one before may bake still."""
    running = course(at).fleet.running
    return running is not None and running.release != before


async def _stopped(at: World, release: Coroutine[Any, Any, Applied | Refused]) -> None:
    """Let it begin, and pause it there: the node cannot try it before."""
    control, paused = at.node._control, asyncio.Event()
    bundle, before = control.bundle, at.current

    async def later(digest: Digest) -> bytes:
        await paused.wait()
        return await bundle(digest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "bundle", later)
        applying = asyncio.ensure_future(release)
        await until(lambda: _runs_after(at, before), "the release is on its way")
        await course(at).pause("ann")
        paused.set()
        told = await applying
    assert isinstance(told, Refused), told
    assert told.code == "paused"


async def _in_the_gate(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> tuple["asyncio.Future[Applied | Refused]", asyncio.Event]:
    """A release of a person that stays in the gate until the event is set."""
    go_on, prepare = asyncio.Event(), at.control.workshop.prepare

    async def slowly(*given: Any, **options: Any) -> Any:
        await go_on.wait()
        return await prepare(*given, **options)

    monkeypatch.setattr(at.control.workshop, "prepare", slowly)
    applying = asyncio.ensure_future(at.apply(at.text(timeout="17s", extra=LISTED)))
    await until(lambda: at.control.watch._releaser.busy, "a release is in the gate")
    return applying, go_on


async def _push(at: World, name: str, text: str, **options: Any) -> AsyncIterator[ApplyEvent]:
    return await at.service.hands.push_feed(name, FeedRequest(text=text, **options), ANN)


async def _end(at: World, name: str, text: str, **options: Any) -> Applied | Refused:
    return await last(await _push(at, name, text, **options))


async def _waiting(at: World) -> dict[str, str]:
    return {one.name: one.why for one in (await at.service.hands.feeds()).waiting}


async def _held(at: World, name: str) -> str | None:
    return (await at.service.hands.feed(name)).text


async def _released(at: World, name: str, text: str) -> None:
    """Wait until the list holds this, nothing waits, and the next release may begin."""
    async with asyncio.timeout(20):
        while await _held(at, name) != text or await _waiting(at) or at.control.releaser.busy:
            await course(at).changed(0.1)


async def _notices(at: World) -> dict[str, str]:
    return {notice.code: notice.text for notice in (await at.service.status()).notices}


async def _kept(at: World) -> list[str]:
    return [one.name for one in await asyncio.to_thread(at.service.store.waiting.all)]


def test_a_push_while_another_release_is_on_its_way_is_made_on_what_that_one_leaves(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await _paused(at)
            told = await _end(at, "bad", ONE)
            assert isinstance(told, Refused), told
            assert told.code == WAITING
            assert "ann is rolling out r2" in told.message
            assert await _waiting(at) == {"bad": "ann is rolling out r2."}
            assert "ann is rolling out r2" in (await _notices(at))["feed-waits"]
            await course(at).resume("ann")
            await _released(at, "bad", ONE)
            assert at.current == "r3"
            current = await at.service.show("r3")
            assert "timeout: 16s" in current.sources[0].content, (
                "the release before it is not undone"
            )
            assert "feed-waits" not in await _notices(at)
            assert await _kept(at) == []

    asyncio.run(story())


def test_a_push_waits_for_a_release_in_the_gate_however_long_and_its_client_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            applying, go_on = await _in_the_gate(at, monkeypatch)
            events = []
            async for event in await _push(at, "bad", ONE):
                events.append(event)
                if isinstance(event, Progress) and event.text == "waits: ann applies a site file.":
                    go_on.set()
            assert go_on.is_set(), events
            assert isinstance(events[-1], Applied), events[-1]
            assert isinstance(await applying, Applied)
            assert await _held(at, "bad") == ONE
            assert not [e for e in events if isinstance(e, Progress) and e.state == "failed"]

    asyncio.run(story())


def test_of_one_feed_the_newest_push_waits_and_the_older_one_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await at.service.hands.freeze(DeedRequest(reason="the network team works"), ANN)
            first = await _end(at, "bad", ONE)
            assert isinstance(first, Refused)
            assert first.code == WAITING
            assert isinstance(await _end(at, "bad", OTHER), Refused)
            assert isinstance(await _end(at, "worse", THIRD), Refused)
            why = "Releases are frozen by ann: the network team works."
            assert await _waiting(at) == {"bad": why, "worse": why}
            assert "bad, worse is waiting" in (await _notices(at))["feed-waits"]
            await at.service.hands.unfreeze(DeedRequest(), ANN)
            await _released(at, "worse", THIRD)
            assert await _held(at, "bad") == OTHER
            releases = (await at.service.releases(limit=9)).releases
            assert [one.kind for one in releases] == ["feed", "feed", "site"]

    asyncio.run(story())


def test_whoever_waits_with_an_older_push_hears_that_a_newer_one_took_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            applying, go_on = await _in_the_gate(at, monkeypatch)
            older = asyncio.ensure_future(_end(at, "bad", ONE))
            await until(at.service.hands.desk.waiting, "the older push waits")
            newer = asyncio.ensure_future(_end(at, "bad", OTHER))
            told = await older
            assert isinstance(told, Refused)
            assert told.code == "superseded"
            assert "ann pushed newer content" in told.message
            go_on.set()
            assert isinstance(await newer, Applied)
            assert isinstance(await applying, Applied)
            assert await _held(at, "bad") == OTHER

    asyncio.run(story())


def test_a_push_that_had_to_give_way_is_made_anew_on_what_came_instead(tmp_path: Path) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await _stopped(at, _end(at, "bad", ONE))
            assert isinstance(await at.apply(at.text(timeout="18s", extra=LISTED)), Applied)
            await _released(at, "bad", ONE)
            assert at.current == "r4", "r2 gave way to r3"
            assert "timeout: 18s" in (await at.service.show("r4")).sources[0].content

    asyncio.run(story())


def test_a_kill_that_is_in_the_gate_while_something_goes_live_is_made_anew_on_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await _paused(at)
            passed, go_on, prepare = asyncio.Event(), asyncio.Event(), at.control.workshop.prepare

            async def slowly(*given: Any, **options: Any) -> Any:
                found = await prepare(*given, **options)
                passed.set()
                await go_on.wait()
                return found

            monkeypatch.setattr(at.control.workshop, "prepare", slowly)
            kill = await at.service.hands.kill(KillRequest("compression", reason="a storm"), ANN)
            killing = asyncio.ensure_future(_events(kill))
            async with asyncio.timeout(20):
                await passed.wait()
                await course(at).resume("ann")
                await until(lambda: at.current == "r2", "the release before it serves")
                go_on.set()
                events = await killing
            assert isinstance(events[-1], Applied), events[-1]
            texts = [event.text for event in events if isinstance(event, Progress)]
            assert [
                text for text in texts if text.startswith("starts over: r3 was made on top of r1")
            ]
            (switch,) = (await at.service.hands.switches()).switches
            assert switch.feature == "compression"
            current = await at.service.show(at.current)
            assert "timeout: 16s" in current.sources[0].content, "what went live is not undone"

    asyncio.run(story())


async def _events(told: AsyncIterator[ApplyEvent]) -> list[ApplyEvent]:
    return [event async for event in told]


def test_what_waits_outlives_control(tmp_path: Path) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await at.service.hands.freeze(DeedRequest(reason="a night"), ANN)
            assert isinstance(await _end(at, "bad", ONE), Refused)
        async with world(tmp_path / "data", trials=True) as at, measuring(at, at.node):
            await at.service.hands.desk.take_up()
            await until(at.service.hands.desk.waiting, "it waits again")
            await at.service.hands.unfreeze(DeedRequest(), ANN)
            await _released(at, "bad", ONE)
            assert await _kept(at) == []

    asyncio.run(story())


def test_a_push_in_the_gate_is_not_lost_when_control_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            begun = asyncio.Event()

            async def for_ever(*_: Any, **__: Any) -> Any:
                begun.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(at.control.workshop, "prepare", for_ever)
            pushing = asyncio.ensure_future(_end(at, "bad", ONE))
            await begun.wait()
        told = await pushing
        assert isinstance(told, Refused)
        assert told.code == WAITING
        assert "the control process is stopping" in told.message
        async with world(tmp_path / "data", trials=True) as at, measuring(at, at.node):
            await at.service.hands.desk.take_up()
            await _released(at, "bad", ONE)

    asyncio.run(story())


def test_what_was_released_before_control_ended_is_not_released_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            assert isinstance(await _end(at, "bad", ONE), Applied)
            assert isinstance(await _end(at, "bad", OTHER), Applied)
            await at.service.hands.freeze(DeedRequest(reason="a night"), ANN)
            assert isinstance(await _end(at, "bad", OTHER), Refused)
        async with world(tmp_path / "data", trials=True) as at, measuring(at, at.node):
            before = at.current
            await at.service.hands.unfreeze(DeedRequest(), ANN)
            await at.service.hands.desk.take_up()
            async with asyncio.timeout(20):
                while await _kept(at):
                    await course(at).changed(0.1)
            assert at.current == before

    asyncio.run(story())


def test_what_waited_and_is_refused_says_why_until_something_else_is_pushed(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await _paused(at)
            assert isinstance(await _end(at, "bad", "0.0.0.0/0\n"), Refused)
            assert isinstance(await _end(at, "worse", ONE), Refused)
            await course(at).resume("ann")
            await _released(at, "worse", ONE)
            assert await _held(at, "bad") is None
            assert isinstance(await at.apply(at.text(timeout="19s", extra=LISTED)), Applied)
            told = (await _notices(at))["feed-refused"]
            assert "The push by ann into bad at " in told
            assert "wider than" in told
            deeds = [(e.what, e.subject) for e in (await at.service.audit(limit=50)).entries]
            assert ("feed-refused", "bad") in deeds
            assert await _kept(at) == []
            assert isinstance(await _end(at, "bad", OTHER), Applied)
            assert "feed-refused" not in await _notices(at)

    asyncio.run(story())


def test_a_list_that_is_gone_when_its_turn_comes_is_a_refusal(tmp_path: Path) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await _stopped(at, at.apply(at.text(extra="    deny: []\n")))
            assert isinstance(await _end(at, "bad", ONE), Refused)
            await course(at).resume("ann")
            async with asyncio.timeout(20):
                while "feed-refused" not in await _notices(at):
                    await course(at).changed(0.1)
            assert "has no list 'bad'" in (await _notices(at))["feed-refused"]
            with pytest.raises(NotFoundError):
                await _held(at, "bad")
            assert isinstance(await at.apply(at.text(timeout="18s")), Applied)
            assert "feed-refused" not in await _notices(at)

    asyncio.run(story())


def test_a_push_by_break_glass_goes_ahead_and_takes_the_place_of_what_waits(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await at.service.hands.freeze(DeedRequest(reason="a night"), ANN)
            assert isinstance(await _end(at, "bad", ONE), Refused)
            loud = await _end(at, "bad", OTHER, break_glass=True)
            assert isinstance(loud, Applied), loud
            assert await _waiting(at) == {}
            assert await _kept(at) == []
            assert await _held(at, "bad") == OTHER

    asyncio.run(story())


def test_a_kill_switch_goes_first_and_the_push_after_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with _listed(tmp_path) as at:
            await _stopped(at, _end(at, "bad", ONE))
            killed = await last(await at.service.hands.kill(KillRequest("compression"), ANN))
            assert isinstance(killed, Applied), killed
            await _released(at, "bad", ONE)
            switches = (await at.service.hands.switches()).switches
            assert [one.feature for one in switches] == ["compression"]

    asyncio.run(story())
