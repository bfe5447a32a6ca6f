"""Addresses for many nodes on one machine: each takes its own of the loopback network.

A release names one address for all nodes, as a fleet behind a load balancer does. In a drill every
node listens on an address of its own instead (Linux answers on all of 127.0.0.0/8).
"""

import socket
from typing import Final

from envoy.config.listener.v3 import listener_pb2

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import body_of

WRITTEN: Final = "127.0.0.1"
"""What the site file of a drill says."""


def address_of(node: int) -> str:
    """The address of a node, counted from 0."""
    return f"127.77.{node // 250}.{node % 250 + 1}"


def free_port() -> int:
    """A port that no node's address has taken."""
    with socket.socket() as probe:
        probe.bind((address_of(0), 0))
        return int(probe.getsockname()[1])


def rehosted(snapshot: Snapshot, address: str) -> Snapshot:
    """`snapshot` listening on `address` wherever it says 127.0.0.1."""
    return Snapshot(
        tuple(
            _rehosted(resource, address) if resource.type_url is TypeUrl.LISTENER else resource
            for resource in snapshot.resources
        )
    )


def _rehosted(resource: Resource, address: str) -> Resource:
    listener = listener_pb2.Listener.FromString(resource.body)
    if listener.address.socket_address.address != WRITTEN:
        return resource
    listener.address.socket_address.address = address
    return Resource(resource.type_url, resource.name, body_of(listener), resource.owner)
