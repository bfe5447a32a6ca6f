"""What a route does: forward, redirect, answer; with rewrites, retries and header changes.

Values of header changes are literal: a `%` of the site file is escaped, so that it never becomes
an Envoy format command.
"""

import base64
import re
from typing import Any, Final

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2

from seawall.compiler import names
from seawall.compiler.behind import Behind
from seawall.compiler.retries import retry_policy
from seawall.compiler.wire import flag, inline_text, seconds, set_seconds
from seawall.model import (
    BalanceBy,
    FixedResponse,
    Forward,
    HeaderChanges,
    LoadBalancing,
    PathMatch,
    PathPrefix,
    Redirect,
    RouteMatch,
)

_APPEND = base_pb2.HeaderValueOption.HeaderAppendAction
REPLACE: Final = _APPEND.OVERWRITE_IF_EXISTS_OR_ADD
"""How a header edit takes the place of what is there."""
_WEBSOCKET_KEY = base64.b64encode(bytes(16)).decode()
_FRAGMENT: Final = "%RESP(LOCATION)%#"
_CODE = route_components_pb2.RedirectAction.RedirectResponseCode
_REDIRECT_CODES = {
    301: _CODE.MOVED_PERMANENTLY,
    302: _CODE.FOUND,
    303: _CODE.SEE_OTHER,
    307: _CODE.TEMPORARY_REDIRECT,
    308: _CODE.PERMANENT_REDIRECT,
}


def apply_header_changes(target: Any, side: str, changes: HeaderChanges) -> None:
    """Write `changes` into a virtual host or route; `side` is `request` or `response`."""
    to_add = getattr(target, f"{side}_headers_to_add")
    for name, value in changes.set:
        to_add.append(header(name, value))
    for name, value in getattr(changes, "set_if_absent", ()):
        to_add.append(header(name, value, _APPEND.ADD_IF_ABSENT))
    for name, value in changes.add:
        to_add.append(header(name, value, _APPEND.APPEND_IF_EXISTS_OR_ADD))
    getattr(target, f"{side}_headers_to_remove").extend(changes.remove)


def header(name: str, value: str, action: int = REPLACE) -> Any:
    """One literal header edit."""
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=name, value=value.replace("%", "%%")),
        append_action=action,
        keep_empty_value=not value,
    )


def websocket_key() -> Any:
    """The key that a WebSocket over HTTP/2 comes without, and that HTTP/1.1 servers ask for.

    It only proves to a client that the server knows the protocol, and a client over HTTP/2 does not
    look (RFC 8441 section 5), so that one key does for all.
    """
    return header("sec-websocket-key", _WEBSOCKET_KEY, _APPEND.ADD_IF_ABSENT)


def forward(
    compiled: Any,
    action: Forward,
    matched: RouteMatch,
    behind: Behind | None = None,
    *,
    tell_host: bool = True,
) -> None:
    """Fill in the `RouteAction` that sends a request to the origin of `action`.

    Args:
        compiled: the empty `RouteAction`.
        action: what the route does.
        matched: by which requests.
        behind: what is known of the origin; None for what no site is behind.
        tell_host: where the origin is sent another Host, tell it the client's beside it.
    """
    compiled.cluster = str(action.origin)
    set_seconds(compiled.idle_timeout, action.timeouts.idle_s)
    if action.grpc:
        _set_grpc_deadline(compiled, action.timeouts.answer_s or action.timeouts.total_s)
        attempt_s = action.timeouts.per_try_s
    else:
        # Envoy's bound of one attempt ends no answer that has begun; its `timeout` does.
        set_seconds(compiled.timeout, action.timeouts.total_s)
        attempt_s = action.timeouts.per_try_s or action.timeouts.answer_s
    if action.host_rewrite:
        compiled.host_rewrite_literal = action.host_rewrite
        compiled.append_x_forwarded_host = tell_host
    if action.rewrite is not None:
        if action.rewrite.regex is not None:
            compiled.regex_rewrite.pattern.regex = action.rewrite.regex
            compiled.regex_rewrite.substitution = action.rewrite.substitution
        else:
            set_prefix_rewrite(compiled, matched.path, action.rewrite.prefix or "/")
    if action.retries.attempts or attempt_s:
        single = behind is not None and behind.single
        elsewhere = bool(action.retries.attempts) and not single
        compiled.retry_policy.CopyFrom(
            retry_policy(action.retries, matched.methods, attempt_s, elsewhere=elsewhere)
        )
    if action.websocket:
        compiled.upgrade_configs.add(upgrade_type="websocket", enabled=flag(on=True))
    if behind is not None:
        _add_hash_policy(compiled, behind.balancing)


def redirect(action: Redirect, match: PathMatch) -> Any:
    """The `RedirectAction` of `action`."""
    compiled = route_components_pb2.RedirectAction(
        response_code=redirect_code(action.status),
        host_redirect=action.host,
        port_redirect=action.port,
        strip_query=action.strip_query,
    )
    if action.scheme:
        compiled.scheme_redirect = action.scheme
    if action.path:
        compiled.path_redirect = action.path
    elif action.prefix:
        set_prefix_rewrite(compiled, match, action.prefix)
    return compiled


def set_fragment(route: Any, fragment: str) -> None:
    """Let the place that `route` redirects to end in `#fragment`.

    Envoy has no field for one. In a path it would stand before the query that the request keeps.
    """
    if fragment:
        option = header("location", fragment)
        option.header.value = _FRAGMENT + option.header.value
        route.response_headers_to_add.append(option)


def fragment_of(option: Any) -> str:
    """What `set_fragment` was told, with the `#`; empty for another header edit."""
    value = str(option.header.value)
    if option.header.key != "location" or not value.startswith(_FRAGMENT):
        return ""
    return "#" + value.removeprefix(_FRAGMENT).replace("%%", "%")


def redirect_code(status: int) -> Any:
    """Envoy's number for a redirect status (301, 302, 303, 307 or 308)."""
    return _REDIRECT_CODES[status]


def redirect_status(code: int) -> int:
    """The redirect status of Envoy's number `code`."""
    return next(status for status, number in _REDIRECT_CODES.items() if number == code)


def respond(action: FixedResponse) -> Any:
    """The `DirectResponseAction` of `action`; its content type is a header of the route."""
    compiled = route_components_pb2.DirectResponseAction(status=action.status)
    if action.body:
        compiled.body.CopyFrom(inline_text(action.body))
    return compiled


def set_prefix_rewrite(target: Any, match: PathMatch, to: str) -> None:
    """Replace the matched part of the path by `to`, joining with exactly one slash.

    With an exact or regex match the whole path is replaced, as Envoy does.
    """
    base = to.rstrip("/")
    if not isinstance(match, PathPrefix):
        target.prefix_rewrite = to
    elif match.prefix.endswith("/"):
        target.prefix_rewrite = base + "/"
    elif base:
        target.prefix_rewrite = base
    else:  # Envoy would turn `/v1/x` into `//x`
        pattern = regex_pb2.RegexMatcher(regex=f"^{re.escape(match.prefix)}/?")
        target.regex_rewrite.pattern.CopyFrom(pattern)
        target.regex_rewrite.substitution = "/"


def _set_grpc_deadline(compiled: Any, request_s: float) -> None:
    # A gRPC call may stream for ever: its own deadline counts, bounded by the route's.
    set_seconds(compiled.timeout, 0)
    set_seconds(compiled.max_stream_duration.grpc_timeout_header_max, request_s)
    set_seconds(compiled.max_stream_duration.max_stream_duration, request_s)


def _add_hash_policy(compiled: Any, balancing: LoadBalancing) -> None:
    match balancing.by:
        case BalanceBy.HASH_CLIENT_IP:
            compiled.hash_policy.add().connection_properties.source_ip = True
        case BalanceBy.HASH_HEADER:
            compiled.hash_policy.add().header.header_name = balancing.key
        case BalanceBy.HASH_COOKIE:
            # Envoy writes the cookie that it makes after those of the origin, and browsers keep the
            # last one of a name: under the name of the site file it would take the place of the
            # session that the application has just begun.
            compiled.hash_policy.add(terminal=True).cookie.name = balancing.key
            made = compiled.hash_policy.add().cookie
            made.name = names.ENDPOINT_COOKIE
            made.path = "/"
            made.ttl.CopyFrom(seconds(0))  # until the browser is closed
        case BalanceBy.ROUND_ROBIN | BalanceBy.LEAST_REQUEST:
            pass
