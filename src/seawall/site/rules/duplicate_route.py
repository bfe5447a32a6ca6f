"""Two routes of a site with one name."""

from collections.abc import Iterator

from seawall.site.build_site import CATCH_ALL
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="duplicate-name",
    severity=Severity.ERROR,
    meaning="A name is used twice: for two routes of a site, or in two files.",
    why="Names distinguish things in logs, messages and metrics. A site with an `origin` "
    "already has a route `default`.",
    remedy="Rename one of the two.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: api, prefix: /api}
  - {name: api, prefix: /v2}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each route whose name was seen before in its site."""
    for name, site in draft.sites.items():
        seen: set[str] = {CATCH_ALL} if site.section.origin is not None else set()
        for index, route in enumerate(site.section.routes):
            if route.name in seen and not site.lost("routes", index, "name"):
                where = site.at("routes", index, "name")
                what = f"The site `{name}` has another route `{route.name}`."
                yield RULE.found(where, f"route {name}/{route.name}", what)
            seen.add(route.name)
