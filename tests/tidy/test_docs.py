"""The docs are part of the product: links lead somewhere and generated pages are fresh."""

import re
from pathlib import Path

import pytest
from tools import docs

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page}: dead link {target}"


@pytest.mark.parametrize("page", docs.GENERATED, ids=str)
def test_generated_pages_are_fresh(page: str) -> None:
    written = (ROOT / "docs" / page).read_text()
    assert written == docs.GENERATED[page](), f"docs/{page} is stale: run `make docs`"


def test_the_page_of_limits_names_the_unit_of_rates_and_shows_small_shares() -> None:
    page = docs.GENERATED["limits.md"]()
    assert "| `REPORTS_PER_S_MAX` | 3.0 per s |" in page
    assert "| `ROUTES_PER_SITE_MAX` | 1,000 |" in page
    assert "| `DRILL_FAILED_SHARE_OF_NAIVE_MAX` | 0.1% |" in page


def test_every_page_is_reachable_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        if page.name != "README.md":
            assert f"({page.name})" in index, f"docs/README.md does not link {page.name}"


def test_every_decision_tells_context_choice_and_price() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    for page in decisions:
        for part in ("## Context", "## Choice", "## Price"):
            assert part in page.read_text(), f"{page}: no {part}"
