"""One endpoint twice in an origin."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="duplicate-endpoint",
    severity=Severity.ERROR,
    meaning="An origin has the same endpoint twice.",
    why="It would count twice in health and shares. As its own backup it is useless.",
    remedy="Remove one; use `weight` for a larger share.",
    example=one_site('origin: {endpoints: ["http://10.0.0.1:80", "http://10.0.0.1"]}'),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each endpoint that was seen before in its origin."""
    for name, placed in draft.origin_places.items():
        seen: set[tuple[str, int]] = set()
        section = placed.section
        for part, entries in (("endpoints", section.endpoints), ("backup", section.backup)):
            for index, entry in enumerate(entries):
                endpoint = (entry.url.host, entry.url.port)
                if endpoint in seen:
                    what = f"The endpoint {entry.url.host}:{entry.url.port} is there already."
                    yield RULE.found(placed.at(part, index), f"origin {name}", what)
                seen.add(endpoint)
