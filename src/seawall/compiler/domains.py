"""Which hosts the domains of a release take, as Envoy matches them. Pure.

https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-virtualhost
"""

import re
from collections.abc import Collection
from typing import Final

from envoy.config.route.v3.route_pb2 import RouteConfiguration

from seawall.compiler import names
from seawall.compiler.snapshot import Snapshot, TypeUrl

_PORT: Final = re.compile(r":[0-9]*$")


def takes(domain: str, hosts: Collection[str]) -> bool:
    """Whether a domain of a virtual host, or a server name of a chain, may take one of `hosts`.

    Args:
        domain: may begin or end with `*`.
        hosts: as of `without_port`.
    """
    domain = domain.lower()
    if domain.startswith("*"):
        return domain == "*" or any(host.endswith(domain[1:]) for host in hosts)
    if domain.endswith("*"):
        return any(host.startswith(domain[:-1]) for host in hosts)
    return domain in hosts


def without_port(host: str) -> str:
    """A host in lower case, as sites are chosen by."""
    return _PORT.sub("", host.lower())


def server_name(host: str) -> str:
    """What a client that asks for `host` names in its TLS handshake: no port, no brackets.

    https://www.rfc-editor.org/rfc/rfc6066#section-3
    """
    return without_port(host).strip("[]")


def without_site_over_tls(snapshot: Snapshot, hosts: Collection[str]) -> frozenset[str]:
    """Those of `hosts` that no site of the release has over TLS, so that no handshake is owed."""
    table = snapshot.by_key.get((TypeUrl.ROUTES, names.ROUTES_HTTPS))
    if table is None:
        return frozenset(hosts)
    found = RouteConfiguration.FromString(table.body).virtual_hosts
    domains = [
        domain for host in found if host.name != names.UNKNOWN_HOST for domain in host.domains
    ]
    return frozenset(
        host
        for host in hosts
        if not any(takes(domain, (without_port(host),)) for domain in domains)
    )
