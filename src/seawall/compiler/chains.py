"""The filter chains of a listener and the connection managers in them: one walk for all users."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from seawall.compiler.wire import packed


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


class Rewriter(ABC):
    """Rewrites listeners for an Envoy without a control plane, whose secrets are in its bootstrap.

    Equal connection managers and TLS contexts are rewritten once.

    Attributes:
        done: what was packed, by what it was made of.
    """

    def __init__(self) -> None:
        self.done: dict[bytes, Any] = {}

    def rewrite(self, listener: Any) -> None:
        """Every chain, in place."""
        for chain in filter_chains(listener):
            for config in managers(chain):
                config.CopyFrom(self.manager(config))
            if chain.HasField("transport_socket"):
                config = chain.transport_socket.typed_config
                config.CopyFrom(self._tls(config))

    @abstractmethod
    def manager(self, config: Any) -> Any:
        """The packed connection manager that takes the place of this one."""

    def _tls(self, config: Any) -> Any:
        if config.value not in self.done:
            context = tls_pb2.DownstreamTlsContext.FromString(config.value)
            for secret in context.common_tls_context.tls_certificate_sds_secret_configs:
                secret.ClearField("sds_config")
            self.done[config.value] = packed(context)
        return self.done[config.value]
