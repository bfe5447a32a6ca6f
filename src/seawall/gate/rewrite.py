"""A snapshot made harmless: the same edge, but it can only talk to the taster and to the stub.

Pure. What is left as it is: routes, filters, certificates, limits, access logs and load balancing,
for these are what is tasted. What is replaced: where the edge listens (Unix sockets), what it calls
(every endpoint is the stub's Unix socket, in plain HTTP/1.1, without health checks), and where its
configuration comes from (files). Each listener begins with a PROXY protocol header, so that a
request keeps the client address it had. One more access log tells what was decided for each
request.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import config_source_pb2, substitution_format_string_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf import struct_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.bot_service import bots_cluster
from seawall.compiler.chains import Rewriter
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.wire import body_of, packed

BOOTSTRAP: Final = "bootstrap.pb"
CLUSTERS: Final = "clusters.pb"
LISTENERS: Final = "listeners.pb"
DECISIONS: Final = "decisions.ndjson"
MARK: Final = "seawall-taste"
"""The request header that carries a probe's number, to the stub and into the decisions."""
_PROXY_PROTOCOL: Final = "envoy.filters.listener.proxy_protocol"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SOCKET_MODE: Final = 0o600
_DECISION: Final = {
    "mark": f"%REQ({MARK})%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "bots": f"%DYNAMIC_METADATA({names.FILTER_BOTS}:{names.METADATA_DECISION})%",
}


@dataclass(frozen=True)
class Harmless:
    """What a sacrificial Envoy is started from.

    Attributes:
        files: content by name, for its private directory.
        sockets: by scheme (`http`, `https`), the names of the listeners' Unix sockets.
    """

    files: dict[str, bytes]
    sockets: dict[str, str]


def harmless(snapshot: Snapshot, stub: str, *, follows: bool = False) -> Harmless:
    """The files of a sacrificial Envoy.

    Args:
        snapshot: what shall be tasted.
        stub: path of the stub's Unix socket.
        follows: origins and listeners stand in files that Envoy follows while it runs. Whoever
            replaces such a file changes what the Envoy holds. All other files must not change.
    """
    base = snapshot.by_key.get((TypeUrl.BOOTSTRAP, names.BOOTSTRAP))
    bootstrap = bootstrap_pb2.Bootstrap.FromString(base.body if base else b"")
    static = bootstrap.static_resources
    for resource in snapshot.of_type(TypeUrl.SECRET):
        static.secrets.append(secret_pb2.Secret.FromString(resource.body))
    files: dict[str, bytes] = {}
    routes: dict[str, str] = {}
    for index, resource in enumerate(snapshot.of_type(TypeUrl.ROUTES)):
        routes[resource.name] = f"./routes-{index}.pb"
        files[f"routes-{index}.pb"] = _discovery(TypeUrl.ROUTES, resource.body)
    sockets: dict[str, str] = {}
    rewriter = _Listeners(routes)
    for resource in snapshot.of_type(TypeUrl.LISTENER):
        listener = listener_pb2.Listener.FromString(resource.body)
        scheme = listener.stat_prefix or listener.name.partition(" ")[0]
        if scheme in sockets:
            continue  # the same chains once more, on another address
        sockets[scheme] = f"{scheme}.sock"
        static.listeners.append(rewriter.listener(listener, sockets[scheme]))
    _inline_runtime(bootstrap, snapshot)
    bootstrap.ClearField("admin")
    clusters = [_cluster(resource.body, stub) for resource in snapshot.of_type(TypeUrl.CLUSTER)]
    clusters.append(body_of(bots_cluster(stub)))
    if follows:
        files |= _followed(bootstrap, clusters)
    else:
        for body in clusters:
            static.clusters.add().MergeFromString(body)
    files[BOOTSTRAP] = body_of(bootstrap)
    return Harmless(files, sockets)


def _followed(bootstrap: Any, clusters: list[bytes]) -> dict[str, bytes]:
    """Takes origins and listeners out of a bootstrap, and into files that it names."""
    static, dynamic = bootstrap.static_resources, bootstrap.dynamic_resources
    listeners = [body_of(each) for each in static.listeners]
    clusters = [*(body_of(each) for each in static.clusters), *clusters]
    static.ClearField("listeners")
    static.ClearField("clusters")
    for config, file in ((dynamic.cds_config, CLUSTERS), (dynamic.lds_config, LISTENERS)):
        config.path_config_source.path = f"./{file}"
        config.resource_api_version = "V3"
    return {
        CLUSTERS: _discovery(TypeUrl.CLUSTER, *clusters),
        LISTENERS: _discovery(TypeUrl.LISTENER, *listeners),
    }


def without_listeners(ready: Harmless) -> Harmless:
    """What is followed, before it is told to listen anywhere."""
    return Harmless({**ready.files, LISTENERS: _discovery(TypeUrl.LISTENER)}, ready.sockets)


def _inline_runtime(bootstrap: Any, snapshot: Snapshot) -> None:
    layers = {
        r.name: rtds_pb2.Runtime.FromString(r.body).layer for r in snapshot.of_type(TypeUrl.RUNTIME)
    }
    for layer in bootstrap.layered_runtime.layers:
        if layer.HasField("rtds_layer"):
            layer.static_layer.CopyFrom(layers.get(layer.rtds_layer.name, struct_pb2.Struct()))


# --- Origins --------------------------------------------------------------------------------------

_CLUSTER_NETWORK_FIELDS: Final = (
    "cluster_type",
    "dns_lookup_family",
    "dns_refresh_rate",
    "dns_jitter",
    "dns_failure_refresh_rate",
    "dns_resolution_config",
    "dns_resolvers",
    "typed_dns_resolver_config",
    "respect_dns_ttl",
    "use_tcp_for_dns_lookups",
    "wait_for_warm_on_init",
    "eds_cluster_config",
    "health_checks",
    "outlier_detection",
    "transport_socket",
    "transport_socket_matches",
    "upstream_bind_config",
    "upstream_connection_options",
    "upstream_config",
)
"""What of an origin concerns how it is found, reached and watched."""


@lru_cache(maxsize=limits.ORIGINS_MAX)
def _cluster(body: bytes, stub: str) -> bytes:
    cluster = cluster_pb2.Cluster.FromString(body)
    for name in _CLUSTER_NETWORK_FIELDS:
        cluster.ClearField(name)
    cluster.type = cluster_pb2.Cluster.STATIC
    endpoints = endpoint_pb2.ClusterLoadAssignment(cluster_name=cluster.name)
    address = endpoints.endpoints.add().lb_endpoints.add().endpoint.address
    address.pipe.path = stub
    cluster.load_assignment.CopyFrom(endpoints)
    options = cluster.typed_extension_protocol_options
    if _HTTP_OPTIONS in options:
        http = http_protocol_options_pb2.HttpProtocolOptions.FromString(
            options[_HTTP_OPTIONS].value
        )
        http.ClearField("upstream_protocol_options")
        http.ClearField("upstream_http_protocol_options")
        http.explicit_http_config.http_protocol_options.SetInParent()
        options[_HTTP_OPTIONS].CopyFrom(packed(http))
    return body_of(cluster)


# --- Listeners ------------------------------------------------------------------------------------


class _Listeners(Rewriter):
    """Has listeners read their routes from files, and write down what they decide."""

    def __init__(self, routes: dict[str, str]) -> None:
        super().__init__()
        self._routes = routes
        self._decisions = _decision_log()

    def listener(self, listener: Any, socket: str) -> Any:
        for name in ("additional_addresses", "socket_options", "enable_reuse_port"):
            listener.ClearField(name)
        listener.address.pipe.path = socket
        listener.address.pipe.mode = _SOCKET_MODE
        listener.enable_reuse_port.value = False
        kept = [f for f in listener.listener_filters if f.name != _PROXY_PROTOCOL]
        listener.ClearField("listener_filters")
        listener.listener_filters.add(
            name=_PROXY_PROTOCOL, typed_config=packed(proxy_protocol_pb2.ProxyProtocol())
        )
        listener.listener_filters.extend(kept)
        self.rewrite(listener)
        return listener

    def manager(self, config: Any) -> Any:
        if config.value not in self.done:
            manager = hcm_pb2.HttpConnectionManager.FromString(config.value)
            source = config_source_pb2.ConfigSource()
            source.path_config_source.path = self._routes[manager.rds.route_config_name]
            manager.rds.config_source.CopyFrom(source)
            manager.access_log.append(self._decisions)
            self.done[config.value] = packed(manager)
        return self.done[config.value]


def _decision_log() -> Any:
    record = struct_pb2.Struct()
    for key, command in _DECISION.items():
        record.fields[key].string_value = command
    logger = file_pb2.FileAccessLog(
        path=DECISIONS,
        log_format=substitution_format_string_pb2.SubstitutionFormatString(
            json_format=record, omit_empty_values=True
        ),
    )
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.file", typed_config=packed(logger))


def _discovery(kind: TypeUrl, *bodies: bytes) -> bytes:
    response = discovery_pb2.DiscoveryResponse(version_info="1")
    for body in bodies:
        response.resources.add(type_url=kind.value, value=body)
    return body_of(response)
