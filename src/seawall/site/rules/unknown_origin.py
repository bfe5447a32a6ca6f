"""A site or route that names an origin which is not defined."""

from collections.abc import Iterator

from seawall.ids import OriginName
from seawall.site.draft import Draft
from seawall.site.problem import Location, Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import did_you_mean

RULE = Rule(
    id="unknown-origin",
    severity=Severity.ERROR,
    meaning="A site or route names an origin that is not defined.",
    why="Its requests could not be served.",
    remedy="Define it under `origins`, or write its URL here.",
    example=one_site(
        "origin: shopp",
        top="""\
listen: {http: 127.0.0.1:8080}
origins:
  shop: {endpoints: ["http://127.0.0.1:3000"]}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each name of an origin that neither is defined nor was taken out for its own errors."""
    for name, site in draft.sites.items():
        if isinstance(site.section.origin, str):
            yield from _named(draft, site.section.origin, site.at("origin"), f"site {name}")
        for index, route in enumerate(site.section.routes):
            if isinstance(route.origin, str):
                where = site.at("routes", index, "origin")
                yield from _named(draft, route.origin, where, f"route {name}/{route.name}")


def _named(draft: Draft, origin: str, at: Location, subject: str) -> Iterator[Problem]:
    if OriginName(origin) in draft.origins or draft.may_hold("origins", origin):
        return
    hint = did_you_mean(origin, draft.origins)
    yield RULE.found(at, subject, f"There is no origin `{origin}`.", remedy=hint)
