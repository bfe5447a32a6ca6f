"""What must hold for every snapshot that may reach an Envoy, checked when made and when served.

The idea of go-control-plane's `Consistent()`: every reference inside a snapshot points at a
resource of the same snapshot, and nothing that Envoy would wait for is missing. It does not repeat
what Envoy itself checks; `envoy --mode validate` does that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf.message import DecodeError

from seawall import limits
from seawall.compiler import names
from seawall.compiler.chains import managers
from seawall.compiler.remember import Kept
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import InternalError, RefusedError

_CLASSES = {
    TypeUrl.BOOTSTRAP: bootstrap_pb2.Bootstrap,
    TypeUrl.SECRET: secret_pb2.Secret,
    TypeUrl.CLUSTER: cluster_pb2.Cluster,
    TypeUrl.LISTENER: listener_pb2.Listener,
    TypeUrl.ROUTES: route_pb2.RouteConfiguration,
    TypeUrl.RUNTIME: rtds_pb2.Runtime,
}
_UNNAMED = {TypeUrl.BOOTSTRAP}


Reference = tuple[TypeUrl, str]


class References:
    """What resources refer to. What snapshots that follow each other share is read once."""

    def __init__(self) -> None:
        self._of_resource = Kept(_references)
        self._of_host = Kept(_read_host)

    def begin(self) -> None:
        """Another snapshot is looked at."""
        self._of_resource.begin()
        self._of_host.begin()

    def of(self, resource: Resource) -> Iterable[Reference]:
        """As `_references`, of which it says the same.

        Raises:
            InternalError: the resource is not its type.
        """
        if resource.type_url is not TypeUrl.ROUTES:
            return self._of_resource(resource)
        try:
            hosts = [self._of_host(host) for host in resource.table.hosts]
        except (ValueError, DecodeError):
            raise _broken(f"{resource!r} is not a {resource.type_url.short}") from None
        return _of_routes(_parsed(resource, resource.table.rest), hosts)


def check(snapshot: Snapshot, known: References | None = None) -> None:
    """Refuse a snapshot that no Envoy should be given.

    Args:
        snapshot: all of it is looked at.
        known: what was read of snapshots before; without it nothing is.

    Raises:
        InternalError: a reference dangles, a set that must not be empty is, a body is not its
            type: a defect of the compiler, or a damaged bundle.
        RefusedError: the snapshot is larger than a bundle may be.
    """
    size = sum(len(resource.body) for resource in snapshot.resources)
    if size > limits.BUNDLE_SIZE_BYTES_MAX:
        raise RefusedError(
            "snapshot-too-large",
            f"The compiled configuration has {size:,} bytes; at most "
            f"{limits.BUNDLE_SIZE_BYTES_MAX:,} fit into one release.",
            remedy="Split the edge, or remove large error pages and fixed responses.",
        )
    if len(snapshot.by_key) != len(snapshot.resources):
        raise _broken("two resources share type and name")
    for type_url in (TypeUrl.BOOTSTRAP, TypeUrl.LISTENER, TypeUrl.ROUTES):
        if not snapshot.of_type(type_url):
            raise _broken(f"there is no {type_url.short}")
    if known is not None:
        known.begin()
    for resource in snapshot.resources:
        try:
            references = _references(resource) if known is None else known.of(resource)
            _check_references(resource, references, snapshot)
        except DecodeError:
            raise _broken(f"{resource!r} holds something that is not its type") from None


def _check_references(
    resource: Resource, references: Iterable[Reference], snapshot: Snapshot
) -> None:
    for type_url, name in references:
        if (type_url, name) not in snapshot.by_key:
            raise _broken(
                f"{resource.type_url.short} {resource.name!r} refers to "
                f"{type_url.short} {name!r}, which is not there"
            )


def _parsed(resource: Resource, body: bytes | None = None) -> Any:
    """The message of a resource, or what `body` says of it."""
    message_class = _CLASSES.get(resource.type_url)
    if message_class is None:
        raise _broken(f"nothing serves resources of type {resource.type_url.short}")
    try:
        message = message_class.FromString(resource.body if body is None else body)
    except DecodeError:
        raise _broken(f"{resource!r} is not a {resource.type_url.short}") from None
    if resource.type_url not in _UNNAMED and message.name != resource.name:
        raise _broken(f"{resource!r} is named {message.name!r} inside")
    return message


def _references(resource: Resource) -> tuple[Reference, ...]:
    message = _parsed(resource)
    match resource.type_url:
        case TypeUrl.BOOTSTRAP:
            layers = message.layered_runtime.layers
            named = [each.rtds_layer.name for each in layers if each.HasField("rtds_layer")]
            return tuple((TypeUrl.RUNTIME, name) for name in named)
        case TypeUrl.LISTENER:
            return tuple(_references_of_listener(message))
        case TypeUrl.ROUTES:
            return _of_routes(message, map(_needs, message.virtual_hosts))
        case TypeUrl.CLUSTER:
            if not any(locality.lb_endpoints for locality in message.load_assignment.endpoints):
                raise _broken(f"cluster {message.name!r} has no endpoint")
    return ()


def _references_of_listener(listener: Any) -> Iterator[Reference]:
    seen: set[bytes] = set()
    if not listener.filter_chains:
        raise _broken(f"listener {listener.name!r} has no filter chain")
    for chain in listener.filter_chains:
        for config in managers(chain):
            if config.value not in seen:
                seen.add(config.value)
                manager = hcm_pb2.HttpConnectionManager.FromString(config.value)
                yield TypeUrl.ROUTES, manager.rds.route_config_name
        if chain.HasField("transport_socket"):
            context = tls_pb2.DownstreamTlsContext.FromString(
                chain.transport_socket.typed_config.value
            )
            for secret in context.common_tls_context.tls_certificate_sds_secret_configs:
                yield TypeUrl.SECRET, secret.name


@dataclass(frozen=True, slots=True)
class _Needs:
    """Domains that no other virtual host of its table may serve, and the clusters it refers to."""

    domains: tuple[str, ...]
    clusters: frozenset[str]


def _read_host(body: bytes) -> _Needs:
    return _needs(route_components_pb2.VirtualHost.FromString(body))


def _needs(host: Any) -> _Needs:
    clusters = {route.route.cluster for route in host.routes if route.HasField("route")}
    return _Needs(tuple(host.domains), frozenset(clusters))


def _of_routes(configuration: Any, hosts: Iterable[_Needs]) -> tuple[Reference, ...]:
    """Of a route table.

    Args:
        configuration: what is said for all hosts.
        hosts: what each of them needs.
    """
    domains: set[str] = set()
    clusters: set[str] = set()
    empty = True
    for host in hosts:
        empty = False
        for domain in host.domains:
            if domain in domains:
                raise _broken(f"two virtual hosts serve {domain!r}")
            domains.add(domain)
        clusters |= host.clusters
    if empty:
        raise _broken(f"routes {configuration.name!r} have no virtual host")
    clusters.discard(names.CLUSTER_BOTS)  # of the node, not of the release
    return tuple((TypeUrl.CLUSTER, name) for name in sorted(clusters))


def _broken(what: str) -> InternalError:
    return InternalError(
        "snapshot-inconsistent",
        f"The compiled configuration is inconsistent: {what}.",
        remedy="This is a defect of Seawall or a damaged bundle: please report it.",
    )
