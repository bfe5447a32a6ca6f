"""What a snapshot holds, as names with fingerprints: the input of the mass-change guard.

A fingerprint changes exactly when the compiled thing changes. It is a hash, so contents can be
stored, compared and shown without any secret.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_pb2

from seawall.compiler import names
from seawall.compiler.bot_service import drop_keys
from seawall.compiler.deny import lists_in
from seawall.compiler.misdirected import drop_misdirected
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.wire import body_of

_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class Contents:
    """Names to fingerprints, by kind.

    Attributes:
        listeners: by resource name, for example `https 0.0.0.0:443`.
        sites: by site name, over both schemes.
        routes: by `SITE/ROUTE`, over both schemes.
        origins: by cluster name, without endpoints.
        endpoints: by `ORIGIN ADDRESS:PORT`.
        certificates: by slot.
        networks: of address lists, by `LIST NETWORK`; a network has nothing that could differ.
    """

    listeners: Mapping[str, str]
    sites: Mapping[str, str]
    routes: Mapping[str, str]
    origins: Mapping[str, str]
    endpoints: Mapping[str, str]
    certificates: Mapping[str, str]
    networks: Mapping[str, str]


def contents(snapshot: Snapshot) -> Contents:
    """Take `snapshot` apart."""
    sites: dict[str, bytes] = {}
    routes: dict[str, bytes] = {}
    networks: dict[str, str] = {}
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        configuration = route_pb2.RouteConfiguration.FromString(resource.body)
        for one, held in lists_in(configuration).items():
            networks |= {f"{one} {network}": "" for network in held}
        for host in configuration.virtual_hosts:
            if host.name == names.UNKNOWN_HOST:
                continue
            for route in host.routes:
                if "/_" in route.name:  # a guard that every host has, not of the site file
                    continue
                routes[route.name] = routes.get(route.name, b"") + body_of(route)
            drop_misdirected(host)
            host.typed_per_filter_config.pop(names.FILTER_DENY, None)
            drop_keys(host)
            sites[host.name] = sites.get(host.name, b"") + body_of(host)
    origins, endpoints = _origins(snapshot)
    return Contents(
        listeners={r.name: _print(r.body) for r in snapshot.of_type(TypeUrl.LISTENER)},
        sites={name: _print(body) for name, body in sites.items()},
        routes={name: _print(body) for name, body in routes.items()},
        origins=origins,
        endpoints=endpoints,
        networks=networks,
        certificates={r.name: _print(r.body) for r in snapshot.of_type(TypeUrl.SECRET)},
    )


def endpoint_text(member: Any) -> str:
    """`ADDRESS:PORT` of an `LbEndpoint`."""
    address = member.endpoint.address.socket_address
    host = f"[{address.address}]" if ":" in address.address else address.address
    return f"{host}:{address.port_value}"


def _origins(snapshot: Snapshot) -> tuple[dict[str, str], dict[str, str]]:
    origins: dict[str, str] = {}
    endpoints: dict[str, str] = {}
    for resource in snapshot.of_type(TypeUrl.CLUSTER):
        cluster = cluster_pb2.Cluster.FromString(resource.body)
        for locality in cluster.load_assignment.endpoints:
            for member in locality.lb_endpoints:
                name = f"{cluster.name} {endpoint_text(member)}"
                endpoints[name] = _print(bytes([locality.priority]) + body_of(member))
        cluster.ClearField("load_assignment")
        origins[cluster.name] = _print(body_of(cluster))
    return origins, endpoints


def _print(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_FINGERPRINT_DIGITS]
