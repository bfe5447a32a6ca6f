"""Defences of a listener: what a connection may cost before it has said anything useful.

Decides buffers, accept pace and the time given to a handshake; adds the TLS inspector, which also
computes JA4. It must not choose addresses, certificates or filter chains.
"""

from typing import Any, Final

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2

from seawall import limits
from seawall.compiler.chains import filter_chains
from seawall.compiler.wire import packed, seconds, uint32
from seawall.model import EdgeLimits

TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"


def harden_listener(listener: Any, edge: EdgeLimits) -> None:
    """Set every defence on `listener`, in place; call it when its filter chains are complete.

    A listener whose chains terminate TLS gets the TLS inspector (server names, JA4) behind the
    listener filters it has, and a bound on the handshake of each chain.
    """
    listener.per_connection_buffer_limit_bytes.CopyFrom(
        uint32(limits.CONNECTION_BUFFER_SIZE_BYTES_MAX)
    )
    listener.tcp_backlog_size.CopyFrom(uint32(limits.TCP_BACKLOG_MAX))
    listener.max_connections_to_accept_per_socket_event.CopyFrom(
        uint32(limits.ACCEPTS_PER_WAKE_UP_MAX)
    )
    listener.listener_filters_timeout.CopyFrom(
        seconds(min(edge.header_timeout_s, limits.HANDSHAKE_TIMEOUT_S))
    )
    listener.continue_on_listener_filters_timeout = False
    encrypted = [chain for chain in filter_chains(listener) if chain.HasField("transport_socket")]
    for chain in encrypted:
        chain.transport_socket_connect_timeout.CopyFrom(
            seconds(min(edge.header_timeout_s, limits.HANDSHAKE_TIMEOUT_S))
        )
    if encrypted and all(present.name != TLS_INSPECTOR for present in listener.listener_filters):
        listener.listener_filters.append(_tls_inspector())


def _tls_inspector() -> Any:
    inspector = tls_inspector_pb2.TlsInspector(
        max_client_hello_size=uint32(limits.CLIENT_HELLO_SIZE_BYTES_MAX),
        # Every chain of such a listener speaks TLS, so what is not TLS has no business here.
        close_connection_on_client_hello_parsing_errors=True,
    )
    inspector.enable_ja4_fingerprinting.value = True
    return listener_components_pb2.ListenerFilter(
        name=TLS_INSPECTOR, typed_config=packed(inspector)
    )
