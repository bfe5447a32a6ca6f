"""An origin with a name that belongs to the edge itself."""

from collections.abc import Iterator
from typing import Final

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RESERVED_PREFIX: Final = "seawall_"
"""Begins what a node calls its own servers, for Envoy the same kind of thing as an origin."""

RULE = Rule(
    id="reserved-origin",
    severity=Severity.ERROR,
    meaning="An origin, or a site with an origin written inside it, has a name that begins with "
    f"`{RESERVED_PREFIX}`.",
    why="A node's internal servers have such names: those that configure Envoy and challenge "
    "clients. Requests for an origin with such a name would reach them.",
    remedy="Give it another name.",
    example=one_site("origin: http://127.0.0.1:3000").replace("shop:", "seawall_ads:"),
    younger=True,
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """The names of all origins."""
    for name, placed in draft.origin_places.items():
        if name.startswith(RESERVED_PREFIX) and "/" not in name:
            what = f"The origin name `{name}` is reserved."
            yield RULE.found(placed.at(), f"origin {name}", what)
