"""Rewrite the generated pages of docs/: `python -m tools.docs`.

`GENERATED` maps a page to the function that makes it; a test compares each page with its function.
"""

from collections.abc import Callable
from pathlib import Path

from seawall.cli.reference import cli_markdown
from seawall.site.reference import problems_markdown, reference_markdown
from tools.limits_page import limits_markdown
from tools.metrics_page import metrics_markdown

DOCS = Path(__file__).parents[1] / "docs"

GENERATED: dict[str, Callable[[], str]] = {
    "cli.md": cli_markdown,
    "limits.md": limits_markdown,
    "metrics.md": metrics_markdown,
    "problems.md": problems_markdown,
    "site-file.md": reference_markdown,
}


def main() -> None:
    """Write every generated page."""
    for page, make in GENERATED.items():
        (DOCS / page).write_text(make())
        print(f"wrote docs/{page}")


if __name__ == "__main__":
    main()
