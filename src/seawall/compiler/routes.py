"""Sites become virtual hosts of two RouteConfigurations, `http` and `https`.

All listeners of a kind share one RouteConfiguration, so a site is compiled once per kind and any
change of sites or routes is one RDS update that drains nobody. A host that no site has gets a 421;
an authority that holds a comma (two joined Host headers) gets a 400 before any site sees it.
"""

from collections.abc import Mapping
from typing import Any

from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.type.matcher.v3 import string_pb2

from seawall.compiler import actions, filters, names
from seawall.compiler.body_limit import body_limit
from seawall.compiler.matching import compile_match, header_is
from seawall.compiler.replies import error_pages
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.compiler.wire import body_of, inline_text
from seawall.ids import OriginName
from seawall.model import (
    Edge,
    FixedResponse,
    Forward,
    LoadBalancing,
    Redirect,
    Route,
    Site,
)

_HTTPS_PORT = 443
_HTTP_PORT = 80


def compile_routes(edge: Edge) -> list[Resource]:
    """The RouteConfigurations of the listeners that `edge` has."""
    balancing = {origin.name: origin.load_balancing for origin in edge.origins}
    resources = []
    if edge.listen.http:
        hosts = [_plain_host(site, edge, balancing) for site in edge.sites]
        resources.append(_configuration(names.ROUTES_HTTP, hosts))
    if edge.listen.https:
        hosts = [_secure_host(s, balancing) for s in edge.sites if s.certificate is not None]
        resources.append(_configuration(names.ROUTES_HTTPS, hosts))
    return resources


def _configuration(name: str, hosts: list[Any]) -> Resource:
    if not any("*" in host.domains for host in hosts):
        hosts.append(_unknown_host())
    configuration = route_pb2.RouteConfiguration(
        name=name,
        virtual_hosts=hosts,
        ignore_port_in_host_matching=True,
        # The client's address is in x-forwarded-for; nobody asked for a second copy.
        request_headers_to_remove=["x-envoy-external-address"],
        # Without this a site's header would overwrite what one of its routes says.
        most_specific_header_mutations_wins=True,
    )
    return Resource(TypeUrl.ROUTES, name, body_of(configuration), "edge")


def _plain_host(site: Site, edge: Edge, balancing: Mapping[OriginName, LoadBalancing]) -> Any:
    if not site.redirect_to_https or site.certificate is None:
        return _host(site, balancing)
    host = _bare_host(site)
    to_https = route_components_pb2.Route(name=f"{site.name}/_https")
    to_https.match.prefix = "/"
    to_https.redirect.https_redirect = True
    to_https.redirect.response_code = actions.redirect_code(308)
    https_port = edge.listen.https[0].port if edge.listen.https else _HTTPS_PORT
    if https_port != _HTTPS_PORT or any(one.port != _HTTP_PORT for one in edge.listen.http):
        to_https.redirect.port_redirect = https_port
    host.routes.append(to_https)
    return host


def _secure_host(site: Site, balancing: Mapping[OriginName, LoadBalancing]) -> Any:
    host = _host(site, balancing)
    if site.hsts is not None:
        value = f"max-age={site.hsts.max_age_s}"
        value += "; includeSubDomains" if site.hsts.include_subdomains else ""
        value += "; preload" if site.hsts.preload else ""
        host.response_headers_to_add.append(actions.header("strict-transport-security", value))
    return host


def _host(site: Site, balancing: Mapping[OriginName, LoadBalancing]) -> Any:
    host = _bare_host(site)
    for route in site.routes:
        host.routes.append(_route(site, route, balancing))
    actions.apply_header_changes(host, "request", site.request_headers)
    actions.apply_header_changes(host, "response", site.response_headers)
    filters.enable_compression(host, site.compression)
    if site.error_pages:
        for namespace, values in error_pages(site.error_pages).items():
            host.metadata.filter_metadata[namespace].CopyFrom(values)
    return host


def _bare_host(site: Site) -> Any:
    host = route_components_pb2.VirtualHost(name=str(site.name), domains=site.hosts)
    host.routes.append(_trace_route(str(site.name)))
    if any(name.startswith("*") for name in site.hosts):
        host.routes.append(_comma_route(str(site.name)))
    return host


def _route(site: Site, route: Route, balancing: Mapping[OriginName, LoadBalancing]) -> Any:
    compiled = route_components_pb2.Route(
        name=str(route.id), match=compile_match(route.match), stat_prefix=str(site.name)
    )
    action = route.action
    match action:
        case Forward():
            compiled.route.CopyFrom(
                actions.forward(action, route.match.path, balancing[action.origin])
            )
            if action.rewrite is not None:
                filters.keep_path(compiled)
            if action.body_size_bytes_max:
                limit = body_limit(action.body_size_bytes_max)
                filters.enable(compiled, names.FILTER_BODY_LIMIT, limit)
            if action.grpc:
                filters.disable_compression(compiled, site.compression)
        case Redirect():
            compiled.redirect.CopyFrom(actions.redirect(action, route.match.path))
        case FixedResponse():
            compiled.direct_response.CopyFrom(actions.respond(action))
            if action.body:
                compiled.response_headers_to_add.append(
                    actions.header("content-type", action.content_type)
                )
    actions.apply_header_changes(compiled, "request", route.request_headers)
    actions.apply_header_changes(compiled, "response", route.response_headers)
    return compiled


def _unknown_host() -> Any:
    host = route_components_pb2.VirtualHost(name=names.UNKNOWN_HOST, domains=["*"])
    host.routes.append(_comma_route(names.UNKNOWN_HOST))
    host.routes.append(_answer(f"{names.UNKNOWN_HOST}/_any", 421, "Unknown host.\n"))
    return host


def _comma_route(host: str) -> Any:
    route = _answer(f"{host}/_comma", 400, "Bad host.\n")
    route.match.headers.append(header_is(":authority", string_pb2.StringMatcher(contains=",")))
    return route


def _trace_route(host: str) -> Any:
    """TRACE would show a client the headers that the edge adds for the origin (RFC 9110 9.3.8)."""
    route = _answer(f"{host}/_trace", 405, "Method not allowed.\n")
    route.match.headers.append(header_is(":method", string_pb2.StringMatcher(exact="TRACE")))
    return route


def _answer(name: str, status: int, text: str) -> Any:
    route = route_components_pb2.Route(name=name)
    route.match.prefix = "/"
    route.direct_response.status = status
    route.direct_response.body.CopyFrom(inline_text(text))
    return route
