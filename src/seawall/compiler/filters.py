"""The HTTP filters of every connection manager, and how a site or route switches one on.

Filters stand in the connection manager with `disabled: true` and cost an ordinary request nothing;
a virtual host or route enables the ones it uses through `typed_per_filter_config`. So switching one
on is a change of routes, which drains nobody, and never a change of the listener.
"""

from typing import Any

from envoy.config.core.v3 import extension_pb2, substitution_format_string_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.compression.brotli.compressor.v3 import brotli_pb2
from envoy.extensions.compression.gzip.compressor.v3 import gzip_pb2
from envoy.extensions.compression.zstd.compressor.v3 import zstd_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.type.matcher.v3 import string_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.body_limit import body_limit_filter
from seawall.compiler.wire import (
    add_newer,
    filter_switch,
    inline_text,
    packed,
    set_newer_flag,
    uint32,
)
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

_CONTENT_TYPE_MATCHER_FIELD = 4
_WEAKEN_ETAG_FIELD = 6
_LIBRARIES = {
    Compression.BROTLI: brotli_pb2.Brotli(quality=uint32(4), window_bits=uint32(18)),
    Compression.ZSTD: zstd_pb2.Zstd(compression_level=uint32(3)),
    Compression.GZIP: gzip_pb2.Gzip(compression_level="COMPRESSION_LEVEL_5"),
}
_KEEP_PATH = filter_switch(
    packed(
        set_filter_state_pb2.Config(
            on_request_headers=[
                value_pb2.FilterStateValue(
                    object_key=names.STATE_PATH,
                    factory_key="envoy.string",
                    format_string=substitution_format_string_pb2.SubstitutionFormatString(
                        text_format_source=inline_text("%PATH(NQ:PATH)%")
                    ),
                )
            ]
        )
    )
)
# Envoy refuses to switch a filter on without a configuration, so an empty override stands in.
_COMPRESS_HERE = filter_switch(
    packed(compressor_pb2.CompressorPerRoute(overrides=compressor_pb2.CompressorOverrides()))
)
_OFF = packed(route_components_pb2.FilterConfig(disabled=True))


def http_filters() -> list[Any]:
    """The filter chain of every connection manager, in order; the router is last."""
    return [
        *(_compressor(coding, first=first) for coding in Compression for first in (True, False)),
        hcm_pb2.HttpFilter(
            name=names.FILTER_BODY_LIMIT,
            typed_config=body_limit_filter(),
            disabled=True,
        ),
        hcm_pb2.HttpFilter(
            name=names.FILTER_KEEP_PATH,
            typed_config=packed(set_filter_state_pb2.Config()),
            disabled=True,
        ),
        hcm_pb2.HttpFilter(
            name=names.FILTER_ROUTER,
            typed_config=packed(router_pb2.Router(suppress_envoy_headers=True)),
        ),
    ]


def enable(target: Any, name: str, switch: Any) -> None:
    """Switch filter `name` on for a virtual host or route with a packed `FilterConfig`."""
    target.typed_per_filter_config[name].CopyFrom(switch)


def disable(target: Any, name: str) -> None:
    """Switch filter `name` off for a route of a site that has it on."""
    target.typed_per_filter_config[name].CopyFrom(_OFF)


def enable_compression(target: Any, codings: tuple[Compression, ...]) -> None:
    """Let the edge compress what `target` answers with the given codings.

    Of codings that a client likes equally the first one of `codings` wins, then the client's order.
    """
    for position, coding in enumerate(codings):
        by_coding = names.FILTER_COMPRESS if position else names.FILTER_COMPRESS_FIRST
        enable(target, by_coding[coding.value], _COMPRESS_HERE)


def disable_compression(target: Any, codings: tuple[Compression, ...]) -> None:
    """Send what a route answers as it is, on a site that compresses with `codings`."""
    for position, coding in enumerate(codings):
        by_coding = names.FILTER_COMPRESS if position else names.FILTER_COMPRESS_FIRST
        disable(target, by_coding[coding.value])


def keep_path(target: Any) -> None:
    """Remember the path a client asked for on a route that rewrites it, for the access record."""
    enable(target, names.FILTER_KEEP_PATH, _KEEP_PATH)


def _compressor(coding: Compression, *, first: bool) -> Any:
    direction = compressor_pb2.Compressor.ResponseDirectionConfig(
        # A compressed part of a file could not be joined with another part.
        uncompressible_response_codes=[206],
    )
    # A strong ETag names other bytes than the compressed ones: it becomes a weak one (RFC 9110).
    set_newer_flag(direction, _WEAKEN_ETAG_FIELD)
    common = direction.common_config
    common.min_content_length.value = limits.COMPRESSION_SIZE_BYTES_MIN
    for content_type in COMPRESSIBLE_TYPES:
        matcher = string_pb2.StringMatcher(prefix=content_type, ignore_case=True)
        add_newer(common, _CONTENT_TYPE_MATCHER_FIELD, matcher)
    compressor = compressor_pb2.Compressor(
        response_direction_config=direction,
        compressor_library=extension_pb2.TypedExtensionConfig(
            name=coding.value, typed_config=packed(_LIBRARIES[coding])
        ),
        choose_first=first,
    )
    by_coding = names.FILTER_COMPRESS_FIRST if first else names.FILTER_COMPRESS
    return hcm_pb2.HttpFilter(
        name=by_coding[coding.value], typed_config=packed(compressor), disabled=True
    )
