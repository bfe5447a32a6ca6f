"""The page of the drills is what the command writes."""

import dataclasses
from pathlib import Path

import pytest

from drill.test_account import LOUD, QUIET, result
from seawall.drill.page import stories, write_page
from seawall.drill.result import Summary
from seawall.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs" / "drills.md"


def test_the_page_tells_every_drill_as_it_is() -> None:
    assert stories() in PAGE.read_text(), "run: seawall drill run all --page docs/drills.md"


def test_the_table_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    results = "<!-- drills begin -->\nwhat was there\n<!-- drills end -->"
    told = "<!-- stories begin -->\n<!-- stories end -->"
    page.write_text(f"# Head\n{results}\n{told}\ntail\n")
    held = dataclasses.replace(QUIET, exposed_nodes=1, exposed_requests=3, failed=1, revert_s=2.0)
    write_page(page, Summary((result(held),)))
    text = page.read_text()
    assert text.startswith("# Head\n")
    assert text.endswith("tail\n")
    assert "what was there" not in text
    assert "| **x** | taster | 1 of 3, 3 | 1 of 1000 | 0.5 s | 2.0 s | 0 |" in text
    assert f"| the naive way | | 3 of 3, {LOUD.failed} |" in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Head\n")
    with pytest.raises(UsageError, match="has no"):
        write_page(page, Summary(()))
    assert page.read_text() == "# Head\n"
