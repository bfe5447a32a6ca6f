"""`seawall drill run`, left before it has ended."""

import io

import pytest

from seawall.cli import drills
from seawall.console.output import Output


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
    assert "Interrupted in stale-plan: it neither held nor failed." in said
    assert "seawall drill run stale-plan" in said
