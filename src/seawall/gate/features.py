"""Features of Envoy that a release may use: a closed list, each with the Envoy it needs.

The first stage refuses what is not here, since no test of ours has met it; the second refuses what
the oldest Envoy of the fleet does not have. A compiler that writes something new adds it here, and
a test compiles every example to see that nothing was forgotten. The version is the one that Seawall
began to rely on the feature with, which may be later than Envoy's first.
"""

from typing import Final, TypeAlias

EnvoyVersion: TypeAlias = tuple[int, int]
_FIRST: Final[EnvoyVersion] = (1, 40)
_PREFIX: Final = "type.googleapis.com/"
_NAMES: Final = (
    "envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
    "envoy.config.rbac.v3.Action",
    "envoy.config.route.v3.FilterConfig",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
    "envoy.extensions.clusters.dns.v3.DnsCluster",
    "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
    "envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute",
    "envoy.extensions.compression.brotli.compressor.v3.Brotli",
    "envoy.extensions.compression.gzip.compressor.v3.Gzip",
    "envoy.extensions.compression.zstd.compressor.v3.Zstd",
    "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit",
    "envoy.extensions.filters.http.composite.v3.Composite",
    "envoy.extensions.filters.http.composite.v3.CompositePerRoute",
    "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
    "envoy.extensions.filters.http.lua.v3.Lua",
    "envoy.extensions.filters.http.lua.v3.LuaPerRoute",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    "envoy.extensions.filters.http.router.v3.Router",
    "envoy.extensions.filters.http.set_filter_state.v3.Config",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.filters.network.set_filter_state.v3.Config",
    "envoy.extensions.formatter.cel.v3.Cel",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
    "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
    "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "xds.type.matcher.v3.IPMatcher",
)
FEATURES: Final[dict[str, EnvoyVersion]] = {f"{_PREFIX}{name}": _FIRST for name in _NAMES}
"""Type URL to the Envoy that Seawall began to rely on it with."""
