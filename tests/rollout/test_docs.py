"""docs/rollout.md names every stage, basis and speed there is."""

import re
from pathlib import Path

import pytest

from seawall.rollout.state import Basis, Speed, Stage

PAGE = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text()


@pytest.mark.parametrize("kind", [Stage, Basis, Speed], ids=lambda kind: kind.__name__)
def test_each_value_has_a_row_and_no_row_is_left_over(
    kind: type[Stage] | type[Basis] | type[Speed],
) -> None:
    heading = {Stage: "## Stages", Basis: "## Why a step was passed", Speed: "## Three speeds"}
    section = PAGE.split(heading[kind], 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(value.value for value in kind)
