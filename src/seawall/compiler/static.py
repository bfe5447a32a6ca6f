"""A snapshot as one static bootstrap: for `envoy --mode validate` and for tests.

Everything that would arrive over ADS is written in place: routes into the connection managers,
secrets and clusters into the static resources, the runtime layer as a static layer. The result
needs no control plane, and Envoy checks it exactly as it would check the parts.
"""

from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.runtime.v3 import rtds_pb2

from seawall.compiler import names
from seawall.compiler.bot_service import bots_cluster
from seawall.compiler.chains import Rewriter
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.wire import body_of, packed

_ADMIN_MODE = 0o600


def static_bootstrap(
    snapshot: Snapshot, *, admin_path: str | None, every_chain: bool = True
) -> bytes:
    """A serialized `Bootstrap` that holds all of `snapshot`.

    Args:
        snapshot: what to inline.
        admin_path: path of a Unix socket for admin; None leaves admin off.
        every_chain: write the routes into every filter chain, so that all of them serve. False
            writes them into one chain only: enough to validate them, and a thousand
            certificates then do not hold a thousand copies of all routes.
    """
    base = snapshot.by_key.get((TypeUrl.BOOTSTRAP, names.BOOTSTRAP))
    bootstrap = bootstrap_pb2.Bootstrap.FromString(base.body if base else b"")
    static = bootstrap.static_resources
    for resource in snapshot.of_type(TypeUrl.CLUSTER):
        static.clusters.append(cluster_pb2.Cluster.FromString(resource.body))
    static.clusters.append(bots_cluster(names.BOTS_SOCKET))
    for resource in snapshot.of_type(TypeUrl.SECRET):
        static.secrets.append(secret_pb2.Secret.FromString(resource.body))
    inliner = _Inliner(snapshot, every_chain=every_chain)
    for resource in snapshot.of_type(TypeUrl.LISTENER):
        static.listeners.append(inliner.listener(resource.body))
    _inline_runtime(bootstrap, snapshot)
    if admin_path is not None:
        bootstrap.admin.address.pipe.path = admin_path
        bootstrap.admin.address.pipe.mode = _ADMIN_MODE
    return body_of(bootstrap)


class _Inliner(Rewriter):
    """Writes what would come by discovery into listeners."""

    def __init__(self, snapshot: Snapshot, *, every_chain: bool) -> None:
        super().__init__()
        self._every_chain = every_chain
        self._written: set[str] = set()
        self._routes = {
            r.name: route_pb2.RouteConfiguration.FromString(r.body)
            for r in snapshot.of_type(TypeUrl.ROUTES)
        }

    def listener(self, body: bytes) -> Any:
        listener = listener_pb2.Listener.FromString(body)
        self.rewrite(listener)
        return listener

    def manager(self, config: Any) -> Any:
        manager = hcm_pb2.HttpConnectionManager.FromString(config.value)
        name = manager.rds.route_config_name
        once_more = name in self._written and not self._every_chain
        key = config.value + (b"bare" if once_more else b"")
        if key not in self.done:
            routes = self._routes[name]
            if once_more:
                routes = route_pb2.RouteConfiguration(name=name)
            manager.route_config.CopyFrom(routes)
            self._written.add(name)
            self.done[key] = packed(manager)
        return self.done[key]


def _inline_runtime(bootstrap: Any, snapshot: Snapshot) -> None:
    layers = {
        r.name: rtds_pb2.Runtime.FromString(r.body).layer for r in snapshot.of_type(TypeUrl.RUNTIME)
    }
    for layer in bootstrap.layered_runtime.layers:
        if layer.HasField("rtds_layer"):
            layer.static_layer.CopyFrom(layers[layer.rtds_layer.name])
