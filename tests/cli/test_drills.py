"""`seawall drill run`, left before it has ended."""

import io
from pathlib import Path

import pytest

from seawall.cli import drills
from seawall.console.output import Output
from seawall.errors import UsageError


def test_a_drill_that_is_interrupted_is_not_told_as_one_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(drills, "run_guarded", interrupted)
    stderr = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        drills.run(
            Output(json_format=False, stdout=io.StringIO(), stderr=stderr),
            *("stale-plan", [], None),
            with_naive=False,
        )
    said = stderr.getvalue()
    assert "Interrupted in stale-plan: no result." in said
    assert "seawall drill run stale-plan" in said


@pytest.mark.parametrize("text", [None, "no markers"])
def test_a_page_that_cannot_be_written_is_told_before_drills_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    monkeypatch.setattr(drills, "run_guarded", None)
    with pytest.raises(UsageError, match=str(page)):
        drills.run(Output(json_format=True), "stale-plan", [], page, with_naive=False)
