"""A request on the connection of another certificate is sent away with 421 (RFC 9110 15.5.20).

A client may reuse a connection for any host that the certificate covers (RFC 9113 9.1.1); what the
chain of one certificate lets in must not reach the routes of another. So each TLS chain leaves a
mark of its certificate slot on its connections, and each site's first routes ask for the mark of
its own. Envoy's matchers of filter state can be inverted for addresses only, so a mark is one: an
address that no network uses, made from the slot's name.

A mark is written once for a connection. The question is asked only where there is more than one
slot, and stands in the routes, so that a second certificate drains nobody. No mark, and so no
question, has a connection whose client named no server, or that came from a trusted proxy.
"""

import hashlib
import ipaddress
from typing import Any, Final

from envoy.config.core.v3 import extension_pb2, substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.formatter.cel.v3 import cel_pb2
from envoy.type.matcher.v3 import filter_state_pb2

from seawall.compiler import names
from seawall.compiler.wire import empty, inline_text, packed, set_newer_flag
from seawall.ids import CertificateName

_UNIQUE_LOCAL: Final = b"\xfd"
"""Begins addresses that are nobody's on the Internet (RFC 4193)."""
_ADDRESS_BYTES: Final = 16
_ADDRESS_BITS: Final = 128
_INVERT_FIELD: Final = 2
"""`AddressMatcher.invert_match`."""


def mark_of(certificate: CertificateName) -> str:
    """The mark of a certificate slot: an address; for two slots never the same."""
    digest = hashlib.sha256(certificate.encode()).digest()
    return str(ipaddress.IPv6Address(_UNIQUE_LOCAL + digest[: _ADDRESS_BYTES - 1]))


def marking_filter(certificate: CertificateName, *, named: bool) -> Any:
    """The network filter that leaves the mark of `certificate` on connections.

    Args:
        certificate: that the chain shows.
        named: only clients that named a server come here; else the others get no mark.
    """
    mark = mark_of(certificate)
    text = mark if named else f"%CEL(connection.requested_server_name == '' ? '' : '{mark}')%"
    value = value_pb2.FilterStateValue(
        object_key=names.STATE_CERTIFICATE,
        factory_key="envoy.network.ip",
        skip_if_empty=True,
        format_string=substitution_format_string_pb2.SubstitutionFormatString(
            text_format_source=inline_text(text), omit_empty_values=True
        ),
    )
    if not named:
        value.format_string.formatters.append(
            extension_pb2.TypedExtensionConfig(
                name="envoy.formatter.cel",
                typed_config=empty(cel_pb2.Cel.DESCRIPTOR.full_name),
            )
        )
    return listener_components_pb2.Filter(
        name="envoy.filters.network.set_filter_state",
        typed_config=packed(set_filter_state_pb2.Config(on_new_connection=[value])),
    )


def other_mark(certificate: CertificateName) -> Any:
    """Matches connections that bear the mark of another slot than `certificate`."""
    matcher = filter_state_pb2.FilterStateMatcher(key=names.STATE_CERTIFICATE)
    matcher.address_match.ranges.add(
        address_prefix=mark_of(certificate)
    ).prefix_len.value = _ADDRESS_BITS
    set_newer_flag(matcher.address_match, _INVERT_FIELD)
    return matcher


def drop_misdirected(host: Any) -> bool:
    """Take the question out of a virtual host; whether it was there."""
    found = [
        index
        for index, route in enumerate(host.routes)
        if route.name.endswith(names.ROUTE_MISDIRECTED)
    ]
    for index in found:
        del host.routes[index]
    return bool(found)
