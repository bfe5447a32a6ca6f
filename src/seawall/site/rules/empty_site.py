"""A site that answers nothing."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="empty-site",
    severity=Severity.ERROR,
    meaning="A site has neither an origin nor routes, or no hosts.",
    why="It could never serve anything.",
    remedy="Write `origin: URL`, or `routes`, and at least one of `hosts`.",
    example=one_site("class: page"),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each site without content or without hosts."""
    for name, site in draft.sites.items():
        served = site.section.origin is not None or site.section.routes
        if not served and not site.lost("routes"):
            what = f"The site `{name}` has neither an origin nor routes."
            yield RULE.found(site.at(), f"site {name}", what)
        if not site.section.hosts and not site.lost("hosts"):
            what = f"The site `{name}` has no hosts."
            yield RULE.found(site.at("hosts"), f"site {name}", what)
