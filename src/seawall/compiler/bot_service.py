"""The node's bot service, as Envoy reaches it, and what it must know of the sites.

Light on purpose: the node agent, which must stay small, uses this and not the filter itself.
"""

from dataclasses import dataclass
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2

from seawall import limits
from seawall.bots.policy import challenge_seconds
from seawall.compiler import names
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.wire import seconds
from seawall.model import RouteClass, Site


def service_route(site: Site) -> Any:
    """What a browser asks of the node's bot service while it is challenged."""
    route = route_components_pb2.Route(name=f"{site.name}{names.ROUTE_BOTS}")
    route.match.prefix = names.PATH_BOTS
    route.route.cluster = names.CLUSTER_BOTS
    route.route.timeout.CopyFrom(seconds(limits.BOT_SERVICE_TIMEOUT_S))
    # Bounds of its own, and no other meaning: neither kind of question waits behind the other.
    route.route.priority = base_pb2.HIGH
    return route


def bots_cluster(socket: str) -> Any:
    """The node's bot service as a cluster: a Unix socket, bounds, no second try."""
    cluster = cluster_pb2.Cluster(name=names.CLUSTER_BOTS, type=cluster_pb2.Cluster.STATIC)
    cluster.connect_timeout.CopyFrom(seconds(limits.BOT_SERVICE_CONNECT_TIMEOUT_S))
    asked = cluster.circuit_breakers.thresholds.add()
    asked.max_connections.value = limits.BOT_SERVICE_CONNECTIONS_MAX
    asked.max_pending_requests.value = limits.BOT_SERVICE_REQUESTS_MAX
    asked.max_requests.value = limits.BOT_SERVICE_REQUESTS_MAX
    # Browsers while they are challenged: see `service_route`.
    own = cluster.circuit_breakers.thresholds.add(priority=base_pb2.HIGH)
    own.max_connections.value = limits.BOT_SERVICE_BROWSER_CONNECTIONS_MAX
    own.max_pending_requests.value = limits.BOT_SERVICE_BROWSER_REQUESTS_MAX
    own.max_requests.value = limits.BOT_SERVICE_BROWSER_REQUESTS_MAX
    cluster.load_assignment.cluster_name = names.CLUSTER_BOTS
    endpoint = cluster.load_assignment.endpoints.add().lb_endpoints.add()
    endpoint.endpoint.address.pipe.path = socket
    return cluster


def drop_keys(host: Any) -> None:
    """Take the clearance keys out of a virtual host: a new key changes no site."""
    if names.FILTER_BOTS in host.metadata.filter_metadata:
        fields = host.metadata.filter_metadata[names.FILTER_BOTS].fields
        fields.pop(names.METADATA_CLEARANCE, None)


@dataclass(frozen=True, slots=True)
class Challenged:
    """What the bot service must know of one site.

    Attributes:
        hosts: as in the site file: exact, `*.example.com` or `*`.
        keys: as `keys_text` writes them. Private.
        clearance_s: how long a clearance is good.
        contact: where somebody who cannot pass may write.
    """

    hosts: tuple[str, ...]
    keys: str
    clearance_s: int
    contact: str = ""

    def __repr__(self) -> str:
        return f"Challenged({self.hosts}, {self.clearance_s} s)"


def challenged_sites(snapshot: Snapshot) -> tuple[Challenged, ...]:
    """The sites of a snapshot that clearances are granted for."""
    found: dict[tuple[str, ...], Challenged] = {}
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        for host in route_pb2.RouteConfiguration.FromString(resource.body).virtual_hosts:
            values = host.metadata.filter_metadata.get(names.FILTER_BOTS)
            if values is None or names.METADATA_CLEARANCE not in values.fields:
                continue
            text = values.fields[RouteClass.PAGE.value].string_value
            hosts = tuple(host.domains)
            keys = values.fields[names.METADATA_CLEARANCE].string_value
            contact = values.fields[names.METADATA_CONTACT].string_value
            found[hosts] = Challenged(hosts, keys, challenge_seconds(text), contact)
    return tuple(found.values())
