"""Which of Envoy's statistics exist: an allow-list, so that nobody outside can create one.

Envoy names statistics by cluster, by virtual host and by what origins and clients send (status
codes, TLS ciphers, certificates). Only the families below are kept: what the windows, `status`
and the metrics page read. Memory per origin stays small, and the number of names is set by the
site file alone.
"""

import re
from typing import Any, Final

from envoy.config.metrics.v3 import stats_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

_CLASS: Final = "(completed|total|1xx|2xx|3xx|4xx|5xx)"

KEPT_PREFIXES: Final = (
    "cluster_manager.",
    "control_plane.",
    "filesystem.",
    "http.",
    "listener_manager.",
    "lua.",
    "main_thread.",
    "overload.",
    "runtime.",
    "server.",
    "tls_inspector.",
    "workers.",
)
"""Families that Envoy itself names, whole."""

KEPT_PATTERNS: Final = (
    r"cluster\.[^.]+\.membership_(change|degraded|excluded|healthy|total)",
    r"cluster\.[^.]+\.(lb_healthy_panic|max_host_weight|update_failure|update_success|version)",
    r"cluster\.[^.]+\.bind_errors",
    rf"cluster\.[^.]+\.upstream_rq_{_CLASS}",
    r"cluster\.[^.]+\.upstream_rq_(504|active|cancelled|maintenance_mode|time)",
    r"cluster\.[^.]+\.upstream_rq_(per_try_timeout|timeout)",
    r"cluster\.[^.]+\.upstream_rq_pending_(active|failure_eject|overflow|total)",
    r"cluster\.[^.]+\.upstream_rq_(retry|retry_limit_exceeded|retry_overflow|retry_success)",
    r"cluster\.[^.]+\.upstream_rq_(rx_reset|tx_reset)",
    r"cluster\.[^.]+\.upstream_cx_(active|connect_fail|connect_timeout|destroy|overflow|total)",
    r"cluster\.[^.]+\.upstream_cx_destroy_(local|remote)_with_active_rq",
    r"cluster\.[^.]+\.upstream_cx_(protocol_error|rx_bytes_total|tx_bytes_total)",
    r"cluster\.[^.]+\.circuit_breakers\.default\.[a-z_]+_open",
    r"cluster\.[^.]+\.health_check\.(attempt|degraded|failure|healthy|success)",
    r"cluster\.[^.]+\.outlier_detection\.ejections_(active|enforced_total|overflow)",
    r"cluster\.[^.]+\.ssl\.(connection_error|fail_verify_[a-z]+|handshake)",
    r"listener\..*\.downstream_(cx|pre_cx|global_cx|listener_filter)_[a-z_]+",
    r"listener\..*\.(no_filter_chain_match|connections_accepted_per_socket_event)",
    r"listener\..*\.ssl\.(connection_error|fail_verify_[a-z]+|handshake|no_certificate)",
    rf"listener\..*\.http\..*\.downstream_rq_{_CLASS}",
    rf"vhost\..*\.upstream_rq_({_CLASS}|504|retry|retry_success|time)",
)
"""Families with foreign parts in their names: only the listed ends, and of single status codes only
504: an attempt that runs into its bound is counted for no route otherwise.

An origin's name holds no dot, so what Envoy counts a second time as `external.` is left out.
"""


def stats_config() -> Any:
    """The `StatsConfig` with the allow-list; every other name is never created."""
    config = stats_pb2.StatsConfig()
    patterns = config.stats_matcher.inclusion_list.patterns
    # Prefixes too are given as regexes: Envoy tries prefix patterns again for every count of every
    # request (4 % of a small one), while the answer of a regex is remembered with the name.
    prefixes = (re.escape(prefix) + ".*" for prefix in KEPT_PREFIXES)
    patterns.extend(
        string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern))
        for pattern in (*prefixes, *KEPT_PATTERNS)
    )
    return config
