"""What must hold for every snapshot that may reach an Envoy, checked when made and when served.

The idea of go-control-plane's `Consistent()`: every reference inside a snapshot points at a
resource of the same snapshot, and nothing that Envoy would wait for is missing. It does not repeat
what Envoy itself checks; `envoy --mode validate` does that.
"""

from collections.abc import Iterator
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf.message import DecodeError

from seawall import limits
from seawall.compiler import names
from seawall.compiler.chains import managers
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


def check(snapshot: Snapshot) -> None:
    """Refuse a snapshot that no Envoy should be given.

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
    for resource in snapshot.resources:
        try:
            _check_references(resource, snapshot)
        except DecodeError:
            raise _broken(f"{resource!r} holds something that is not its type") from None


def _check_references(resource: Resource, snapshot: Snapshot) -> None:
    for type_url, name in _references(resource.type_url, _parsed(resource)):
        if (type_url, name) not in snapshot.by_key:
            raise _broken(
                f"{resource.type_url.short} {resource.name!r} refers to "
                f"{type_url.short} {name!r}, which is not there"
            )


def _parsed(resource: Resource) -> Any:
    message_class = _CLASSES.get(resource.type_url)
    if message_class is None:
        raise _broken(f"nothing serves resources of type {resource.type_url.short}")
    try:
        message = message_class.FromString(resource.body)
    except DecodeError:
        raise _broken(f"{resource!r} is not a {resource.type_url.short}") from None
    if resource.type_url not in _UNNAMED and message.name != resource.name:
        raise _broken(f"{resource!r} is named {message.name!r} inside")
    return message


def _references(type_url: TypeUrl, message: Any) -> Iterator[tuple[TypeUrl, str]]:
    match type_url:
        case TypeUrl.BOOTSTRAP:
            for layer in message.layered_runtime.layers:
                if layer.HasField("rtds_layer"):
                    yield TypeUrl.RUNTIME, layer.rtds_layer.name
        case TypeUrl.LISTENER:
            yield from _references_of_listener(message)
        case TypeUrl.ROUTES:
            if not message.virtual_hosts:
                raise _broken(f"routes {message.name!r} have no virtual host")
            yield from _references_of_routes(message)
        case TypeUrl.CLUSTER:
            if not any(locality.lb_endpoints for locality in message.load_assignment.endpoints):
                raise _broken(f"cluster {message.name!r} has no endpoint")
        case _:
            pass


def _references_of_listener(listener: Any) -> Iterator[tuple[TypeUrl, str]]:
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


def _references_of_routes(configuration: Any) -> Iterator[tuple[TypeUrl, str]]:
    domains: set[str] = set()
    clusters: set[str] = set()
    for host in configuration.virtual_hosts:
        for domain in host.domains:
            if domain in domains:
                raise _broken(f"two virtual hosts serve {domain!r}")
            domains.add(domain)
        clusters.update(route.route.cluster for route in host.routes if route.HasField("route"))
    clusters.discard(names.CLUSTER_BOTS)  # of the node, not of the release
    for name in sorted(clusters):
        yield TypeUrl.CLUSTER, name


def _broken(what: str) -> InternalError:
    return InternalError(
        "snapshot-inconsistent",
        f"The compiled configuration is inconsistent: {what}.",
        remedy="This is a defect of Seawall or a damaged bundle: please report it.",
    )
