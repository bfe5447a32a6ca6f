"""A redirect that leads to itself."""

from collections.abc import Iterator

from seawall.model import FixedResponse, PathExact, PathPrefix, Redirect, Route, Site
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="redirect-loop",
    severity=Severity.ERROR,
    meaning="A redirect leads to a place that the same route redirects again.",
    why="Browsers give up after some rounds; nothing is ever served.",
    remedy="Match the old place with `path`, or redirect to a place outside the prefix.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: shop, prefix: /shop, redirect: {to: /shop/start}}
"""),
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WHERE = (("path",), ("prefix",), ("regex",), ("redirect", "to"), ("redirect", "prefix"))


def check(draft: Draft) -> Iterator[Problem]:
    """Each unconditional redirect within its own site."""
    for name, placed in draft.sites.items():
        site = draft.built_sites[name]
        for index in range(len(placed.section.routes)):
            route = site.routes[index]
            if _loops(site, route):
                if any(placed.gone("routes", index, *steps) for steps in _WHERE):
                    continue
                what = f"The redirect of the route `{placed.section.routes[index].name}` loops."
                key = "redirect" if isinstance(route.action, Redirect) else "respond"
                yield RULE.found(placed.at("routes", index, key), f"route {route.id}", what)


def _loops(site: Site, route: Route) -> bool:
    action = route.action
    if isinstance(action, FixedResponse):  # Envoy names the place of the request itself
        changes = route.response_headers
        named = any(name == "location" for name, _ in (*changes.set, *changes.add))
        return action.status in _REDIRECTS and not named
    if not isinstance(action, Redirect) or action.scheme or action.port:
        return False
    if action.host and action.host not in site.hosts:
        return False
    target = (action.prefix or action.path).partition("?")[0]
    if action.prefix and not isinstance(route.match.path, PathPrefix):
        return False
    taken_by = next((one for one in site.routes if _takes(one, target)), None)
    return taken_by is route


def _takes(route: Route, path: str) -> bool:
    """Whether the route may take a request for `path`: conditions are passed over."""
    match route.match.path:
        case PathExact(exact):
            return exact == path
        case PathPrefix(prefix):
            return path == prefix or path.startswith(prefix.rstrip("/") + "/")
    return False
