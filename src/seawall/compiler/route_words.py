"""What changed in a site, in words: hosts, routes, headers, pages.

Values of headers and bodies are not shown: they may be secrets, and are long.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from seawall.compiler import names
from seawall.compiler.actions import fragment_of, redirect_status, websocket_key
from seawall.compiler.body_limit import limit_of
from seawall.compiler.compression import codings_of
from seawall.compiler.differ import differences, short, words
from seawall.compiler.replies import PAGES_NAMESPACE, TYPES_NAMESPACE
from seawall.compiler.retries import IDEMPOTENT, retried_besides

_LABELS: Final = {
    "route.timeout": "total timeout",
    "route.idle_timeout": "idle timeout",
    "route.max_stream_duration.max_stream_duration": "timeout",
    "route.max_stream_duration.grpc_timeout_header_max": "longest gRPC deadline",
    "route.retry_policy": "retries",
    "route.retry_policy.num_retries": "retry attempts",
    "route.retry_policy.retry_on": "retries on",
    "route.retry_policy.per_try_timeout": "timeout",
    "route.host_rewrite_literal": "Host sent to the origin",
    "route.prefix_rewrite": "path rewrite",
    "route.regex_rewrite": "path rewrite",
    "route.regex_rewrite.pattern.regex": "path rewrite pattern",
    "route.regex_rewrite.substitution": "path rewrite to",
}
_ELSEWHERE: Final = (
    "route.retry_policy.retry_host_predicate",
    "route.retry_policy.host_selection_retry_max_attempts",
)
_TOLD_ALREADY: Final = (
    "route.append_x_forwarded_host",
    "route.cluster",
    "route.hash_policy",
    "route.upgrade_configs",
)
_OWN_ROUTES: Final = {
    names.ROUTE_ONE_HOST: "guard of {} against a Host that is not one host",
    names.ROUTE_DOTS: "guard of {} against paths in disguise (`/..;/`)",
    names.ROUTE_HTTPS: "redirect of {} to https",
    names.ROUTE_TRACE: "guard of {} against TRACE and methods in small letters",
}
"""By the end of their name, routes of no path that anybody wrote."""
_METHODS: Final = "methods"
_WEBSOCKET_KEY: Final = websocket_key()
_IDEMPOTENT: Final = ", ".join(IDEMPOTENT)
_HANDLED_FILTERS: Final = (
    names.FILTER_BODY_LIMIT,
    *names.FILTERS_BOTS,
    names.FILTER_USUAL_LIMIT,
    names.FILTER_COMPRESS,
    names.FILTER_DENY,
    names.FILTER_TRAILERS,
)
_HANDLED_METADATA: Final = (
    PAGES_NAMESPACE,
    TYPES_NAMESPACE,
    names.METADATA_NAMESPACE,
    names.FILTER_BOTS,
)
_HANDLED_FIELDS: Final = (
    "match",
    "route",
    "redirect",
    "direct_response",
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
    "domains",
    "routes",
    "stat_prefix",
)


def route_title(name: str, route: Any, shared: Container[str] = ()) -> str:
    """How people call a route: `route /api of shop`, with its name where others have the path."""
    site, _, rest = name.partition("/")
    for end, what in _OWN_ROUTES.items():
        if name.endswith(end):
            return what.format(site)
    path = _path_text(route.match)
    named = f" ({rest})" if path in shared else ""
    return f"route {path}{named} of {site}" if path else f"route {name}"


def shared_paths(*tables: Iterable[Any]) -> frozenset[str]:
    """The paths for which the site file gives a host several routes, in any of the tables."""
    found: set[str] = set()
    for routes in tables:
        counts = Counter(_path_text(one.match) for one in routes if "/_" not in one.name)
        found.update(path for path, count in counts.items() if count > 1)
    return frozenset(found)


def body_limit_text(route: Any, host: Any) -> str:
    """The bound on request bodies that holds for `route`, its own or that of its host."""
    if not route.HasField("route"):
        return ""
    size = limit_of(host, route)
    return f"{size:,} bytes" if size else ""


def compression_text(route: Any, host: Any) -> str:
    """Whether `route` compresses as its host does."""
    of_host = codings_of(host)
    return "as the site" if codings_of(route, of_host) == of_host else "off"


def codings_text(host: Any) -> str:
    """What a virtual host compresses with, the preferred coding first."""
    return ", ".join(codings_of(host))


def route_changes(old: Any, new: Any) -> Iterator[str]:
    """What changed between two compiled routes of one name, but for what holds for bodies."""
    yield from change("path", _path_text(old.match), _path_text(new.match))
    yield from _condition_changes(old.match, new.match)
    yield from change("class", _class(old), _class(new))
    yield from change("action", action_text(old), action_text(new))
    yield from host_like_changes(old, new)
    if old.HasField("route") and new.HasField("route"):
        yield from change("requests counted at the", _counted_at(old), _counted_at(new))
        yield from change("WebSocket", *(_websocket_text(one.route) for one in (old, new)))
        yield from change("stickiness", *(_stickiness_text(one.route) for one in (old, new)))
        elsewhere = tuple(_retried_elsewhere(one.route) for one in (old, new))
        yield from change("retries at another endpoint", *elsewhere)
        yield from change(f"retries of {_IDEMPOTENT} also on", *map(_besides, (old, new)))
        told = _TOLD_ALREADY + (_ELSEWHERE if len({*elsewhere}) > 1 else ())
        if old.route.host_rewrite_literal == new.route.host_rewrite_literal:
            yield from change("client's Host sent to the origin", *map(_tells_host, (old, new)))
        for difference in differences(old.route, new.route, "route"):
            if not difference.path.startswith(told):
                yield words(difference, _LABELS)
    if old.direct_response.body != new.direct_response.body:
        yield "body of the answer changed"
    if old.HasField("redirect") and new.HasField("redirect") and old.redirect != new.redirect:
        yield from _redirect_changes(old, new)
    if _rewrites(old) != _rewrites(new):
        old, new = _without_kept(old), _without_kept(new)
    yield from other_changes(old, new)


def other_changes(old: Any, new: Any) -> Iterator[str]:
    """Whatever no other function here has a word for, by its field path."""
    before, after = type(old)(), type(new)()
    for whole, rest in ((old, before), (new, after)):
        rest.CopyFrom(whole)
        for field in _HANDLED_FIELDS:
            if field in rest.DESCRIPTOR.fields_by_name:
                rest.ClearField(field)
        for name in _HANDLED_FILTERS:
            rest.typed_per_filter_config.pop(name, None)
        for namespace in _HANDLED_METADATA:
            rest.metadata.filter_metadata.pop(namespace, None)
        if not rest.metadata.filter_metadata:
            rest.ClearField("metadata")
    for difference in differences(before, after):
        yield words(difference, {})


def host_like_changes(old: Any, new: Any) -> Iterator[str]:
    """Changes of headers and pages of a virtual host or route."""
    for side in ("request", "response"):
        yield from _header_changes(side, old, new)
    for namespace in (PAGES_NAMESPACE, TYPES_NAMESPACE):
        before, after = (m.metadata.filter_metadata.get(namespace) for m in (old, new))
        if before != after:
            yield "error pages changed"
            return


def change(label: str, old: str, new: str) -> Iterator[str]:
    """`label OLD -> NEW` when they differ."""
    if old != new:
        yield f"{label} {old or 'none'} -> {new or 'none'}"


def action_text(route: Any) -> str:
    """What a route does, in a few words."""
    if route.HasField("route"):
        return f"forward to {route.route.cluster}"
    if route.HasField("direct_response"):
        return f"answer {route.direct_response.status}"
    fragment = "".join(map(fragment_of, route.response_headers_to_add))
    return short(f"redirect to {_place_text(route.redirect)}{fragment}")


def _place_text(redirect: Any) -> str:
    """Where a redirect leads: a URL, a path, or a scheme alone."""
    to = redirect.path_redirect or redirect.prefix_rewrite or redirect.regex_rewrite.substitution
    scheme = redirect.scheme_redirect or ("https" if redirect.https_redirect else "")
    if not redirect.host_redirect:
        return str(to or scheme or "elsewhere")
    port = f":{redirect.port_redirect}" if redirect.port_redirect else ""
    return f"{scheme and scheme + '://'}{redirect.host_redirect}{port}{to}"


def _counted_at(route: Any) -> str:
    """Where the statistics of a site find a request: an origin of one site alone counts its own."""
    return "route" if route.stat_prefix else "origin"


def _retried_elsewhere(action: Any) -> str:
    return "yes" if action.retry_policy.retry_host_predicate else "no"


def _tells_host(route: Any) -> str:
    return "yes" if route.route.append_x_forwarded_host else "no"


def _besides(route: Any) -> str:
    """On what idempotent requests are retried besides."""
    return "".join(map(retried_besides, route.request_headers_to_add))


def _rewrites(route: Any) -> tuple[bool, bool]:
    """Whether a route rewrites the path, and the host."""
    action = route.redirect if route.HasField("redirect") else route.route
    path = bool(action.prefix_rewrite) or action.HasField("regex_rewrite")
    return path, bool(route.route.host_rewrite_literal)


def _without_kept(route: Any) -> Any:
    """A copy without the filter that keeps path and host as asked, which a rewrite brings."""
    copy = type(route)()
    copy.CopyFrom(route)
    copy.typed_per_filter_config.pop(names.FILTER_KEEP_PATH, None)
    return copy


def _websocket_text(action: Any) -> str:
    return "on" if action.upgrade_configs else "off"


def _stickiness_text(action: Any) -> str:
    """By what a client keeps its endpoint; empty when it keeps none."""
    found = []
    for policy in action.hash_policy:
        if policy.HasField("header"):
            found.append(f"by header {policy.header.header_name}")
        elif found and policy.cookie.name == names.ENDPOINT_COOKIE:
            found.append(f"else by {names.ENDPOINT_COOKIE}")
        elif policy.HasField("cookie"):
            found.append(f"by cookie {policy.cookie.name}")
        else:
            found.append("by client address")
    return ", ".join(found)


def _path_text(match: Any) -> str:
    kind = match.WhichOneof("path_specifier")
    if kind == "safe_regex":
        return short(f"~{match.safe_regex.regex}")
    text = str(getattr(match, kind)) if kind else ""
    return f"={text}" if kind == "path" else text


def _class(route: Any) -> str:
    values = route.metadata.filter_metadata.get(names.METADATA_NAMESPACE)
    return values.fields[names.METADATA_CLASS].string_value if values is not None else "page"


def _condition_changes(old: Any, new: Any) -> Iterator[str]:
    """Which conditions besides the path changed; the values of headers and queries stay secret."""
    before, after = _conditions(old), _conditions(new)
    for what in sorted({*before, *after}):
        if before.get(what) == after.get(what):
            continue
        if what == _METHODS:
            yield from change(what, before.get(what, "any"), after.get(what, "any"))
            continue
        did = "added" if what not in before else "changed" if what in after else "removed"
        yield f"condition on {what} {did}"


def _conditions(match: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, conditions in (
        ("header", match.headers),
        ("query parameter", match.query_parameters),
    ):
        for condition in conditions:
            if kind == "header" and condition.name == ":method":
                text = condition.string_match
                found[_METHODS] = ", ".join((text.exact or text.safe_regex.regex).split("|"))
                continue
            what = f"{kind} {condition.name}"
            found[what] = found.get(what, "") + condition.SerializeToString().hex()
    return found


def _redirect_changes(old: Any, new: Any) -> Iterator[str]:
    """What `action_text` does not say of two redirects."""
    before, after = old.redirect, new.redirect
    said = [
        *change("status", *(str(redirect_status(one.response_code)) for one in (before, after))),
        *change("query", *("dropped" if one.strip_query else "kept" for one in (before, after))),
    ]
    if not (before.host_redirect or after.host_redirect):
        said += change("port", *(str(one.port_redirect or "") for one in (before, after)))
    yield from said
    if not said and action_text(old) == action_text(new):
        yield "details of the redirect changed"


def _header_changes(side: str, old: Any, new: Any) -> Iterator[str]:
    before, after = _headers(side, old), _headers(side, new)
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"{side} header {name} is now changed by the edge"
        elif name not in after:
            yield f"{side} header {name} is no longer changed by the edge"
        elif before[name] != after[name]:
            yield f"{side} header {name}: what the edge does with it changed"


def _headers(side: str, message: Any) -> dict[str, list[bytes]]:
    edits: dict[str, list[bytes]] = {}
    for option in getattr(message, f"{side}_headers_to_add"):
        if not (fragment_of(option) or retried_besides(option) or option == _WEBSOCKET_KEY):
            edits.setdefault(option.header.key, []).append(option.SerializeToString())
    for name in getattr(message, f"{side}_headers_to_remove"):
        edits.setdefault(name, []).append(b"remove")
    return edits
