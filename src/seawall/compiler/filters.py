"""The HTTP filters of every connection manager, and how a site or route switches one on.

Filters stand in the connection manager with `disabled: true` and cost an ordinary request nothing;
a virtual host or route enables the ones it uses through `typed_per_filter_config`. So switching one
on is a change of routes, which drains nobody, and never a change of the listener.
"""

from typing import Any

from envoy.config.core.v3 import extension_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.compression.brotli.compressor.v3 import brotli_pb2
from envoy.extensions.compression.gzip.compressor.v3 import gzip_pb2
from envoy.extensions.compression.zstd.compressor.v3 import zstd_pb2
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from seawall import limits
from seawall.compiler import names
from seawall.compiler.wire import packed, uint32
from seawall.model import Compression

COMPRESSIBLE_TYPES = (
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/rss+xml",
    "application/atom+xml",
    "application/wasm",
    "application/xhtml+xml",
    "application/xml",
    "font/ttf",
    "font/otf",
    "image/svg+xml",
    "image/x-icon",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/xml",
)
"""Text that shrinks. Event streams and gRPC are left out: compressing them delays messages."""

_LIBRARIES = {
    Compression.BROTLI: brotli_pb2.Brotli(quality=uint32(4), window_bits=uint32(18)),
    Compression.ZSTD: zstd_pb2.Zstd(compression_level=uint32(3)),
    Compression.GZIP: gzip_pb2.Gzip(compression_level="COMPRESSION_LEVEL_5"),
}


def http_filters() -> list[Any]:
    """The filter chain of every connection manager, in order; the router is last."""
    return [
        *(_compressor(coding) for coding in Compression),
        hcm_pb2.HttpFilter(
            name=names.FILTER_ROUTER,
            typed_config=packed(router_pb2.Router(suppress_envoy_headers=True)),
        ),
    ]


def enable(target: Any, name: str, config: Any | None = None) -> None:
    """Switch filter `name` on for a virtual host or route, with `config` when it needs one."""
    switch = route_components_pb2.FilterConfig(config=config)
    target.typed_per_filter_config[name].CopyFrom(packed(switch))


def disable(target: Any, name: str) -> None:
    """Switch filter `name` off for a route of a site that has it on."""
    switch = route_components_pb2.FilterConfig(disabled=True)
    target.typed_per_filter_config[name].CopyFrom(packed(switch))


def _compressor(coding: Compression) -> Any:
    direction = compressor_pb2.Compressor.ResponseDirectionConfig(
        # A compressed part of a file could not be joined with another part.
        uncompressible_response_codes=[206],
    )
    direction.common_config.min_content_length.value = limits.COMPRESSION_SIZE_BYTES_MIN
    direction.common_config.content_type.extend(COMPRESSIBLE_TYPES)
    compressor = compressor_pb2.Compressor(
        response_direction_config=direction,
        compressor_library=extension_pb2.TypedExtensionConfig(
            name=coding.value, typed_config=packed(_LIBRARIES[coding])
        ),
    )
    return hcm_pb2.HttpFilter(
        name=names.FILTER_COMPRESS[coding.value], typed_config=packed(compressor), disabled=True
    )
