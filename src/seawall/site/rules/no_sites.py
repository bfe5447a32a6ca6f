"""A file without sites: it would make an edge that refuses everything."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule

RULE = Rule(
    id="no-sites",
    severity=Severity.ERROR,
    meaning="The configuration has no site.",
    why="An edge without sites refuses every request. This is usually a mistake.",
    remedy="Write at least one entry under `sites`.",
    example="version: 1\nlisten: {http: 127.0.0.1:8080}\n",
)


def check(draft: Draft) -> Iterator[Problem]:
    """No site at all, and none taken out for its errors."""
    if not draft.sites and not draft.misses("sites"):
        yield RULE.found(draft.top.at(), "", "There are no sites.")
