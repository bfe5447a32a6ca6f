"""Defences that only a new Envoy process can take: overload manager, statistics, runtime.

Decides when Envoy sheds load instead of dying, which statistics exist at all, and the runtime
values that are not for the site file. The node adds what differs between machines (node id, admin
pipe, the ADS cluster). A change here needs a new process, so everything else lives elsewhere.

https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/overload_manager/overload_manager
"""

from typing import Any, Final

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.overload.v3 import overload_pb2
from envoy.extensions.resource_monitors.downstream_connections.v3 import (
    downstream_connections_pb2,
)
from envoy.extensions.resource_monitors.fixed_heap.v3 import fixed_heap_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import struct_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.hardening.statistics import stats_config
from seawall.compiler.wire import body_of, from_ads, packed, seconds
from seawall.model import EdgeLimits

HEAP: Final = "envoy.resource_monitors.fixed_heap"
CONNECTIONS: Final = "envoy.resource_monitors.global_downstream_max_connections"

_INLINE: Final = bootstrap_pb2.CustomInlineHeader
OFTEN_LOOKED_UP: Final = (
    ("forwarded", _INLINE.REQUEST_HEADER),
    ("alt-svc", _INLINE.RESPONSE_HEADER),
    ("x-content-type-options", _INLINE.RESPONSE_HEADER),
    ("x-frame-options", _INLINE.RESPONSE_HEADER),
)
"""Headers that are added if absent, or removed, of nearly every request. A header that Envoy was
told of at start has its own place; for another name a map of all headers is built first (3,400
instructions a request)."""

RUNTIME: Final[dict[str, float | bool]] = {
    # A connection that resets most of its streams at once is a rapid reset (CVE-2023-44487).
    "overload.premature_reset_total_stream_count": limits.HTTP2_PREMATURE_RESETS_MIN,
    "overload.premature_reset_min_stream_lifetime_seconds": limits.HTTP2_STREAM_LIFETIME_S_MIN,
    # One connection may not keep a worker to itself by pipelining or by many streams.
    "http.max_requests_per_io_cycle": limits.REQUESTS_PER_WAKE_UP_MAX,
    "re2.max_program_size.error_level": limits.REGEX_PROGRAM_SIZE_MAX,
    "re2.max_program_size.warn_level": limits.REGEX_PROGRAM_SIZE_MAX,
    # Said here although they are defaults of 1.40: a test fails when one stops being honoured.
    "envoy.reloadable_features.http_reject_path_with_fragment": True,
    "envoy.reloadable_features.strict_chunk_parsing": True,
}
"""The static runtime layer. No layer of it can be changed through admin."""


def bootstrap_body(edge: EdgeLimits) -> bytes:
    """The serialized `Bootstrap` that every slot of a node starts from, without node parts."""
    bootstrap = bootstrap_pb2.Bootstrap(
        overload_manager=_overload_manager(edge),
        stats_config=stats_config(),
    )
    # A thousand origins are cheap until they are used.
    bootstrap.deferred_stat_options.enable_deferred_creation_stats = True
    static = struct_pb2.Struct()
    for key, value in RUNTIME.items():
        static.fields[key].CopyFrom(_value(value))
    layers = bootstrap.layered_runtime.layers
    layers.add(name="seawall_static", static_layer=static)
    layers.add(name=names.RUNTIME_LAYER).rtds_layer.CopyFrom(
        bootstrap_pb2.RuntimeLayer.RtdsLayer(name=names.RUNTIME_LAYER, rtds_config=from_ads())
    )
    # Values of this node alone (see seawall.telemetry.recording); the directory need not exist.
    layers.add(name="node").disk_layer.CopyFrom(
        bootstrap_pb2.RuntimeLayer.DiskLayer(symlink_root=f"./{names.RUNTIME_NODE_DIRECTORY}")
    )
    for name, direction in OFTEN_LOOKED_UP:
        bootstrap.inline_headers.add(inline_header_name=name, inline_header_type=direction)
    return body_of(bootstrap)


def _value(value: float | bool) -> Any:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    return struct_pb2.Value(number_value=value)


def _overload_manager(edge: EdgeLimits) -> Any:
    """Shed in steps, the gentlest first, so that a flood costs requests and never the process."""
    manager = overload_pb2.OverloadManager(
        refresh_interval=seconds(limits.OVERLOAD_REFRESH_S),
        resource_monitors=[
            _extension(
                HEAP, fixed_heap_pb2.FixedHeapConfig(max_heap_size_bytes=edge.heap_size_bytes_max)
            ),
            _extension(
                CONNECTIONS,
                downstream_connections_pb2.DownstreamConnectionsConfig(
                    max_active_downstream_connections=edge.connections_max
                ),
            ),
        ],
    )
    actions = manager.actions
    actions.add(name="envoy.overload_actions.shrink_heap", triggers=[_heap_at(0.85)])
    reduce = actions.add(
        name="envoy.overload_actions.reduce_timeouts", triggers=[_heap_between(0.80, 0.95)]
    )
    reduce.typed_config.CopyFrom(packed(_scaled_timers()))
    actions.add(name="envoy.overload_actions.disable_http_keepalive", triggers=[_heap_at(0.92)])
    actions.add(name="envoy.overload_actions.stop_accepting_requests", triggers=[_heap_at(0.95)])
    actions.add(
        name="envoy.overload_actions.reject_incoming_connections", triggers=[_heap_at(0.97)]
    )
    for point in (
        "envoy.load_shed_points.http_connection_manager_decode_headers",
        "envoy.load_shed_points.http2_server_go_away_on_dispatch",
    ):
        manager.loadshed_points.add(name=point, triggers=[_heap_between(0.90, 0.95)])
    return manager


def _extension(name: str, config: Any) -> Any:
    return overload_pb2.ResourceMonitor(name=name, typed_config=packed(config))


def _heap_at(share: float) -> Any:
    return overload_pb2.Trigger(name=HEAP, threshold=overload_pb2.ThresholdTrigger(value=share))


def _heap_between(start: float, full: float) -> Any:
    """Begin at `start`, with growing strength until `full`: no flapping around one value."""
    return overload_pb2.Trigger(
        name=HEAP,
        scaled=overload_pb2.ScaledTrigger(scaling_threshold=start, saturation_threshold=full),
    )


def _scaled_timers() -> Any:
    config = overload_pb2.ScaleTimersOverloadActionConfig
    shortest = percent_pb2.Percent(value=limits.OVERLOAD_TIMEOUT_SHARE_MIN * 100)
    return config(
        timer_scale_factors=[
            config.ScaleTimer(timer=timer, min_scale=shortest)
            for timer in (
                config.HTTP_DOWNSTREAM_CONNECTION_IDLE,
                config.HTTP_DOWNSTREAM_STREAM_IDLE,
                config.TRANSPORT_SOCKET_CONNECT,
            )
        ]
    )
