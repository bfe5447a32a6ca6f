"""The filter chains of a listener and the connection managers in them: one walk for all readers."""

from collections.abc import Iterator
from typing import Any

from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)


def filter_chains(listener: Any) -> Iterator[Any]:
    """Every chain of a listener, the default one last."""
    yield from listener.filter_chains
    if listener.HasField("default_filter_chain"):
        yield listener.default_filter_chain


def managers(chain: Any) -> Iterator[Any]:
    """The packed connection managers of a chain, in place; other network filters are left out."""
    for network_filter in chain.filters:
        if network_filter.typed_config.Is(hcm_pb2.HttpConnectionManager.DESCRIPTOR):
            yield network_filter.typed_config
