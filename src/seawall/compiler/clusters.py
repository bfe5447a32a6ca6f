"""Origins become clusters: where requests go, how endpoints are picked, watched and protected.

One origin is one cluster with its endpoints inside (STATIC when all are addresses, else
STRICT_DNS). Backup endpoints are priority 1. This file must not look at sites or routes: of who
uses an origin a cluster says only under which name it is counted.
"""

import ipaddress
from functools import lru_cache
from typing import Any, Final

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2, outlier_detection_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, health_check_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.clusters.common.dns.v3 import dns_pb2
from envoy.extensions.clusters.dns.v3 import dns_cluster_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.matcher.v3 import string_pb2
from envoy.type.v3 import http_pb2, percent_pb2, range_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.compiler.wire import body_of, flag, packed, seconds, uint32
from seawall.model import (
    BalanceBy,
    Endpoint,
    HealthCheck,
    Origin,
    OriginTls,
    OutlierEjection,
    UpstreamProtocol,
)

_TCP: Final = 6
"""IPPROTO_TCP."""
_TCP_USER_TIMEOUT: Final = 18
"""Of Linux, in milliseconds (tcp(7)); written out, since other systems do not have the name."""
_LB_POLICY = {
    BalanceBy.ROUND_ROBIN: "ROUND_ROBIN",
    BalanceBy.LEAST_REQUEST: "LEAST_REQUEST",
    BalanceBy.HASH_CLIENT_IP: "MAGLEV",
    BalanceBy.HASH_HEADER: "MAGLEV",
    BalanceBy.HASH_COOKIE: "MAGLEV",
}


@lru_cache(maxsize=limits.ORIGINS_MAX)
def compile_origin(origin: Origin, *, private: bool = False) -> Resource:
    """The cluster of `origin`; `private` when what it counts is counted for one site."""
    name = names.cluster(origin)
    cluster = cluster_pb2.Cluster(
        name=name,
        alt_stat_name=names.site_statistics(name) if private else "",
        connect_timeout=seconds(origin.connect_timeout_s),
        lb_policy=_LB_POLICY[origin.load_balancing.by],
        load_assignment=_endpoints(name, origin.endpoints),
        per_connection_buffer_limit_bytes=uint32(limits.CONNECTION_BUFFER_SIZE_BYTES_MAX),
        circuit_breakers=_circuit_breakers(origin),
        connection_pool_per_downstream_connection=origin.own_connections,
        typed_extension_protocol_options={names.HTTP_OPTIONS: packed(_http_options(origin))},
        upstream_connection_options=cluster_pb2.UpstreamConnectionOptions(
            tcp_keepalive=address_pb2.TcpKeepalive(
                keepalive_probes=uint32(limits.ORIGIN_KEEPALIVE_PROBES),
                keepalive_time=uint32(limits.ORIGIN_KEEPALIVE_IDLE_S),
                keepalive_interval=uint32(limits.ORIGIN_KEEPALIVE_INTERVAL_S),
            )
        ),
        # Balancing over endpoints known to be bad is only right when no good one is left.
        common_lb_config=cluster_pb2.Cluster.CommonLbConfig(
            healthy_panic_threshold=percent_pb2.Percent(value=limits.PANIC_HEALTHY_PERCENT)
        ),
    )
    _set_discovery(cluster, origin)
    if origin.protocol is not UpstreamProtocol.HTTP1:
        _let_go_of_the_dead(cluster)
    if origin.tls is not None:
        cluster.transport_socket.CopyFrom(_tls_socket(origin.tls))
    if origin.health_check is not None:
        cluster.health_checks.append(_health_check(origin, origin.health_check))
    if origin.outlier_ejection is not None:
        cluster.outlier_detection.CopyFrom(_outlier(origin.outlier_ejection))
    return Resource(TypeUrl.CLUSTER, name, body_of(cluster), f"origin {origin.name}")


@lru_cache(maxsize=limits.ORIGINS_MAX)
def is_ip(host: str) -> bool:
    """Whether `host` is an address that needs no DNS."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _set_discovery(cluster: Any, origin: Origin) -> None:
    if all(is_ip(endpoint.host) for endpoint in origin.endpoints):
        cluster.type = cluster_pb2.Cluster.STATIC
        return
    # Else an address that DNS gave up is asked for as long as it answers its health check.
    cluster.ignore_health_on_host_removal = True
    failure = dns_cluster_pb2.DnsCluster.RefreshRate(
        base_interval=seconds(limits.DNS_RETRY_MIN_S),
        max_interval=seconds(max(origin.dns_refresh_s, limits.DNS_RETRY_MIN_S)),
    )
    # Every address of every name is an endpoint. With both families asked for at once, a host
    # without IPv6 would fail half of its connections. A TTL counts in place of the rate, so it
    # must be none that may be longer: the agent tells no long ones.
    dns = dns_cluster_pb2.DnsCluster(
        dns_refresh_rate=seconds(origin.dns_refresh_s),
        dns_failure_refresh_rate=failure,
        respect_dns_ttl=origin.dns_refresh_s >= limits.DNS_TOLD_TTL_S_MAX,
        dns_lookup_family=dns_pb2.V4_PREFERRED,
    )
    cluster.cluster_type.name = names.DNS_CLUSTER
    cluster.cluster_type.typed_config.CopyFrom(packed(dns))


def _let_go_of_the_dead(cluster: Any) -> None:
    """Bound for how long a connection is used whose peer acknowledges nothing.

    A request of HTTP/1.1 that runs into its timeout takes its connection with it. Over HTTP/2 all
    others go on with it, and the kernel sends again for a quarter of an hour before it gives up. A
    PING would tell as well, but gRPC servers close connections that are asked too often.
    """
    cluster.upstream_bind_config.socket_options.add(
        description="TCP_USER_TIMEOUT",
        level=_TCP,
        name=_TCP_USER_TIMEOUT,
        int_value=limits.ORIGIN_UNACKNOWLEDGED_S_MAX * 1000,
        state="STATE_PREBIND",
    )


def _endpoints(name: str, endpoints: tuple[Endpoint, ...]) -> Any:
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for priority in (0, 1):
        members = [e for e in endpoints if e.backup == (priority == 1)]
        if not members:
            continue
        locality = assignment.endpoints.add(priority=priority)
        for member in members:
            locality.lb_endpoints.append(_endpoint(member))
    return assignment


def _endpoint(endpoint: Endpoint) -> Any:
    return endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(
            address=address_pb2.Address(
                socket_address=address_pb2.SocketAddress(
                    address=endpoint.host, port_value=endpoint.port
                )
            )
        ),
        load_balancing_weight=uint32(endpoint.weight),
    )


def _circuit_breakers(origin: Origin) -> Any:
    thresholds = circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections=uint32(origin.circuit_breaker.connections_max),
        max_pending_requests=uint32(origin.circuit_breaker.pending_requests_max),
        max_requests=uint32(origin.circuit_breaker.requests_max),
        retry_budget=circuit_breaker_pb2.CircuitBreakers.Thresholds.RetryBudget(
            budget_percent=percent_pb2.Percent(value=round(origin.retry_budget.share_max * 100, 6)),
            min_retry_concurrency=uint32(origin.retry_budget.concurrent_min),
        ),
    )
    return circuit_breaker_pb2.CircuitBreakers(thresholds=[thresholds])


def _http_options(origin: Origin) -> Any:
    options = http_protocol_options_pb2.HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(
            idle_timeout=seconds(origin.idle_timeout_s)
        )
    )
    http1 = protocol_pb2.Http1ProtocolOptions()
    http2 = protocol_pb2.Http2ProtocolOptions(
        # Extended CONNECT is how a WebSocket reaches an HTTP/2 origin (RFC 8441).
        allow_connect=True,
        max_concurrent_streams=uint32(limits.ORIGIN_HTTP2_STREAMS_MAX),
        # By Envoy's own bounds, 16 and 24 MiB, two clients that do not read hold up all others.
        initial_stream_window_size=uint32(limits.ORIGIN_HTTP2_STREAM_WINDOW_BYTES),
        initial_connection_window_size=uint32(limits.ORIGIN_HTTP2_CONNECTION_WINDOW_BYTES),
    )
    match origin.protocol:
        case UpstreamProtocol.HTTP1:
            options.explicit_http_config.http_protocol_options.CopyFrom(http1)
        case UpstreamProtocol.HTTP2:
            options.explicit_http_config.http2_protocol_options.CopyFrom(http2)
        case UpstreamProtocol.AUTO:
            options.auto_config.http_protocol_options.CopyFrom(http1)
            options.auto_config.http2_protocol_options.CopyFrom(http2)
    return options


def _tls_socket(tls: OriginTls) -> Any:
    context = tls_pb2.UpstreamTlsContext()
    # Envoy's own bound is 1.2, which an origin that speaks 1.3 alone refuses.
    context.common_tls_context.tls_params.tls_maximum_protocol_version = "TLSv1_3"
    if not is_ip(tls.sni):  # RFC 6066: an address is never sent as server name
        context.sni = tls.sni
    if tls.verify:
        validation = context.common_tls_context.validation_context
        if tls.ca_pem:
            validation.trusted_ca.inline_bytes = tls.ca_pem
        else:
            # Envoy 1.40 knows `system_root_certs` only for gRPC and refuses it here.
            validation.trusted_ca.filename = names.SYSTEM_CA_FILE
        matcher = common_pb2.SubjectAltNameMatcher
        validation.match_typed_subject_alt_names.append(
            matcher(
                san_type=matcher.IP_ADDRESS if is_ip(tls.sni) else matcher.DNS,
                matcher=string_pb2.StringMatcher(exact=tls.sni),
            )
        )
    return base_pb2.TransportSocket(
        name="envoy.transport_sockets.tls", typed_config=packed(context)
    )


def _health_check(origin: Origin, check: HealthCheck) -> Any:
    probe = health_check_pb2.HealthCheck.HttpHealthCheck(
        host=check.host,
        path=check.path,
        expected_statuses=[range_pb2.Int64Range(start=check.status_min, end=check.status_max + 1)],
        # Without it one wrong status is enough for Envoy, whatever the threshold.
        retriable_statuses=[range_pb2.Int64Range(start=100, end=600)],
    )
    message = health_check_pb2.HealthCheck(
        timeout=seconds(check.timeout_s),
        interval=seconds(check.interval_s),
        # Envoy would ask an idle origin once a minute only: too late to notice a dead one.
        no_traffic_interval=seconds(check.interval_s),
        healthy_threshold=uint32(check.up_count),
        unhealthy_threshold=uint32(check.down_count),
        http_health_check=probe,
    )
    if origin.protocol is UpstreamProtocol.HTTP2:  # else HTTP/1.1, also where ALPN chooses
        probe.codec_client_type = http_pb2.HTTP2
        message.http_health_check.CopyFrom(probe)
    return message


def _outlier(ejection: OutlierEjection) -> Any:
    return outlier_detection_pb2.OutlierDetection(
        consecutive_5xx=uint32(ejection.consecutive_failures),
        interval=seconds(ejection.interval_s),
        base_ejection_time=seconds(ejection.ejection_base_s),
        max_ejection_percent=uint32(round(ejection.ejected_share_max * 100)),
        enforcing_consecutive_5xx=uint32(100),
        # Else the next good probe ends the rest: who fails requests may well answer those.
        successful_active_health_check_uneject_host=flag(on=False),
        # Comparing endpoints by success rate needs more traffic than most origins have.
        enforcing_success_rate=uint32(0),
    )
