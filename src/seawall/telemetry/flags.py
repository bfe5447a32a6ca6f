"""Envoy's response flags and response code details, in words, each with what to do about it.

Tables, but for the one detail that holds a name. The flags are all those Envoy 1.40 accepts in a
response-flag filter; the tests ask the Envoy binary itself for that list.

https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details
"""

from dataclasses import dataclass
from typing import Final

from seawall.telemetry.records import AccessRecord, shown

_STATUS: Final = "See `seawall status` for the health of the origin."
_ORIGIN_LOG: Final = "Look at the origin's own log around that time."


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a flag or detail says, as a sentence, and what to do; `remedy` may be empty."""

    words: str
    remedy: str = ""


FLAGS: Final = {
    "UH": Meaning("No endpoint of the origin was healthy.", _STATUS),
    "UF": Meaning(
        "No connection to the origin could be made.",
        "Check that the origin runs and can be reached from this machine; "
        + _STATUS[:1].lower()
        + _STATUS[1:],
    ),
    "UO": Meaning(
        "A circuit breaker of the origin was open: too many requests or connections to it were "
        "already in progress.",
        "Find out what slows the origin down, or raise its circuit_breaker.",
    ),
    "NR": Meaning(
        "No route of this edge matches this request.",
        "Compare the host, path and method with the site's routes (`seawall check`).",
    ),
    "URX": Meaning(
        "All attempts that the retry policy allows failed.",
        "Look at the origin's log and at `seawall status` for the reason.",
    ),
    "NC": Meaning(
        "The route's origin does not exist in Envoy.",
        "This is a defect of Seawall: please report it with this record.",
    ),
    "DT": Meaning(
        "The request took longer than allowed.",
        "If this route needs that long, raise its timeout.",
    ),
    "DC": Meaning("The client closed its connection before the response was complete."),
    "LH": Meaning("The edge fails health checks because it is draining."),
    "UT": Meaning(
        "The origin did not begin to answer within the route's timeout, or the per_try_timeout of "
        "its retries.",
        "Find out why the origin is slow, or raise the timeout (with retries, per_try_timeout "
        "too).",
    ),
    "LR": Meaning("The edge itself reset the connection to the origin.", _ORIGIN_LOG),
    "UR": Meaning("The origin reset the request.", _ORIGIN_LOG),
    "UC": Meaning(
        "The origin closed the connection before its response was complete.",
        "If this happens after idle periods, the origin's keep-alive timeout is shorter than "
        "the edge's: raise it. Otherwise look at the origin's own log.",
    ),
    "DI": Meaning("The request was delayed on purpose (fault injection)."),
    "FI": Meaning("The request was answered with an error on purpose (fault injection)."),
    "RL": Meaning(
        "A rate limit of the edge refused the request.",
        "If this was a legitimate client, raise the limit.",
    ),
    "UAEX": Meaning("An authorization service refused the request."),
    "RLSE": Meaning("The rate limit service failed, so the request was refused."),
    "IH": Meaning(
        "A header that is reserved for the edge had an invalid value.",
        "Such headers are removed on arrival. If the site file sets one, remove it there.",
    ),
    "SI": Meaning(
        "The stream was idle for longer than the route's idle_timeout.",
        "If pauses are normal for this route (streams, long polls), raise its idle_timeout.",
    ),
    "DPE": Meaning(
        "The client broke the HTTP protocol.",
        "Nothing to do, unless it is your own client.",
    ),
    "UPE": Meaning(
        "The origin broke the HTTP protocol.",
        "Look at what the origin sends: a malformed header, more than 100 headers or 80 KiB of "
        "them, `content-length` or `transfer-encoding` twice or both at once, a body with 204, or "
        "the wrong protocol for the port.",
    ),
    "UMSDR": Meaning(
        "The exchange with the origin took longer than allowed.",
        "If this route needs that long, raise its timeout.",
    ),
    "RFCF": Meaning("The response came from the cache."),
    "NFCF": Meaning(
        "A filter's configuration had not arrived, so the request could not be handled.",
        "This is a defect of Seawall: please report it with this record.",
    ),
    "OM": Meaning(
        "The edge was overloaded and shed the request.",
        "See memory and connections in `seawall status`; raise limits or add capacity.",
    ),
    "DF": Meaning(
        "The origin's name could not be resolved.",
        "Check the name in the site file and this machine's DNS.",
    ),
    "DO": Meaning("The request was dropped because the origin is overloaded.", _STATUS),
    "UDO": Meaning("The origin is set to drop every request."),
    "DR": Meaning("The client reset the request before the response was complete."),
}
"""Response flags, as in the field `flags`."""

SWITCHED: Final = 101
"""The status of a request that became a WebSocket, over HTTP/2 too."""
_ENDED_BY_CLIENT: Final = Meaning(
    "The client closed the upgraded connection. This is how a WebSocket normally ends."
)
_ENDED_BY_ORIGIN: Final = Meaning(
    "The origin closed the upgraded connection. A WebSocket that ends normally and one that "
    "breaks look the same here."
)
UPGRADED: Final = {
    "DC": _ENDED_BY_CLIENT,
    "DR": _ENDED_BY_CLIENT,
    "UC": _ENDED_BY_ORIGIN,
    "UR": _ENDED_BY_ORIGIN,
}
"""What flags say of such a request in place of what they say of others: nothing was cut off."""
BROKEN_OFF: Final = Meaning(
    "The origin closed the connection before its response was complete, or broke the HTTP "
    "protocol.",
    "Look at the origin's own log: it may have failed or restarted during the response.",
)
"""`UPE` after the response began: so Envoy also calls an HTTP/1.1 answer that is cut off."""

CUT_OFF: Final = Meaning(
    "The origin's response did not finish within the route's total_timeout, so it was cut off.",
    "Give downloads and event streams a route with `total_timeout: 0s`; idle_timeout still ends "
    "a stream without data.",
)
"""`UT` after the response began."""
CERTIFICATE_REFUSED: Final = "CERTIFICATE_VERIFY_FAILED"
"""In the reason behind a detail: the origin's certificate is not trusted, or for another name."""
UNTRUSTED: Final = Meaning(
    "The origin's certificate was not accepted.",
    "Compare it with `tls` of the origin: `ca` is the file with the authority that signed it, "
    "`sni` the name in it.",
)
DENIED: Final = "rbac_access_denied_matched_policy["
"""Begins the detail of a request from an address on a list; the list's name and `]` follow."""
NOBODY_LISTENS: Final = "Connection_refused"
"""In the reason behind a detail: no program has that port of that address."""
NOT_HERE: Final = Meaning(
    "Nothing listens on the origin's address.",
    "Check that the origin runs; see `seawall status` for its health. Envoy connects to the "
    "IPv4 address of a name such as `localhost`. If `ss -ltn` shows the origin on [::1] only, "
    "write `http://[::1]:PORT`.",
)
"""The same for an address of this machine."""
EXHAUSTED: Final = "URX"
"""The flag that says no more than that the last attempt failed too; why, another one says."""

DETAILS: Final = {
    "via_upstream": Meaning("The origin gave this answer."),
    "direct_response": Meaning("The edge answered this itself, as the route says."),
    "lua_response": Meaning("The bot filter answered this, as the site's bot policy says."),
    "route_not_found": FLAGS["NR"],
    "cluster_not_found": FLAGS["NC"],
    "no_healthy_upstream": FLAGS["UH"],
    "maintenance_mode": Meaning("The origin is set to drop requests."),
    "response_timeout": FLAGS["UT"],
    "upstream_response_timeout": FLAGS["UT"],
    "upstream_per_try_timeout": FLAGS["UT"],
    "upstream_max_stream_duration_reached": FLAGS["UMSDR"],
    "upstream_reset_before_response_started": Meaning(
        "The exchange with the origin broke before its response began."
    ),
    "upstream_reset_after_response_started": Meaning(
        "The exchange with the origin broke during its response, so the client got only part of "
        "it.",
        _ORIGIN_LOG,
    ),
    "stream_idle_timeout": FLAGS["SI"],
    "request_header_timeout": Meaning("The client was too slow to send its headers."),
    "request_overall_timeout": Meaning("The client was too slow to send its request."),
    "duration_timeout": FLAGS["DT"],
    "max_duration_timeout": FLAGS["DT"],
    "request_payload_too_large": Meaning(
        "The request body was larger than the route allows.",
        "If such bodies are legitimate, raise max_body of the site or route.",
    ),
    "request_payload_exceeded_retry_buffer_limit": Meaning(
        "An endpoint failed, and too much of the request body had arrived to send it again to "
        "another endpoint.",
        "Look at the endpoint that fails. With a `health_check`, Envoy stops using such an "
        "endpoint before requests reach it.",
    ),
    "response_payload_too_large": Meaning("The response was too large to be buffered."),
    "downstream_remote_disconnect": FLAGS["DC"],
    "downstream_local_disconnect": Meaning("The edge closed the client's connection."),
    "downstream_remote_reset": FLAGS["DR"],
    "missing_host_header": Meaning("The request had no Host header.", FLAGS["DPE"].remedy),
    "missing_path_rejected": Meaning("The request had no path.", FLAGS["DPE"].remedy),
    "absolute_path_rejected": Meaning("The request's path was malformed.", FLAGS["DPE"].remedy),
    "path_normalization_failed": Meaning(
        "The path held an escaped slash (`%2F` or `%5C`, shown here without the escape) or could "
        "not be made canonical.",
        "Paths with %2F or %5C are refused, since servers disagree about what they mean.",
    ),
    "low_version": Meaning("The client spoke HTTP/1.0 or older, which is refused."),
    "upgrade_failed": Meaning(
        "The client asked for a protocol upgrade that the route does not allow.",
        "For WebSockets write `websocket: true` on the route.",
    ),
    "websocket_handshake_unsuccessful": Meaning(
        "The client asked for a WebSocket, and the origin answered without opening one. Its "
        "status and headers were passed on, but not its body.",
        "Look at what the application answers on this path: it may require a login first, or "
        "not support WebSocket there.",
    ),
    "invalid_envoy_request_headers": FLAGS["IH"],
    "request_headers_failed_strict_check": FLAGS["IH"],
    "overload": FLAGS["OM"],
    "rate_limited": FLAGS["RL"],
    "local_rate_limited": FLAGS["RL"],
    "http1.codec_error": FLAGS["DPE"],
    "http1.headers_too_large": Meaning(
        "The request's headers were larger than the edge allows.",
        "If that is your own client, send less; the bound is limits: max_header_size.",
    ),
    "http2.header_list_size_too_large": Meaning(
        "The request's headers were larger than the edge allows.",
        "If that is your own client, send less; the bound is limits: max_header_size.",
    ),
    "http1.too_many_headers": Meaning(
        "The request had more headers than the edge allows.",
        "If that is your own client, send fewer; the bound is limits: max_headers.",
    ),
    "http2.too_many_headers": Meaning(
        "The request had more headers than the edge allows, where each cookie counts as one.",
        "If your site has so many cookies, or your own client so many headers, raise the bound, "
        "limits: max_headers.",
    ),
    "http1.unexpected_underscore": Meaning(
        "A header name held an underscore, which is refused.", "Use `-` in header names."
    ),
    "http2.unexpected_underscore": Meaning(
        "A header name held an underscore, which is refused.", "Use `-` in header names."
    ),
    "http1.content_length_and_chunked_not_allowed": Meaning(
        "The request had both Content-Length and Transfer-Encoding: a smuggling attempt, or a "
        "broken client.",
    ),
    "http1.invalid_transfer_encoding": Meaning(
        "The request's Transfer-Encoding is not one HTTP knows."
    ),
}
"""The part of `details` before any reason in braces."""


_TOO_SLOW: Final = 408


def ended_unsent(record: AccessRecord) -> bool:
    """Whether a request ended before it was sent on: its client had left, or was too slow."""
    return not record.attempts and (not record.status or record.status == _TOO_SLOW)


def denied(details: str) -> Meaning | None:
    """What is told of a request that an address list refused."""
    if not details.startswith(DENIED):
        return None
    name = shown(details.removeprefix(DENIED).rstrip("]"))
    return Meaning(
        f"The client's address is on the address list {name}, which the site denies.",
        f"If it should not be, remove it from the list {name}. In an emergency: `seawall kill "
        "deny-lists --reason WHY`.",
    )
