"""What an Envoy process is started with: the release's part of the bootstrap, and this node's.

The release's `Bootstrap` resource carries what only a new process can take (overload manager,
stats bounds, runtime layers). The node adds who it is and where it gets everything else: its id,
the admin socket, and delta ADS over the agent's socket. Protobuf defines that concatenated
messages merge, so the release's bytes are passed on untouched; the node's come last and win.
https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import RetryPolicy
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiConfigSource
from envoy.config.core.v3.config_source_pb2 import ApiVersion as Version
from envoy.extensions.network.dns_resolver.cares.v3.cares_dns_resolver_pb2 import (
    CaresDnsResolverConfig,
)
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.message import DecodeError

from seawall.compiler.bot_service import bots_cluster
from seawall.compiler.names import BOTS_SOCKET
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.errors import RefusedError
from seawall.ids import Digest, NodeName
from seawall.limits import XDS_MESSAGE_SIZE_BYTES_MAX, XDS_RECONNECT_MS_MAX, XDS_RECONNECT_MS_MIN
from seawall.node.dns.resolvers import Resolver

ADS_CLUSTER: Final = "seawall_ads"
"""Envoy's name for the agent; no compiled cluster may be called so."""
ADMIN_SOCKET: Final = "admin.sock"
ADS_SOCKET: Final = "../xds.sock"
"""Both relative to Envoy's working directory, the slot's: a socket path is at most 107 bytes."""
_ADMIN_MODE: Final = 0o600
_CARES: Final = "envoy.network.dns_resolver.cares"


def node_id(node: NodeName, slot: str) -> str:
    """What an Envoy calls itself towards the agent."""
    return f"{node}/{slot}"


def slot_in(node_id: str) -> str:
    """The slot in such a name. The node may be called otherwise by now, as after joining anew."""
    return node_id.rpartition("/")[2]


def released_part(snapshot: Snapshot) -> bytes:
    """The release's Bootstrap; empty when it has none."""
    return b"".join(resource.body for resource in snapshot.of_type(TypeUrl.BOOTSTRAP))


def released_digest(snapshot: Snapshot) -> Digest:
    """Names what only a new process can take: equal digests need no new Envoy."""
    return Digest(hashlib.sha256(released_part(snapshot)).hexdigest())


def bootstrap(snapshot: Snapshot, node: NodeName, slot: str) -> bytes:
    """The serialized Bootstrap for `envoy -c bootstrap.pb` in the slot's directory.

    Raises:
        RefusedError: the release's part is not a Bootstrap: joined, it would swallow the node's.
    """
    try:
        Bootstrap.FromString(released_part(snapshot))
    except DecodeError as error:
        raise RefusedError(
            "bootstrap-unreadable",
            "The release's bootstrap is not a Bootstrap message.",
            remedy="This is a defect of Seawall: please report it.",
        ) from error
    return released_part(snapshot) + _node_part(node, slot)


def resolvers_part(resolvers: Iterable[Resolver]) -> bytes:
    """What is added to a bootstrap so that Envoy asks these, in this order, for names of origins.

    Apart from `bootstrap`, since it is of the moment of a start. Empty without any: Envoy does then
    what the system does.
    """
    config = CaresDnsResolverConfig()
    for resolver in resolvers:
        address = config.resolvers.add().socket_address
        address.address, address.port_value = resolver.host, resolver.port
    if not config.resolvers:
        return b""
    message = Bootstrap()
    message.typed_dns_resolver_config.name = _CARES
    message.typed_dns_resolver_config.typed_config.Pack(config)
    return bytes(message.SerializeToString())


def names_port(content: bytes) -> int:
    """Where an Envoy with this bootstrap asks for names first; 0 for the system's resolvers."""
    config = CaresDnsResolverConfig()
    try:
        message = Bootstrap.FromString(content)
        message.typed_dns_resolver_config.typed_config.Unpack(config)
    except DecodeError:
        return 0
    first = next(iter(config.resolvers), None)
    return first.socket_address.port_value if first is not None else 0


def _node_part(node: NodeName, slot: str) -> bytes:
    message = Bootstrap()
    message.node.id = node_id(node, slot)
    message.node.cluster = "seawall"
    message.admin.address.pipe.path = ADMIN_SOCKET
    message.admin.address.pipe.mode = _ADMIN_MODE
    message.static_resources.clusters.append(_ads_cluster())
    message.static_resources.clusters.append(bots_cluster(BOTS_SOCKET))
    resources = message.dynamic_resources
    resources.ads_config.api_type = ApiConfigSource.DELTA_GRPC
    resources.ads_config.transport_api_version = Version.V3
    resources.ads_config.set_node_on_first_message_only = True
    service = resources.ads_config.grpc_services.add()
    service.envoy_grpc.cluster_name = ADS_CLUSTER
    service.envoy_grpc.max_receive_message_length.value = XDS_MESSAGE_SIZE_BYTES_MAX
    service.envoy_grpc.retry_policy.CopyFrom(_reconnect())
    for source in (resources.cds_config, resources.lds_config):
        source.ads.CopyFrom(AggregatedConfigSource())
        source.resource_api_version = Version.V3
    return bytes(message.SerializeToString())


def _reconnect() -> RetryPolicy:
    """How soon Envoy looks for a restarted agent; its default waits up to 30 s."""
    policy = RetryPolicy()
    policy.retry_back_off.base_interval.FromMilliseconds(XDS_RECONNECT_MS_MIN)
    policy.retry_back_off.max_interval.FromMilliseconds(XDS_RECONNECT_MS_MAX)
    return policy


def _ads_cluster() -> Cluster:
    cluster = Cluster(name=ADS_CLUSTER, type=Cluster.STATIC)
    cluster.connect_timeout.FromSeconds(1)
    options = HttpProtocolOptions()
    options.explicit_http_config.http2_protocol_options.SetInParent()
    cluster.typed_extension_protocol_options[
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    ].Pack(options)
    cluster.load_assignment.cluster_name = ADS_CLUSTER
    endpoint = cluster.load_assignment.endpoints.add().lb_endpoints.add()
    endpoint.endpoint.address.pipe.path = ADS_SOCKET
    return cluster
