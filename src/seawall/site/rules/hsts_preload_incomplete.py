"""A wish to be preloaded that the list would turn down."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.site import HstsSection

RULE = Rule(
    id="hsts-preload-incomplete",
    severity=Severity.WARNING,
    meaning="`preload` is set, but the other conditions of the preload list are not met.",
    why="The list accepts names with `include_subdomains` and a `max_age` of a year or more.",
    remedy="Write `hsts: {max_age: 365d, include_subdomains: true, preload: true}`.",
    example=one_site(
        "origin: http://127.0.0.1:3000\nhsts: {preload: true}",
        top="listen: {https: 127.0.0.1:8443}\ntls: {development_ca: true}",
    ),
    alone=True,
)
_YEAR_S = 31_536_000


def check(draft: Draft) -> Iterator[Problem]:
    """Each site with `preload`."""
    for name, site in draft.sites.items():
        hsts = site.section.hsts
        if not isinstance(hsts, HstsSection) or not hsts.preload:
            continue
        if hsts.max_age < _YEAR_S or not hsts.include_subdomains:
            what = "`preload` has no effect like this."
            yield RULE.found(site.at("hsts"), f"site {name}", what)
