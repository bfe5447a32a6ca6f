"""Each scenario's transcript is as written; to accept a change, see `rollout.scenario`."""

from pathlib import Path

import pytest

from rollout.scenario import FOLDER, transcript

SCENARIOS = sorted(FOLDER.glob("*.txt"))


def test_there_are_scenarios_and_no_orphaned_transcripts() -> None:
    assert len(SCENARIOS) >= 15
    written = {path.stem for path in FOLDER.glob("*.out")}
    assert written == {path.stem for path in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_goes_as_its_transcript_says(scenario: Path) -> None:
    text = scenario.read_text()
    assert text.startswith("# Goal: "), "goal and method stand on top"
    assert "# Method: " in text
    assert transcript(text) == scenario.with_suffix(".out").read_text(), (
        "run `PYTHONPATH=src:tests python -m rollout.scenario` and read the difference"
    )
