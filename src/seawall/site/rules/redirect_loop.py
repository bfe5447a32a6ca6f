"""A redirect that leads to itself."""

from collections.abc import Iterator

from seawall.model import (
    FixedResponse,
    PathExact,
    PathPrefix,
    PathRegex,
    Redirect,
    Route,
    Site,
    StringMatchKind,
)
from seawall.site.draft import Draft, Placed
from seawall.site.problem import Problem, Severity
from seawall.site.regex import compile_regex
from seawall.site.rules.rule import Rule, one_site
from seawall.site.rules.served import has_https
from seawall.site.schema.site import SiteSection

RULE = Rule(
    id="redirect-loop",
    severity=Severity.ERROR,
    meaning="A redirect leads to a target that the same route redirects again.",
    why="Browsers give up after some rounds, and nothing is ever served.",
    remedy="Match the old path with `path`, redirect to a target outside the prefix, or add the "
    "host to the conditions (`headers: {host: example.com}`).",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: shop, prefix: /shop, redirect: {to: /shop/start}}
"""),
    younger=True,
    alone=True,
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AS_GET = frozenset({301, 302, 303})
"""After these, browsers ask with GET, whatever the method was."""
_NAMED = (("host", "host"), ("x-forwarded-proto", "scheme"))
"""Headers of a request that follow from the place it asks for, and the part of a redirect."""
_HTTP_PORT = 80
_HTTPS_PORT = 443
_WHERE = (("path",), ("prefix",), ("regex",), ("redirect", "to"), ("redirect", "prefix"))


def check(draft: Draft) -> Iterator[Problem]:
    """Each redirect within its own site that nothing ends."""
    for name, placed in draft.sites.items():
        site = draft.built_sites[name]
        for index in range(len(placed.section.routes)):
            route = site.routes[index]
            if _loops(draft, placed, site, route):
                if any(placed.gone("routes", index, *steps) for steps in _WHERE):
                    continue
                what = f"The redirect of the route `{placed.section.routes[index].name}` loops."
                key = "redirect" if isinstance(route.action, Redirect) else "respond"
                yield RULE.found(placed.at("routes", index, key), f"route {route.id}", what)


def _loops(draft: Draft, placed: Placed[SiteSection], site: Site, route: Route) -> bool:
    action = route.action
    if isinstance(action, FixedResponse):  # Envoy names the place of the request itself
        changes = route.response_headers
        named = any(name == "location" for name, _ in (*changes.set, *changes.add))
        return action.status in _REDIRECTS and not named
    if not isinstance(action, Redirect) or _may_end(site, route, action):
        return False
    if action.host and not (action.host in site.hosts and _is_here(draft, placed, action)):
        return False
    if not (action.prefix or action.path):
        return True  # the request's path, at the same host
    target = (action.prefix or action.path).partition("?")[0]
    path = route.match.path
    foreign = bool(action.prefix) and not isinstance(path, PathPrefix)  # `bad-rewrite` says so
    if foreign or (isinstance(path, PathRegex) and compile_regex(path.regex).error):
        return False
    taken_by = next((one for one in site.routes if _takes(one, target)), None)
    return taken_by is route


def _may_end(site: Site, route: Route, action: Redirect) -> bool:
    """Whether a condition besides the path may not hold for what the client asks next."""
    match = route.match
    as_get = action.status in _AS_GET and match.methods and "GET" not in match.methods
    elsewhere = any(
        condition.name == header
        and (named := getattr(action, part))
        and (condition.kind is not StringMatchKind.EXACT or condition.value != named)
        for condition in match.headers
        for header, part in _NAMED
    )
    changes = (site.response_headers, route.response_headers)
    remembers = any(name == "set-cookie" for one in changes for name, _ in (*one.set, *one.add))
    remembered = remembers and any(condition.name == "cookie" for condition in match.headers)
    return bool(match.query or as_get or elsewhere or remembered)


def _is_here(draft: Draft, site: Placed[SiteSection], action: Redirect) -> bool:
    """Whether `site` is served at the scheme and port that `action` names."""
    if draft.top.lost("listen") or (action.scheme == "https" and not has_https(draft, site)):
        return False
    listen = draft.top.section.listen
    listeners, usual = (
        (listen.https, _HTTPS_PORT) if action.scheme == "https" else (listen.http, _HTTP_PORT)
    )
    return (action.port or usual) in {one.public_port or one.address.port for one in listeners}


def _takes(route: Route, path: str) -> bool:
    """Whether the route may take a request for `path`: conditions are passed over."""
    match route.match.path:
        case PathExact(exact):
            return exact == path
        case PathPrefix(prefix):
            return path == prefix or path.startswith(prefix.rstrip("/") + "/")
        case PathRegex(regex):
            pattern = compile_regex(regex).pattern
            return pattern is None or bool(pattern.fullmatch(path.encode()))
