"""What a snapshot holds, as names with fingerprints: the input of the mass-change guard.

A fingerprint changes exactly when the compiled thing changes. It is a hash, so contents can be
stored, compared and shown without any secret.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2

from seawall.compiler import names
from seawall.compiler.bot_service import drop_keys
from seawall.compiler.deny import lists_held
from seawall.compiler.misdirected import drop_misdirected
from seawall.compiler.remember import Kept
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
    return Reader().contents(snapshot)


class Reader:
    """Takes snapshots apart; of two that follow each other, what they share is read once."""

    def __init__(self) -> None:
        self._hosts = Kept(_host)
        self._origins = Kept(_origin)

    def contents(self, snapshot: Snapshot) -> Contents:
        """What `snapshot` holds."""
        self._hosts.begin()
        self._origins.begin()
        sites: dict[str, str] = {}
        routes: dict[str, str] = {}
        networks: dict[str, str] = {}
        for resource in snapshot.of_type(TypeUrl.ROUTES):
            for one, held in lists_held(resource.table).items():
                networks |= {f"{one} {network}": "" for network in held}
            for body in resource.table.hosts:
                host = self._hosts(body)
                if host.name != names.UNKNOWN_HOST:
                    _add(sites, ((host.name, host.text),))
                    _add(routes, host.routes)
        origins: dict[str, str] = {}
        endpoints: dict[str, str] = {}
        for resource in snapshot.of_type(TypeUrl.CLUSTER):
            origin = self._origins(resource.body)
            origins[origin.name] = origin.text
            endpoints.update(origin.endpoints)
        return Contents(
            listeners={r.name: _print(r.body) for r in snapshot.of_type(TypeUrl.LISTENER)},
            sites=sites,
            routes=routes,
            origins=origins,
            endpoints=endpoints,
            networks=networks,
            certificates={r.name: _print(r.body) for r in snapshot.of_type(TypeUrl.SECRET)},
        )


_Prints = tuple[tuple[str, str], ...]
"""Names and fingerprints."""


@dataclass(frozen=True, slots=True)
class _Host:
    """A site in one route table."""

    name: str
    text: str
    routes: _Prints


@dataclass(frozen=True, slots=True)
class _Origin:
    name: str
    text: str
    endpoints: _Prints


def _add(found: dict[str, str], prints: _Prints) -> None:
    """Over both schemes: what is in two tables has the fingerprint of both."""
    for name, text in prints:
        other = found.get(name)
        found[name] = text if other is None else _print(f"{other} {text}".encode())


def _host(body: bytes) -> _Host:
    host = route_components_pb2.VirtualHost.FromString(body)
    routes: dict[str, str] = {}
    # "/_" begins a guard that every host has, not one of the site file.
    _add(routes, tuple((r.name, _print(body_of(r))) for r in host.routes if "/_" not in r.name))
    drop_misdirected(host)
    host.typed_per_filter_config.pop(names.FILTER_DENY, None)
    drop_keys(host)
    return _Host(host.name, _print(body_of(host)), tuple(routes.items()))


def endpoint_text(member: Any) -> str:
    """`ADDRESS:PORT` of an `LbEndpoint`."""
    address = member.endpoint.address.socket_address
    host = f"[{address.address}]" if ":" in address.address else address.address
    return f"{host}:{address.port_value}"


def _origin(body: bytes) -> _Origin:
    cluster = cluster_pb2.Cluster.FromString(body)
    endpoints: dict[str, str] = {}
    for locality in cluster.load_assignment.endpoints:
        for member in locality.lb_endpoints:
            name = f"{cluster.name} {endpoint_text(member)}"
            endpoints[name] = _print(bytes([locality.priority]) + body_of(member))
    cluster.ClearField("load_assignment")
    return _Origin(cluster.name, _print(body_of(cluster)), tuple(endpoints.items()))


def _print(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_FINGERPRINT_DIGITS]
