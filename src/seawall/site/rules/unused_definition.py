"""An origin or certificate that no site uses."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from seawall.model import Forward
from seawall.site.draft import Draft, Placed
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.site import SiteSection
from seawall.site.schema.values import nearest

NameT = TypeVar("NameT", bound=str)
RULE = Rule(
    id="unused-definition",
    severity=Severity.WARNING,
    meaning="An origin or certificate is defined, but no site uses it.",
    why="It has no effect. Perhaps a site was meant to use it.",
    remedy="Use it in a site, or remove it.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="""\
listen: {http: 127.0.0.1:8080}
origins:
  spare: {endpoints: ["http://127.0.0.1:3001"]}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each definition that nothing refers to, as far as is known."""
    if draft.misses("sites"):
        return
    sites = draft.sites.values()
    if not any(_may_name_an_origin(site) for site in sites):
        used = {
            route.action.origin
            for site in draft.built_sites.values()
            for route in site.routes
            if isinstance(route.action, Forward)
        }
        yield from _unused("origin", draft.origins, used)
    if not any(site.gone("tls", "certificate") for site in sites):
        shown = {site.certificate or "" for site in draft.built_sites.values()}
        yield from _unused("certificate", draft.certificates, shown)


def _unused(
    kind: str, defined: Mapping[NameT, Placed[Any]], used: AbstractSet[str]
) -> Iterator[Problem]:
    unused = {name: placed for name, placed in defined.items() if name not in used}
    if not unused:
        return
    meant = {nearest(name, defined) for name in used if name and name not in defined}
    for name, placed in unused.items():
        if name not in meant:
            yield RULE.found(placed.at(), f"{kind} {name}", f"No site uses the {kind} `{name}`.")


def _may_name_an_origin(site: Placed[SiteSection]) -> bool:
    """Whether the name of an origin may stand in what could not be read."""
    routes = range(len(site.section.routes))
    return site.root.damaged and (
        site.gone("origin")
        or site.gone("routes")
        or any(site.gone("routes", index, "origin") for index in routes)
    )
