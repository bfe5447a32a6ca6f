"""The gate as callers meet it: refusals with arithmetic, force by name, quarantine, reports."""

from pathlib import Path

from api.world import World, live
from seawall.api.codec import to_json

HEALTH = "      - {name: health, path: /health, respond: {status: 200, body: well}}\n"


def golden(status: int) -> str:
    return f"{HEALTH}    golden: [{{path: /health, status: {status}, contains: well}}]\n"


BEFORE_TASTER = ("limits", "compatibility", "guard", "scores", "clients", "validate")


def test_a_golden_request_answered_otherwise_is_refused_and_quarantined(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        end = await here.refused(here.text(extra=golden(204)))
        assert (end.stage, end.code) == ("taster", "golden-answered-otherwise")
        assert "answered 200, expected 204" in end.message
        assert end.remedy
        assert end.serving == "r1"
        assert [(step.stage, step.outcome) for step in end.gate] == [
            *((stage, "passed") for stage in BEFORE_TASTER),
            ("taster", "refused"),
        ]
        assert any("Asked " in line for line in end.gate[-1].lines)
        forced = await here.refused(here.text(extra=golden(204)), force=("taster",))
        assert forced.code == "release-quarantined"
        digest = forced.remedy.rpartition("--force ")[2].rstrip(".")
        passed = await here.applied(here.text(extra=golden(204)), force=("taster", digest))
        assert any("Forced past the taster" in note for note in passed.notes)
        shown = await here.service.show("r2")
        assert (shown.gate[-1].stage, shown.gate[-1].outcome) == ("taster", "forced")
        assert to_json(shown)

    live(tmp_path, story)


def test_a_dry_run_quarantines_nothing(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        end = await here.refused(here.text(extra=golden(204)), dry_run=True)
        assert end.code == "golden-answered-otherwise"
        forced = await here.applied(here.text(extra=golden(204)), force=("taster",))
        assert forced.release is not None

    live(tmp_path, story)


def test_a_change_of_golden_requests_or_policy_alone_is_a_release(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text(extra=HEALTH))
        asked = await here.applied(here.text(extra=golden(200)))
        assert asked.release is not None
        assert (asked.release.id, asked.changes) == ("r2", ())
        careful = await here.applied(here.text(extra=golden(200)) + "rollout: {bake: 2s}\n")
        assert careful.release is not None
        assert (careful.release.id, careful.changes) == ("r3", ())
        again = await here.applied(here.text(extra=golden(200)) + "rollout: {bake: 2s}\n")
        assert not again.changed

    live(tmp_path, story)


def test_a_name_that_forces_nothing_is_still_an_error(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        end = await here.refused(here.text(), force=("tester",))
        assert end.code == "force-unknown"
        assert "taster" in end.remedy

    live(tmp_path, story)
