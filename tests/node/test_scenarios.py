"""The node's course of a release, told in text: `scenarios/NAME.txt` beside its `NAME.out`.

`--update-scenarios` rewrites the transcripts after a wanted change and deletes orphans; review the
difference like code.
"""

from pathlib import Path

import pytest

from node.course_script import Script

FOLDER = Path(__file__).with_name("scenarios")
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.txt"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_course_is_as_told(name: str, request: pytest.FixtureRequest) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    transcript = Script().run(text)
    out = FOLDER / f"{name}.out"
    if request.config.getoption("--update-scenarios", default=False):
        out.write_text(transcript)
    assert out.read_text() == transcript, "run with --update-scenarios and review the difference"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_scenario_says_its_goal_and_method(name: str) -> None:
    lines = (FOLDER / f"{name}.txt").read_text().splitlines()
    assert lines[0].startswith("# Goal: ")
    assert any(line.startswith("# Method: ") for line in lines[:6])


def test_every_transcript_has_a_script(request: pytest.FixtureRequest) -> None:
    orphans = [path for path in FOLDER.glob("*.out") if path.stem not in SCRIPTS]
    if request.config.getoption("--update-scenarios", default=False):
        for orphan in orphans:
            orphan.unlink()
        orphans = []
    assert not orphans
    assert SCRIPTS
