"""An error page for statuses that the edge itself never answers with."""

from collections.abc import Iterator

from seawall.model import EDGE_STATUSES
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.origin import status_range

RULE = Rule(
    id="error-page-never-shown",
    severity=Severity.WARNING,
    meaning="An error page is for statuses that the edge itself never answers with.",
    why="What an origin or a bot policy answers passes unchanged, so it would never be shown.",
    remedy="Remove it, or let the origin answer with such a page.",
    example=one_site("error_pages: {401: oops.html}\norigin: http://127.0.0.1:3000"),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each key of which the edge answers with no status."""
    own = ", ".join(map(str, EDGE_STATUSES))
    for name, placed in draft.sites.items():
        for key in placed.section.error_pages:
            least, most = status_range(key)
            if not any(least <= status <= most for status in EDGE_STATUSES):
                what = f"The edge itself never answers with `{key}`, but with {own}."
                yield RULE.found(placed.at("error_pages", key), f"site {name}", what)
