"""One site becomes one virtual host: guards first, then its routes in their order.

Results are serialized and remembered by value, so that a release that changes one site of a
thousand compiles one. The first routes of a host are guards that no site can switch off: TRACE and
what is written like no method are refused; where paths decide something, one that servers read in
two ways; where a wildcard could match it, an authority that is not written as one host (two joined
Host headers, say); and where there are several certificates, a request that came by another one.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import string_pb2

from seawall import limits
from seawall.bots import web_scripts
from seawall.compiler import actions, filters, names
from seawall.compiler.behind import Behind
from seawall.compiler.body_limit import limit_host, limit_route
from seawall.compiler.bot_service import service_route
from seawall.compiler.bots import enforced, switch_off, watched, write_policy, write_route
from seawall.compiler.compression import compress
from seawall.compiler.matching import compile_match, header_is
from seawall.compiler.misdirected import other_mark
from seawall.compiler.remember import remembered
from seawall.compiler.replies import error_pages
from seawall.compiler.retries import retry_header
from seawall.compiler.wire import body_of, inline_text
from seawall.model import (
    FixedResponse,
    Forward,
    HeaderChanges,
    PathPrefix,
    Redirect,
    Route,
    RouteClass,
    Site,
)
from seawall.model.clearance import ClearanceKeys
from seawall.model.route import METHODS_TAKEN

_ANY_PATH = PathPrefix("/")
_DOTS = r".*/\.\.?;.*"
_ONE_HOST = r"([0-9A-Za-z._-]*|\[[0-9A-Fa-f:.]*\])(:[0-9]*)?"
"""An empty one too: HTTP allows it, and only a site for any host is found by it."""
_HSTS = "strict-transport-security"
_ASKED_HOST = "x-forwarded-host"
_ROBOTS_PATH = "/robots.txt"
_NEEDED_OF_REQUESTS = frozenset(
    {"accept-language", "content-type", "cookie", "origin", "sec-fetch-site"}
)
"""What the bot service reads of a browser's request; what names it is `x-seawall-*`."""
_NEEDED_OF_ANSWERS = frozenset(
    {"cache-control", "content-security-policy", "content-type", "location", "set-cookie"}
)
"""What a browser needs of the answers of the bot service."""
_HOSTS_REMEMBERED_MAX = 2 * limits.SITES_MAX
"""Every site over both schemes."""


@remembered(count_max=_HOSTS_REMEMBERED_MAX, size_bytes_max=limits.HOSTS_REMEMBERED_SIZE_BYTES_MAX)
def host(
    site: Site,
    behind: tuple[Behind | None, ...],
    *,
    tls: bool,
    alone: bool = True,
    keys: ClearanceKeys | None = None,
    to_https: int | None = None,
) -> bytes:
    """The serialized virtual host that serves `site`.

    Args:
        site: whose hosts.
        behind: the origin of each route.
        tls: with HSTS.
        alone: no other certificate is shown than that of `site`.
        keys: what its clearances are signed with.
        to_https: the port of https, 0 to name none: only what a trusted proxy took in over https
            is served, and the rest sent there. None: all is served.
    """
    compiled = _guarded_host(site)
    if to_https is not None:
        compiled.routes.append(_unless_taken_over_https(site, to_https))
        tls = True
    if tls and not alone and site.certificate is not None:
        misdirected = answer(f"{site.name}{names.ROUTE_MISDIRECTED}", 421, "Misdirected request.\n")
        misdirected.match.filter_state.append(other_mark(site.certificate))
        compiled.routes.append(misdirected)
    size = _usual_body_limit(site)
    compress(compiled, site.compression)
    limit_host(compiled, size)
    write_policy(compiled, site, keys)
    if watched(site) and site.bots.page_probe:
        compiled.routes.extend(_probe_routes(site))
    if enforced(site):
        service = service_route(site)
        limit_route(service, limits.BOT_SERVICE_BODY_SIZE_BYTES_MAX, size)
        compiled.routes.append(service)
    if site.bots.robots_txt:
        compiled.routes.append(_robots_route(site))
    for route, origin in zip(site.routes, behind, strict=True):
        compiled.routes.append(_route(site, route, origin, size))
    _change_headers(compiled, site)
    if tls and site.hsts is not None:
        value = f"max-age={site.hsts.max_age_s}"
        value += "; includeSubDomains" if site.hsts.include_subdomains else ""
        value += "; preload" if site.hsts.preload else ""
        compiled.response_headers_to_add.append(actions.header(_HSTS, value))
    for namespace, values in error_pages(site.error_pages).items():
        compiled.metadata.filter_metadata[namespace].CopyFrom(values)
    return body_of(compiled)


@remembered(count_max=_HOSTS_REMEMBERED_MAX, size_bytes_max=limits.HOSTS_REMEMBERED_SIZE_BYTES_MAX)
def redirecting_host(site: Site, port: int) -> bytes:
    """The serialized virtual host that sends every request of `site` to https.

    Args:
        site: whose hosts.
        port: the port to name in the answer; 0 names none.
    """
    compiled = _guarded_host(site)
    compress(compiled, ())
    limit_host(compiled, 0)
    compiled.routes.append(_to_https(site, port))
    return body_of(compiled)


def _to_https(site: Site, port: int) -> Any:
    route = route_components_pb2.Route(name=f"{site.name}{names.ROUTE_HTTPS}")
    route.match.prefix = "/"
    route.redirect.https_redirect = True
    route.redirect.port_redirect = port
    route.redirect.response_code = actions.redirect_code(308)
    return route


def _unless_taken_over_https(site: Site, port: int) -> Any:
    """Send to https what came without; sent there again, a proxy that ends TLS would loop.

    Envoy itself writes `x-forwarded-proto`, unless a trusted proxy sent it.
    """
    route = _to_https(site, port)
    taken = string_pb2.StringMatcher(exact="https", ignore_case=True)
    route.match.headers.append(header_is("x-forwarded-proto", taken))
    route.match.headers[0].invert_match = True
    route.match.headers[0].treat_missing_header_as_empty = True
    route.response_headers_to_remove.append(_HSTS)
    if watched(site):
        switch_off(route)
    return route


def one_host_route(host_name: str) -> Any:
    """Refuse an authority that is not written as one host, with a port or without.

    A comma comes from two joined Host headers. Of `evil.test:1.shop.test`, which `*.shop.test`
    matches, applications take what is before the colon for the host.
    """
    route = answer(f"{host_name}{names.ROUTE_ONE_HOST}", 400, "Bad host.\n")
    host = string_pb2.StringMatcher()
    host.safe_regex.regex = _ONE_HOST
    route.match.headers.append(header_is(":authority", host))
    route.match.headers[0].invert_match = True
    return route


def answer(name: str, status: int, text: str) -> Any:
    """A route that answers everything with `status` and `text`."""
    route = route_components_pb2.Route(name=name)
    route.match.prefix = "/"
    route.direct_response.status = status
    route.direct_response.body.CopyFrom(inline_text(text))
    return route


def _guarded_host(site: Site) -> Any:
    compiled = route_components_pb2.VirtualHost(name=str(site.name), domains=site.hosts)
    compiled.routes.append(_methods_route(str(site.name)))
    if _looks_at_paths(site):
        compiled.routes.append(_dots_route(str(site.name)))
    if any(name.startswith("*") for name in site.hosts):
        compiled.routes.append(one_host_route(str(site.name)))
    return compiled


def _looks_at_paths(site: Site) -> bool:
    """Whether there is anything that a path in disguise could get past."""
    return enforced(site) or any(route.match.path != _ANY_PATH for route in site.routes)


def _methods_route(host_name: str) -> Any:
    """Refuse TRACE and what is written like no method: over HTTP/2 Envoy takes any word for one.

    Applications read `post` as POST, which would get past each route and rule that asks for it.
    TRACE would show a client the headers that the edge adds for the origin (RFC 9110 9.3.8). A list
    of all methods would take 22 KiB of memory for each host.
    """
    route = answer(f"{host_name}{names.ROUTE_TRACE}", 405, "Method not allowed.\n")
    capitals = string_pb2.StringMatcher()
    capitals.safe_regex.regex = METHODS_TAKEN
    route.match.headers.append(header_is(":method", capitals))
    route.match.headers[0].invert_match = True
    return route


def _dots_route(host_name: str) -> Any:
    """Refuse a dot segment with a parameter, which some servers take for one without.

    Envoy resolves `/..;/`, but not when a backslash or an escaped dot hid it. Only what holds the
    rare two characters is matched as a whole, without its query.
    """
    route = answer(f"{host_name}{names.ROUTE_DOTS}", 400, "Bad path.\n")
    route.match.safe_regex.regex = _DOTS
    route.match.headers.append(header_is(":path", string_pb2.StringMatcher(contains=".;")))
    return route


def _robots_route(site: Site) -> Any:
    """What the bot policy of a site says to crawlers."""
    route = answer(f"{site.name}{names.ROUTE_ROBOTS}", 200, site.bots.robots_txt)
    route.match.path = _ROBOTS_PATH
    route.response_headers_to_add.append(
        actions.header("content-type", "text/plain; charset=utf-8")
    )
    return route


def _probe_routes(site: Site) -> Iterator[Any]:
    """The script that pages load, and where it reports: answered here, whatever else is down."""
    script = answer(f"{site.name}{names.ROUTE_PROBE}.js", 200, web_scripts.page_probe())
    script.match.path = f"{names.PATH_PROBE}.js"
    for name, value in (
        ("content-type", "text/javascript; charset=utf-8"),
        ("cache-control", f"public, max-age={limits.PAGE_PROBE_CACHE_S}"),
        ("x-content-type-options", "nosniff"),
    ):
        script.response_headers_to_add.append(actions.header(name, value))
    yield script
    report = answer(f"{site.name}{names.ROUTE_PROBE}", 204, "")
    report.match.path = names.PATH_PROBE
    report.response_headers_to_add.append(actions.header("cache-control", "no-store"))
    yield report


def _route(site: Site, route: Route, behind: Behind | None, size_of_host: int) -> Any:
    compiled = route_components_pb2.Route(name=str(route.id), match=compile_match(route.match))
    if behind is not None and not behind.private:
        compiled.stat_prefix = str(site.name)
    action = route.action
    match action:
        case Forward():
            tell_host = _ASKED_HOST not in site.request_headers.names | route.request_headers.names
            actions.forward(compiled.route, action, route.match, behind, tell_host=tell_host)
            if (more := retry_header(action.retries, route.match.methods)) is not None:
                compiled.request_headers_to_add.append(more)
            path, asked_host = action.rewrite is not None, bool(action.host_rewrite)
            filters.keep_asked(compiled, path=path, host=asked_host)
            if behind is not None and behind.trailers:
                filters.drop_trailers(compiled)
            if action.websocket:
                compiled.request_headers_to_add.append(actions.websocket_key())
            compress(compiled, () if action.grpc else site.compression, site.compression)
            size = action.body_size_bytes_max
            limit_route(compiled, size, size_of_host, upgrades=action.websocket)
        case Redirect():
            filters.keep_asked(compiled, path=bool(action.prefix), host=False)
            compiled.redirect.CopyFrom(actions.redirect(action, route.match.path))
            actions.set_fragment(compiled, action.fragment)
        case FixedResponse():
            compiled.direct_response.CopyFrom(actions.respond(action))
            if action.body:
                compiled.response_headers_to_add.append(
                    actions.header("content-type", action.content_type)
                )
    if route.route_class is not RouteClass.PAGE:
        values = compiled.metadata.filter_metadata[names.METADATA_NAMESPACE]
        values.fields[names.METADATA_CLASS].string_value = route.route_class.value
    write_route(compiled, site, route)
    actions.apply_header_changes(compiled, "request", route.request_headers)
    actions.apply_header_changes(compiled, "response", route.response_headers)
    return compiled


def _change_headers(compiled: Any, site: Site) -> None:
    """The header changes of a whole site.

    They stand on the host. Where a browser may be challenged, those that would take away what the
    bot service's answers live by stand on each other route instead.
    """
    challenges = f"{site.name}{names.ROUTE_BOTS}"
    others = [route for route in compiled.routes if route.name != challenges]
    for side, changes, needed in (
        ("request", site.request_headers, _NEEDED_OF_REQUESTS),
        ("response", site.response_headers, _NEEDED_OF_ANSWERS),
    ):
        if len(others) == len(compiled.routes):
            actions.apply_header_changes(compiled, side, changes)
            continue
        meddling, harmless = _parted(changes, needed)
        actions.apply_header_changes(compiled, side, harmless)
        for route in others:
            _change_first(route, side, meddling)


def _parted(changes: HeaderChanges, wanted: frozenset[str]) -> tuple[HeaderChanges, HeaderChanges]:
    """The changes of headers with these names, and all others."""

    def part(*, named: bool) -> HeaderChanges:
        return HeaderChanges(
            set=tuple(pair for pair in changes.set if (pair[0] in wanted) is named),
            add=tuple(pair for pair in changes.add if (pair[0] in wanted) is named),
            remove=tuple(name for name in changes.remove if (name in wanted) is named),
            set_if_absent=tuple(p for p in changes.set_if_absent if (p[0] in wanted) is named),
        )

    return part(named=True), part(named=False)


def _change_first(route: Any, side: str, changes: HeaderChanges) -> None:
    """Put `changes` before the route's own, as if its host said so: the route has the last word.

    Of one message Envoy does what adds after what replaces, so what the route replaces is left out.
    """
    options = getattr(route, f"{side}_headers_to_add")
    own, decided = list(options), set(getattr(route, f"{side}_headers_to_remove"))
    decided |= {one.header.key for one in own if one.append_action == actions.REPLACE}
    del options[:]
    actions.apply_header_changes(route, side, changes)
    kept = [option for option in options if option.header.key not in decided]
    del options[:]
    options.extend([*kept, *own])


def _usual_body_limit(site: Site) -> int:
    """The bound that most routes of a site share: said once on the host, it keeps routes small."""
    forwards = [route.action for route in site.routes if isinstance(route.action, Forward)]
    counted = Counter(
        one.body_size_bytes_max for one in forwards if one.body_size_bytes_max and not one.websocket
    )
    return min(counted, key=lambda size: (-counted[size], size)) if counted else 0
