"""What the node adds to a release before Envoy gets it: its id, and shared session tickets.

The id is no part of a snapshot: the same content released twice is one digest. It goes into the
metadata of every virtual host, which reaches Envoy over RDS and so never touches a listener; each
access record names it. Every TLS context gets a reference to the node's ticket keys, so that a
session begun with one of its Envoys goes on with any other. The same stamp is put on for every
slot: what differs between slots lies in their directories.
"""

from typing import Final

from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import as_field, body_of, from_ads
from seawall.ids import ReleaseId
from seawall.node.tickets import PLACEHOLDER, TICKETS

NAMESPACE: Final = "seawall"
"""Of the metadata: `%METADATA(VIRTUAL_HOST:seawall:release)%` in the access log."""
KEY: Final = "release"


_CONTEXT: Final = DownstreamTlsContext.DESCRIPTOR.full_name
_KEYS_FIELD: Final = 5
"""`session_ticket_keys_sds_secret_config`."""
_KEYS: Final = as_field(_KEYS_FIELD, body_of(SdsSecretConfig(name=TICKETS, sds_config=from_ads())))
"""Protobuf joins concatenated messages, so a context is not parsed to be told of its keys."""


def stamp(snapshot: Snapshot, release: ReleaseId) -> Snapshot:
    """`snapshot` with `release` in every virtual host and ticket keys in every TLS context."""
    resources = [_stamped(resource, release) for resource in snapshot.resources]
    pairs = zip(resources, snapshot.resources, strict=True)
    if any(old.type_url is TypeUrl.LISTENER and new is not old for new, old in pairs):
        resources.append(PLACEHOLDER)
    return Snapshot.of(resources)


def _stamped(resource: Resource, release: ReleaseId) -> Resource:
    if resource.type_url is TypeUrl.ROUTES:
        return _with_id(resource, release)
    if resource.type_url is TypeUrl.LISTENER:
        return _with_keys(resource)
    return resource


def _with_id(resource: Resource, release: ReleaseId) -> Resource:
    table = RouteConfiguration.FromString(resource.body)
    for host in table.virtual_hosts:
        host.metadata.filter_metadata[NAMESPACE].fields[KEY].string_value = release
    body = table.SerializeToString(deterministic=True)
    return Resource(resource.type_url, resource.name, body, resource.owner)


def _with_keys(resource: Resource) -> Resource:
    listener = Listener.FromString(resource.body)
    encrypted = False
    for chain in listener.filter_chains:
        config = chain.transport_socket.typed_config
        if config.type_url.endswith(_CONTEXT):
            config.value += _KEYS
            encrypted = True
    if not encrypted:
        return resource
    return Resource(resource.type_url, resource.name, body_of(listener), resource.owner)
