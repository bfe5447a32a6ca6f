"""An origin with both http and https endpoints."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="origin-scheme-mixed",
    severity=Severity.ERROR,
    meaning="Some endpoints of an origin are http and some are https.",
    why="All endpoints of an origin must use the same protocol.",
    remedy="Use one scheme, or make two origins.",
    example=one_site('origin: {endpoints: ["http://10.0.0.1", "https://10.0.0.2"]}'),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each endpoint whose scheme differs from the first one's."""
    for name, placed in draft.origin_places.items():
        if placed.gone("endpoints"):
            continue
        section = placed.section
        scheme = section.endpoints[0].url.scheme
        for part, entries in (("endpoints", section.endpoints), ("backup", section.backup)):
            for index, entry in enumerate(entries):
                if entry.url.scheme != scheme:
                    what = f"This endpoint is {entry.url.scheme}, the first one is {scheme}."
                    yield RULE.found(placed.at(part, index), f"origin {name}", what)
                    break
