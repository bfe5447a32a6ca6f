"""What changed in an origin, in words: endpoints first, then its settings."""

from collections.abc import Iterator
from typing import Any, Final

from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from seawall.compiler.contents import endpoint_text
from seawall.compiler.differ import differences, words
from seawall.compiler.names import HTTP_OPTIONS
from seawall.compiler.route_words import change

_PROTOCOL: Final = f"typed_extension_protocol_options[{HTTP_OPTIONS}]"
_SOCKET: Final = "upstream_bind_config"
_OF_PROTOCOL: Final = (f"{_PROTOCOL}.explicit", f"{_PROTOCOL}.auto", _SOCKET)
_NO_TRAFFIC: Final = "health_checks[0].no_traffic_interval"
"""Always as the interval."""
_THRESHOLDS: Final = "circuit_breakers.thresholds[0]"
_LABELS: Final = {
    "connect_timeout": "connect timeout",
    f"{_PROTOCOL}.common_http_protocol_options.idle_timeout": "idle timeout",
    "lb_policy": "load balancing",
    "health_checks[0].timeout": "health check timeout",
    "health_checks[0].interval": "health check interval",
    "health_checks[0].healthy_threshold": "health check up after",
    "health_checks[0].unhealthy_threshold": "health check down after",
    "health_checks[0].http_health_check.path": "health check path",
    "health_checks[0].http_health_check.host": "health check host",
    "outlier_detection": "outlier ejection",
    "outlier_detection.consecutive_5xx": "failures until ejection",
    "outlier_detection.interval": "outlier check interval",
    "outlier_detection.base_ejection_time": "ejection time",
    "outlier_detection.max_ejection_percent": "largest share ejected (%)",
    f"{_THRESHOLDS}.max_connections": "largest number of connections",
    f"{_THRESHOLDS}.max_pending_requests": "largest number of waiting requests",
    f"{_THRESHOLDS}.max_requests": "largest number of requests",
    f"{_THRESHOLDS}.retry_budget.budget_percent.value": "retry budget (%)",
    f"{_THRESHOLDS}.retry_budget.min_retry_concurrency": "retries always allowed",
    "connection_pool_per_downstream_connection": "connections for each client",
    "cluster_type": "DNS discovery",
    "cluster_type.typed_config.dns_refresh_rate": "DNS refresh",
    "transport_socket": "TLS",
    "transport_socket.typed_config.sni": "TLS server name",
    "type": "discovery",
    _SOCKET: "bound of a dead connection",
}


def origin_summary(body: bytes) -> str:
    """An origin in a few words, for when it is new."""
    members = _members(cluster_pb2.Cluster.FromString(body))
    return f"endpoints {', '.join(sorted(members))}"


def origin_changes(old_body: bytes, new_body: bytes) -> Iterator[str]:
    """What changed between two compiled origins of one name; at least one text."""
    old = cluster_pb2.Cluster.FromString(old_body)
    new = cluster_pb2.Cluster.FromString(new_body)
    yield from _endpoint_changes(old, new)
    for cluster in (old, new):
        cluster.ClearField("load_assignment")
    skipped = [_NO_TRAFFIC]
    for label, text, paths in (
        ("protocol", _protocol_text, _OF_PROTOCOL),
        ("health check", _check_text, ("health_checks",)),
        ("health check expects", _expected_text, ("health_checks[0].http_health_check.expected",)),
    ):
        before, after = text(old), text(new)
        if before != after:
            skipped += [path for path in paths if path != "health_checks" or not (before and after)]
            yield from change(label, before, after)
    for difference in differences(old, new):
        if not difference.path.startswith(tuple(skipped)):
            yield words(difference, _LABELS)


def _protocol_text(cluster: Any) -> str:
    packed = cluster.typed_extension_protocol_options.get(HTTP_OPTIONS)
    if packed is None:
        return "http1"
    options = http_protocol_options_pb2.HttpProtocolOptions.FromString(packed.value)
    if options.HasField("auto_config"):
        return "auto"
    return "http2" if options.explicit_http_config.HasField("http2_protocol_options") else "http1"


def _check_text(cluster: Any) -> str:
    return "on" if cluster.health_checks else ""


def _expected_text(cluster: Any) -> str:
    """Statuses that count as success; empty without a check."""
    found = [
        f"{one.start}-{one.end - 1}"
        for check in cluster.health_checks
        for one in check.http_health_check.expected_statuses
    ]
    return ", ".join(found)


def _endpoint_changes(old: Any, new: Any) -> Iterator[str]:
    before, after = _members(old), _members(new)
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"endpoint {name} added{_role(after[name])}"
        elif name not in after:
            yield f"endpoint {name} removed"
        elif before[name] != after[name]:
            yield f"endpoint {name}{_role(before[name])} ->{_role(after[name])}"
    if before == after and old.load_assignment != new.load_assignment:
        yield "order of the endpoints changed"


def _members(cluster: Any) -> dict[str, tuple[int, int]]:
    """Endpoint to priority and weight; the same address twice is told apart by a number."""
    members: dict[str, tuple[int, int]] = {}
    for locality in cluster.load_assignment.endpoints:
        for member in locality.lb_endpoints:
            name = endpoint_text(member)
            unique, copy = name, 1
            while unique in members:
                copy += 1
                unique = f"{name} (#{copy})"
            members[unique] = (locality.priority, member.load_balancing_weight.value)
    return members


def _role(member: tuple[int, int]) -> str:
    priority, weight = member
    return f" weight {weight}" + (" as backup" if priority else "")
