"""Writes the release's id into the route tables, so that each access record names its release.

The id is no part of a snapshot: the same content released twice is one digest. It goes into the
metadata of every virtual host, which reaches Envoy over RDS and so never touches a listener.
"""

from typing import Final

from envoy.config.route.v3.route_pb2 import RouteConfiguration

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.ids import ReleaseId

NAMESPACE: Final = "seawall"
"""Of the metadata: `%METADATA(VIRTUAL_HOST:seawall:release)%` in the access log."""
KEY: Final = "release"


def stamp(snapshot: Snapshot, release: ReleaseId) -> Snapshot:
    """`snapshot` with `release` in the metadata of every virtual host; the rest is shared."""
    return Snapshot(
        tuple(
            _stamped(resource, release) if resource.type_url is TypeUrl.ROUTES else resource
            for resource in snapshot.resources
        )
    )


def _stamped(resource: Resource, release: ReleaseId) -> Resource:
    table = RouteConfiguration.FromString(resource.body)
    for host in table.virtual_hosts:
        host.metadata.filter_metadata[NAMESPACE].fields[KEY].string_value = release
    body = table.SerializeToString(deterministic=True)
    return Resource(resource.type_url, resource.name, body, resource.owner)
