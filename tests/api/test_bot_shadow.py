"""A shadow's way: pushed, compared, promoted in one release, rolled back, taken away."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.test_bot_model_feed import MEANT, id_of
from api.world import ANN, World, last, live, world
from release import made
from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.hand_requests import DeedRequest, FeedRequest, KillRequest, PromoteRequest
from seawall.api.ingredients import feeds_of, left_behind
from seawall.api.views import Applied, ApplyEvent, Refused
from seawall.bots.features import to_text
from seawall.compiler.names import ACCESS_FILE
from seawall.errors import ConflictError, NotFoundError
from seawall.ids import ListName
from seawall.site.sources import BOT_MODEL, BOT_SHADOW, Pushed
from step_models import step_content, step_vector

FIRST = step_content()
NEXT = step_content(1.0, name="next")
FAR = step_content(40.0, name="far")


async def push(at: World, name: ListName, content: bytes, *force: str) -> Applied | Refused:
    request = FeedRequest(base64=content, force=force)
    return await last(await at.service.hands.push_feed(name, request, ANN))


async def ids(at: World) -> tuple[str, str]:
    """Of the model and of the shadow; empty for none."""
    view = await at.service.hands.feeds()
    return (view.model.id if view.model else "", view.shadow.id if view.shadow else "")


async def promote(at: World, shadow: str = "", *force: str) -> Applied | Refused:
    request = PromoteRequest(shadow, force=force)
    return await last(await at.service.hands.promote(request, ANN))


async def unshadow(at: World) -> AsyncIterator[ApplyEvent]:
    return await at.service.hands.unshadow(DeedRequest(), ANN)


async def begun(at: World, shadow: bytes = NEXT) -> None:
    """A release with both."""
    await at.applied(at.text())
    assert isinstance(await push(at, BOT_MODEL, FIRST, *MEANT), Applied)
    assert isinstance(await push(at, BOT_SHADOW, shadow), Applied)


def records_of(data_dir: Path, model: bytes, shadow: bytes, count: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    verdict = f"50 observe - - - {id_of(model)} 51:{id_of(shadow)} {to_text(step_vector(49))}"
    access = data_dir / "access"
    access.mkdir(exist_ok=True)
    lines = (json.dumps({"time": now, "bots": f"{verdict} {n:016x}.7"}) for n in range(count))
    (access / ACCESS_FILE).write_text("".join(f"{line}\n" for line in lines))


def test_a_shadow_stays_beside_the_model_and_is_promoted_in_one_release(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await begun(at)
        await at.applied(at.text(timeout="16s"))
        assert await ids(at) == (id_of(FIRST), id_of(NEXT))
        view = await at.service.hands.feeds()
        assert view.shadow is not None
        assert (view.shadow.source, view.shadow.name) == ("pushed", "next")
        done = await promote(at, id_of(NEXT))
        assert isinstance(done, Applied), done
        assert done.release is not None
        assert (done.release.kind, done.release.id) == ("feed", "r5")
        told = [change.text for change in done.changes]
        assert any(" bot model " in text and text.endswith(" -> none") for text in told)
        assert any(f"-> next ({id_of(NEXT)})" in text for text in told)
        stages = [step.stage for step in (await at.service.show("r5")).gate]
        assert {"limits", "guard", "scores", "validate", "taster"} <= set(stages)
        assert await ids(at) == (id_of(NEXT), "")
        assert isinstance(await at.rollback("r4"), Applied)
        assert await ids(at) == (id_of(FIRST), id_of(NEXT))
        deeds = [entry.what for entry in (await at.service.audit(limit=50)).entries]
        assert "shadow-promoted" in deeds

    live(tmp_path, scenario)


def test_the_drift_of_a_shadow_refuses_nothing_until_it_is_promoted(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await begun(at, FAR)
        records_of(tmp_path / "data", FIRST, FAR, 300)
        refused = await promote(at)
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.code) == ("scores", "score-drift")
        assert await ids(at) == (id_of(FIRST), id_of(FAR))
        assert isinstance(await promote(at, "", *MEANT), Applied)
        assert await ids(at) == (id_of(FAR), "")

    live(tmp_path, scenario)


def test_it_is_taken_away_also_while_bots_are_killed_and_then_there_is_none(
    tmp_path: Path,
) -> None:
    async def scenario(at: World) -> None:
        await begun(at)
        kill = KillRequest("bots", reason="a test")
        assert isinstance(await last(await at.service.hands.kill(kill, ANN)), Applied)
        assert (await ids(at))[1] == id_of(NEXT)
        assert isinstance(await last(await unshadow(at)), Applied)
        assert (await ids(at))[1] == ""
        for deed in (promote(at), unshadow(at)):
            with pytest.raises(NotFoundError, match="no shadow model"):
                await deed

    live(tmp_path, scenario)


def test_another_shadow_than_the_one_looked_at_is_not_promoted(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await begun(at)
        for wanted in (id_of(FAR), "x" * 70):
            with pytest.raises(ConflictError, match=id_of(NEXT)):
                await promote(at, wanted)
        assert isinstance(await promote(at, id_of(NEXT)[:4]), Applied)

    live(tmp_path, scenario)


BAD_SHADOWS = (b"", FIRST[:-9], FIRST.replace(b'"score":1}', b'"score":2}', 1))


def test_a_bad_shadow_is_refused_as_it_is_read(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await begun(at)
        for bad in BAD_SHADOWS:
            refused = await push(at, BOT_SHADOW, bad)
            assert isinstance(refused, Refused), bad
            (problem,) = refused.problems
            assert (problem.id, problem.subject) == ("bad-bot-model", "shadow bot model")
            assert problem.file == "what was pushed into bot-model-shadow"
            assert await ids(at) == (id_of(FIRST), id_of(NEXT)), bad

    live(tmp_path, scenario)


def test_a_shadow_in_a_file_is_taken_up_as_it_changes_and_takes_no_push(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "shadow.json"
        file.write_bytes(NEXT)
        async with world(tmp_path / "data") as at:
            await at.applied(at.text(extra=f"bots: {{shadow: {file}}}\n"))
            view = await at.service.hands.feeds()
            assert view.shadow is not None
            assert (view.shadow.source, view.shadow.path) == ("file", str(file))
            for deed in (push(at, BOT_SHADOW, FAR), promote(at), unshadow(at)):
                with pytest.raises(ConflictError, match="read from"):
                    await deed
            assert await at.control.watch.poll() is None
            file.write_bytes(FAR)
            flow = await at.control.watch.poll()
            assert flow is not None
            assert isinstance(flow.outcome, Applied)
            assert flow.outcome.release is not None
            assert flow.outcome.release.kind == "feed"
            assert (await ids(at))[1] == id_of(FAR)
            await at.applied(at.text())
            assert (await ids(at))[1] == ""

    asyncio.run(scenario())


def test_it_is_not_promoted_over_a_model_that_is_a_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "model.json"
        file.write_bytes(FIRST)
        async with world(tmp_path / "data") as at:
            await at.applied(at.text(extra=f"bots: {{model: {file}}}\n"))
            assert isinstance(await push(at, BOT_SHADOW, NEXT), Applied)
            with pytest.raises(ConflictError, match="reads the bot model from a file"):
                await promote(at)
            assert await ids(at) == (id_of(FIRST), id_of(NEXT))

    asyncio.run(scenario())


def test_the_report_is_of_the_pair_in_force_and_absence_is_a_state(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        report = at.service.hands.shadows.report
        assert (await report()).state == "absent"
        await begun(at)
        assert (await report()).state == "no-records"
        records_of(tmp_path / "data", FIRST, NEXT, 312)
        found = await report()
        assert (found.state, found.advice) == ("too-little", "wait")
        assert (found.compared, found.clients, found.mean_points) == (312, 312, 1.0)
        assert "312 of at least 2,000" in found.reasons[0]
        records_of(tmp_path / "data", FIRST, NEXT, 2_000)
        assert (await report()).advice == "promote"
        records_of(tmp_path / "data", FIRST, FAR, 2_000)
        found = await report()
        assert (found.state, found.others) == ("no-records", 2_000)

    live(tmp_path, scenario)


def test_a_shadow_that_is_not_read_any_more_is_left_behind_with_a_note() -> None:
    held = (Pushed(BOT_MODEL, FIRST), Pushed(BOT_SHADOW, NEXT[:-9]))
    current = replace(made.bundle("version: 1\n"), feeds=held)
    feeds = feeds_of(AS_CURRENT, current, 0.0)
    assert feeds == held[:1]
    (note,) = left_behind(AS_CURRENT, current, feeds)
    assert "the release goes without it" in note
    again = Extras(feed=Pushed(BOT_SHADOW, FAR[:-9]))
    assert feeds_of(again, current, 0.0) == (held[0], again.feed), "what is pushed now is judged"
    good = replace(current, feeds=(held[0], Pushed(BOT_SHADOW, NEXT)))
    assert feeds_of(AS_CURRENT, good, 0.0) == good.feeds
    for extras, carried in ((AS_CURRENT, good.feeds), (Extras(unshadow=True), ())):
        assert left_behind(extras, good, carried) == ()
    assert left_behind(AS_CURRENT, None, ()) == ()
