"""Defences of the HTTP connection manager: what counts as one well-formed, honest request.

Decides the reading of requests (HTTP/1 and HTTP/2 strictness, paths, header bounds, timeouts) and
which client-sent headers never get past the door. It must not touch routes, filters or logs.

https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
"""

from typing import Any, Final

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import extension_pb2, protocol_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.type.matcher.v3 import string_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.wire import packed, seconds, uint32
from seawall.model import EdgeLimits

SERVER_NAME: Final = "seawall"
"""The `server` header of every answer: the origin's own would tell its version."""

CLIENT_PREFIXES_REMOVED: Final = ("x-envoy-", names.INTERNAL_HEADER_PREFIX)
"""Headers that steer Envoy (timeouts, retries, faults, debugging) or Seawall itself."""

FORWARDING_HEADERS_REMOVED: Final = (
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
)
"""What only a proxy in front of us may say. Applications believe these, so a client's own are lies.

`x-forwarded-for` and `x-forwarded-proto` are not listed: Envoy writes them itself.
"""

_ALIKE: Final = "x-"
_KIB: Final = 1024


def harden_http(hcm: Any, edge: EdgeLimits, *, tls: bool) -> None:
    """Set every defence on the connection manager `hcm`, in place.

    A connection manager that takes the client address from proxies (trusted hops or an original-IP
    extension, set before this call) keeps what such a proxy says about the request's origin.

    Args:
        hcm: an `HttpConnectionManager`.
        edge: bounds from the site file.
        tls: the connection manager stands behind TLS termination.
    """
    behind_proxy = bool(hcm.xff_num_trusted_hops or hcm.original_ip_detection_extensions)
    if not hcm.original_ip_detection_extensions:
        hcm.use_remote_address.value = True  # Envoy refuses it together with an extension
    _bound_requests(hcm, edge)
    _normalise_paths(hcm)
    _http1(hcm)
    _http2(hcm, edge)
    _distrust_headers(hcm, behind_proxy=behind_proxy)
    # Over HTTP/2 a client says any scheme, and an HTTP/2 origin, the bot filter and the names of
    # our cookies go by it. Before a plain port a proxy that is trusted may have ended TLS.
    if tls or not behind_proxy:
        hcm.scheme_header_transformation.scheme_to_overwrite = "https" if tls else "http"


def _bound_requests(hcm: Any, edge: EdgeLimits) -> None:
    common = hcm.common_http_protocol_options
    common.max_headers_count.CopyFrom(uint32(edge.headers_max))
    common.headers_with_underscores_action = protocol_pb2.HttpProtocolOptions.REJECT_REQUEST
    common.idle_timeout.CopyFrom(seconds(edge.idle_timeout_s))
    hcm.max_request_headers_kb.CopyFrom(uint32(max(1, edge.header_size_bytes_max // _KIB)))
    hcm.request_headers_timeout.CopyFrom(seconds(edge.header_timeout_s))
    if edge.request_timeout_s:
        hcm.request_timeout.CopyFrom(seconds(edge.request_timeout_s))
    hcm.stream_idle_timeout.CopyFrom(seconds(edge.idle_timeout_s))
    hcm.delayed_close_timeout.CopyFrom(seconds(limits.DELAYED_CLOSE_TIMEOUT_S))
    hcm.drain_timeout.CopyFrom(seconds(limits.CONNECTION_DRAIN_TIMEOUT_S))
    hcm.stream_error_on_invalid_http_message.value = False


def _normalise_paths(hcm: Any) -> None:
    """One spelling per path, so that a rule for `/admin` cannot be walked around.

    RFC 3986 section 6.2.2 normalisation, dot segments resolved, `//` merged; an encoded slash or
    backslash is refused because servers disagree on what it means.
    """
    manager = hcm_pb2.HttpConnectionManager
    hcm.normalize_path.value = True
    hcm.merge_slashes = True
    hcm.path_with_escaped_slashes_action = manager.REJECT_REQUEST


def _http1(hcm: Any) -> None:
    """RFC 9112 strictly: no HTTP/1.0, no Content-Length beside Transfer-Encoding, no new methods.

    An absolute-form target is accepted, as RFC 9112 section 3.2.2 demands, and its host replaces
    the Host header, so routing and origin see the same one.
    """
    http1 = hcm.http_protocol_options
    http1.allow_absolute_url.value = True
    http1.accept_http_10 = False
    http1.allow_chunked_length = False
    http1.allow_custom_methods = False
    http1.override_stream_error_on_invalid_http_message.value = False


def _http2(hcm: Any, edge: EdgeLimits) -> None:
    """Bounds on frames that cost us more than the client (CVE-2019-9511 to 9518, 2023-44487)."""
    http2 = hcm.http2_protocol_options
    http2.max_concurrent_streams.CopyFrom(uint32(edge.http2_streams_max))
    http2.initial_stream_window_size.CopyFrom(uint32(limits.HTTP2_STREAM_WINDOW_BYTES))
    http2.initial_connection_window_size.CopyFrom(uint32(limits.HTTP2_CONNECTION_WINDOW_BYTES))
    http2.hpack_table_size.CopyFrom(uint32(limits.HTTP2_HPACK_TABLE_SIZE_BYTES_MAX))
    http2.max_outbound_frames.CopyFrom(uint32(limits.HTTP2_OUTBOUND_FRAMES_MAX))
    http2.max_outbound_control_frames.CopyFrom(uint32(limits.HTTP2_OUTBOUND_CONTROL_FRAMES_MAX))
    http2.max_consecutive_inbound_frames_with_empty_payload.CopyFrom(
        uint32(limits.HTTP2_EMPTY_FRAMES_MAX)
    )
    http2.max_inbound_priority_frames_per_stream.CopyFrom(
        uint32(limits.HTTP2_PRIORITY_FRAMES_PER_STREAM_MAX)
    )
    http2.max_inbound_window_update_frames_per_data_frame_sent.CopyFrom(
        uint32(limits.HTTP2_WINDOW_UPDATES_PER_DATA_FRAME_MAX)
    )
    http2.override_stream_error_on_invalid_http_message.value = False
    # WebSockets over HTTP/2 (RFC 8441); only routes that allow the upgrade accept one.
    http2.allow_connect = True


def _distrust_headers(hcm: Any, *, behind_proxy: bool) -> None:
    manager = hcm_pb2.HttpConnectionManager
    # No client is "internal" because of its address: nobody gets to steer Envoy by x-envoy-*.
    # Left empty, Envoy takes private and loopback addresses; broadcast is never a source.
    hcm.internal_address_config.cidr_ranges.add(
        address_prefix="255.255.255.255"
    ).prefix_len.value = 32
    hcm.forward_client_cert_details = manager.SANITIZE
    hcm.generate_request_id.value = True
    hcm.preserve_external_request_id = False
    hcm.always_set_request_id_in_response = True
    hcm.server_name = SERVER_NAME
    hcm.server_header_transformation = manager.OVERWRITE
    dropped = [f"{prefix}.*" for prefix in CLIENT_PREFIXES_REMOVED]
    if not behind_proxy:
        dropped += FORWARDING_HEADERS_REMOVED
    if hcm.original_ip_detection_extensions:
        # Envoy keeps a request id that comes with a detected address; ours must be unique.
        dropped.append("x-request-id")
    hcm.early_header_mutation_extensions.append(
        extension_pb2.TypedExtensionConfig(
            name="seawall.distrust",
            typed_config=packed(_removal(dropped)),
        )
    )


def _removal(names_or_patterns: list[str]) -> Any:
    """One pass over the request's headers: less than half the cost of a removal for each name.

    Nearly all of them begin alike. RE2 compares an anchored beginning before it runs anything, so
    that an ordinary header costs two bytes. What begins otherwise has a place of its own in Envoy
    (`bootstrap.OFTEN_LOOKED_UP`), and no pass is made for it.
    """
    alike = [p.removeprefix(_ALIKE) for p in names_or_patterns if p.startswith(_ALIKE)]
    pattern = string_pb2.StringMatcher()
    pattern.safe_regex.regex = f"^{_ALIKE}(?:{'|'.join(alike)})"
    mutation = mutation_rules_pb2.HeaderMutation
    others = [name for name in names_or_patterns if not name.startswith(_ALIKE)]
    return header_mutation_pb2.HeaderMutation(
        mutations=[
            mutation(remove_on_match=mutation.RemoveOnMatch(key_matcher=pattern)),
            *(mutation(remove=name) for name in others),
        ]
    )
