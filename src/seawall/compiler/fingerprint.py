"""A TLS connection's JA4, kept once for the connection where its requests can read it.

A request that came through a trusted proxy shows the proxy's handshake and not its client's, so
such connections keep none: absent.
"""

from typing import Any

from envoy.config.core.v3 import substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2

from seawall.compiler import names
from seawall.compiler.wire import inline_text, packed


def fingerprint_filter() -> Any:
    """The network filter that keeps the JA4 of a connection."""
    value = value_pb2.FilterStateValue(
        object_key=names.STATE_JA4,
        factory_key="envoy.string",
        skip_if_empty=True,
        format_string=substitution_format_string_pb2.SubstitutionFormatString(
            text_format_source=inline_text("%TLS_JA4_FINGERPRINT%"), omit_empty_values=True
        ),
    )
    return listener_components_pb2.Filter(
        name="envoy.filters.network.set_filter_state",
        typed_config=packed(set_filter_state_pb2.Config(on_new_connection=[value])),
    )
