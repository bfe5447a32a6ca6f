"""A bot model is released like a list: pushed, judged by the gate, told in words, taken back."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.world import ANN, World, last, live, world
from seawall.api.hand_requests import FeedRequest
from seawall.api.hand_views import BotModelView
from seawall.api.views import Applied, Refused
from seawall.bots import artifact
from seawall.bots.features import to_text
from seawall.compiler.names import ACCESS_FILE
from seawall.errors import ConflictError
from seawall.site.sources import BOT_MODEL
from step_models import step_content, step_vector

FIRST = step_content()
NEXT = step_content(1.0, name="next")
FAR = step_content(40.0, name="far")
MEANT = ("score-drift",)
"""The first push replaces whatever Seawall ships."""


async def push(at: World, content: bytes, **options: Any) -> Applied | Refused:
    request = FeedRequest(base64=content, **options)
    return await last(await at.service.hands.push_feed(BOT_MODEL, request, ANN))


async def model(at: World) -> BotModelView | None:
    return (await at.service.hands.feeds()).model


def came_by(data_dir: Path, count: int) -> None:
    """Access records of `count` clients of late."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [
        {
            "time": now,
            "bots": f"50 observe - - - 0123abcd {to_text(step_vector(n % 90))} {n:016x}.7",
        }
        for n in range(count)
    ]
    access = data_dir / "access"
    access.mkdir(exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (access / ACCESS_FILE).write_text(text)


def id_in(view: BotModelView | None) -> str:
    return view.id if view is not None else ""


def id_of(content: bytes) -> str:
    return artifact.digest(content)[:8]


def test_a_model_is_pushed_kept_by_site_files_and_rolled_back(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        pushed = await push(at, FIRST, force=MEANT)
        assert isinstance(pushed, Applied), pushed
        assert pushed.release is not None
        assert pushed.release.kind == "feed"
        (change,) = pushed.changes
        assert change.text.startswith("edge: bot model ")
        assert id_of(FIRST) in change.text.partition(" -> ")[2]
        assert not change.drains
        await at.applied(at.text(timeout="16s"))
        view = await model(at)
        assert view is not None
        assert (view.id, view.source, view.name) == (id_of(FIRST), "pushed", "steps")
        assert (view.features, view.trees, view.metrics) == (1, 1, {"auc": 0.9})
        following = await push(at, NEXT)
        assert isinstance(following, Applied), following
        assert any("drift not measured on traffic" in note for note in following.notes)
        back = await at.rollback("r3")
        assert isinstance(back, Applied), back
        view = await model(at)
        assert view is not None
        assert view.id == id_of(FIRST)

    live(tmp_path, scenario)


BAD_MODELS = (b"", b"[]", FIRST[:-9], b"{}", FIRST.replace(b'"base":0', b'"base":NaN'))
"""No two that follow each other are refused in the same words, so that each refusal is seen."""


def test_a_bad_model_is_refused_with_what_is_wrong_and_the_old_one_scores(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        await push(at, FIRST, force=MEANT)
        serving, words = at.current, ""
        for bad in BAD_MODELS:
            refused = await push(at, bad)
            assert isinstance(refused, Refused), bad
            (problem,) = refused.problems
            assert problem.id == "bad-bot-model", bad
            assert problem.remedy, bad
            assert at.current == serving, bad
            view = await model(at)
            assert view is not None
            assert view.id == id_of(FIRST), bad
            status = await at.service.status()
            told = {notice.code: notice.text for notice in status.notices}
            before, words = words, f"The feed bot-model was not accepted: {problem.what}"
            assert words != before, bad
            assert words in told["last-release-refused"], bad

    live(tmp_path, scenario)


def test_scores_that_drift_are_refused_unless_it_is_meant(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        await push(at, FIRST, force=MEANT)
        came_by(tmp_path / "data", 300)
        refused = await push(at, FAR)
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.code) == ("scores", "score-drift")
        assert "of 300" in refused.message
        assert "--force score-drift" in refused.remedy
        assert (refused.gate[-1].stage, refused.gate[-1].outcome) == ("scores", "refused")
        passed = await push(at, NEXT)
        assert isinstance(passed, Applied), passed
        assert not passed.notes
        forced = await push(at, FAR, force=MEANT)
        assert isinstance(forced, Applied), forced
        assert any("Forced past the scores" in note for note in forced.notes)
        shown = await at.service.show("r4")
        assert ("scores", "forced") in [(step.stage, step.outcome) for step in shown.gate]

    live(tmp_path, scenario)


def test_a_model_in_a_file_is_taken_up_as_it_changes_and_takes_no_push(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "model.json"
        file.write_bytes(FIRST)
        async with world(tmp_path / "data") as at:
            text = at.text(extra=f"bots: {{model: {file}}}\n")
            await at.applied(text)
            view = await model(at)
            assert view is not None
            assert (view.source, view.path, view.name) == ("file", str(file), "steps")
            with pytest.raises(ConflictError, match="read from"):
                await push(at, NEXT)
            assert await at.control.watch.poll() is None
            for content, taken in ((FIRST[:-9], False), (NEXT, True)):
                file.write_bytes(content)
                flow = await at.control.watch.poll()
                assert flow is not None
                assert isinstance(flow.outcome, Applied) is taken
                assert id_in(await model(at)) == id_of(NEXT if taken else FIRST)
            assert flow.outcome.release is not None
            assert flow.outcome.release.kind == "feed"

    asyncio.run(scenario())
