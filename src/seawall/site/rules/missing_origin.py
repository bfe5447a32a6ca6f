"""A route that forwards requests, but to where was not written."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="missing-origin",
    severity=Severity.ERROR,
    meaning="A route has no origin, no redirect and no response, and its site has no origin.",
    why="Its requests could not be served.",
    remedy="Write `origin`, `redirect` or `respond` on the route, or `origin` on the site.",
    example=one_site("""
routes:
  - {name: api, prefix: /api}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each route that has nothing to do."""
    for name, site in draft.sites.items():
        if site.section.origin is not None:
            continue
        for index, route in enumerate(site.section.routes):
            if site.lost("routes", index, "redirect") or site.lost("routes", index, "respond"):
                continue
            if route.origin is None and route.redirect is None and route.respond is None:
                what = f"The route `{route.name}` does not say where requests go."
                yield RULE.found(site.at("routes", index), f"route {name}/{route.name}", what)
