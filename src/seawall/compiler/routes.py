"""The two RouteConfigurations, `http` and `https`, that hold the virtual hosts of all sites.

All listeners of a kind share one RouteConfiguration, so a site is compiled once per kind and any
change of sites or routes is one RDS update that drains nobody. A host that no site has gets a 421.
"""

from collections.abc import Mapping

from envoy.config.route.v3 import route_components_pb2, route_pb2
from google.protobuf import wrappers_pb2

from seawall import limits
from seawall.compiler import hosts, names
from seawall.compiler.behind import Behind, behind_routes
from seawall.compiler.body_limit import limit_host
from seawall.compiler.bots import BotFilter
from seawall.compiler.compression import compress
from seawall.compiler.deny import Denials
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.compiler.wire import as_field, body_of
from seawall.ids import OriginName
from seawall.model import Edge, Site

_HTTPS_PORT = 443
_HTTP_PORT = 80
_VIRTUAL_HOSTS_FIELD = 2


def compile_routes(edge: Edge, behind: Mapping[OriginName, Behind]) -> list[Resource]:
    """The RouteConfigurations of the listeners that `edge` has.

    Args:
        edge: all of it.
        behind: what routes must know of its origins.

    Raises:
        RefusedError: address lists would stand in them too often.
    """
    denials = Denials(edge)
    denials.require_bounded()
    bots = BotFilter(edge)
    resources = []
    if edge.listen.http:
        bodies = []
        for site in edge.sites:
            redirects = site.redirect_to_https and site.certificate is not None
            port = _redirect_port(edge) if redirects else None
            if port is not None and not edge.trusted_proxies.cidrs:
                bodies.append(hosts.redirecting_host(site, port) + bots.of_nobody())
                continue
            body = hosts.host(
                site,
                behind_routes(site, behind),
                tls=False,
                keys=edge.clearance_keys,
                to_https=port,
            )
            bodies.append(body + bots.of_site(site))
        resources.append(_configuration(names.ROUTES_HTTP, edge.sites, bodies, denials, bots))
    sites = tuple(site for site in edge.sites if site.certificate is not None)
    if edge.listen.https and sites:
        alone = len({site.certificate for site in sites}) == 1
        bodies = [
            hosts.host(
                site, behind_routes(site, behind), tls=True, alone=alone, keys=edge.clearance_keys
            )
            + bots.of_site(site)
            for site in sites
        ]
        resources.append(_configuration(names.ROUTES_HTTPS, sites, bodies, denials, bots))
    return resources


def _configuration(
    name: str,
    sites: tuple[Site, ...],
    bodies: list[bytes],
    denials: Denials,
    bots: BotFilter,
) -> Resource:
    bodies = [body + denials.of_site(site) for site, body in zip(sites, bodies, strict=True)]
    if not any("*" in site.hosts for site in sites):
        bodies = [*bodies, body_of(_unknown_host()) + denials.of_nobody() + bots.of_nobody()]
    configuration = route_pb2.RouteConfiguration(
        name=name,
        ignore_port_in_host_matching=True,
        # The client's address is in x-forwarded-for; nobody asked for a second copy.
        request_headers_to_remove=["x-envoy-external-address"],
        # What an origin says of its own ports and protocols would lead browsers past the edge.
        response_headers_to_remove=["alt-svc"],
        # Without this a site's header would overwrite what one of its routes says.
        most_specific_header_mutations_wins=True,
        # Envoy's own bound is 4 KiB, which would refuse a body that the site file allows.
        max_direct_response_body_size_bytes=wrappers_pb2.UInt32Value(
            value=limits.RESPONSE_BODY_SIZE_BYTES_MAX
        ),
    )
    denials.write_table(configuration)
    bots.write_table(configuration)
    # The hosts are serialized already: joined as bytes, a thousand of them take no time.
    joined = b"".join(as_field(_VIRTUAL_HOSTS_FIELD, body) for body in bodies)
    return Resource(TypeUrl.ROUTES, name, body_of(configuration) + joined, "edge")


def _redirect_port(edge: Edge) -> int:
    """The port of https when the redirect must name it, else 0."""
    port = edge.listen.https[0].asked_port if edge.listen.https else _HTTPS_PORT
    if port == _HTTPS_PORT and all(one.asked_port == _HTTP_PORT for one in edge.listen.http):
        return 0
    return port


def _unknown_host() -> route_components_pb2.VirtualHost:
    host = route_components_pb2.VirtualHost(name=names.UNKNOWN_HOST, domains=["*"])
    compress(host, ())
    limit_host(host, 0)
    host.routes.append(hosts.one_host_route(names.UNKNOWN_HOST))
    host.routes.append(hosts.answer(f"{names.UNKNOWN_HOST}/_any", 421, "Unknown host.\n"))
    return host
