"""How answers are compressed: which types, from what size, how hard.

Envoy's compressor still decides for each answer; `compression.py` decides for whom one is made.
"""

from typing import Any, Final

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.compression.brotli.compressor.v3 import brotli_pb2
from envoy.extensions.compression.gzip.compressor.v3 import gzip_pb2
from envoy.extensions.compression.zstd.compressor.v3 import zstd_pb2
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2
from envoy.type.matcher.v3 import string_pb2

from seawall import limits
from seawall.compiler.wire import add_newer, packed, set_newer_flag, uint32
from seawall.model import Compression

COMPRESSIBLE_TYPES: Final = (
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

_CONTENT_TYPE_MATCHER_FIELD: Final = 4
_WEAKEN_ETAG_FIELD: Final = 6
_LIBRARIES: Final = {
    Compression.BROTLI: brotli_pb2.Brotli(
        quality=uint32(4),
        window_bits=uint32(18),
        # The library's own choice at this quality. Of Envoy's 24 it takes 48 MiB for an answer.
        input_block_bits=uint32(16),
    ),
    # At 3, its own choice, an unread answer holds 3.9 MiB instead of 2.3, and is 5 % smaller.
    Compression.ZSTD: zstd_pb2.Zstd(compression_level=uint32(2)),
    Compression.GZIP: gzip_pb2.Gzip(compression_level="COMPRESSION_LEVEL_5"),
}


def compressor(coding: Compression) -> Any:
    """The packed configuration of the filter that compresses answers with `coding`."""
    direction = compressor_pb2.Compressor.ResponseDirectionConfig(
        # A compressed part of a file (206) could not be joined with another part. The others have
        # no body, but an HTTP/2 origin may say so after the headers: the end of a compressed body
        # would follow them, to be taken for the next answer of the connection.
        uncompressible_response_codes=[204, 205, 206, 304],
    )
    # A strong ETag names other bytes than the compressed ones: it becomes a weak one (RFC 9110).
    set_newer_flag(direction, _WEAKEN_ETAG_FIELD)
    common = direction.common_config
    common.min_content_length.value = limits.COMPRESSION_SIZE_BYTES_MIN
    for content_type in COMPRESSIBLE_TYPES:
        matcher = string_pb2.StringMatcher(prefix=content_type, ignore_case=True)
        add_newer(common, _CONTENT_TYPE_MATCHER_FIELD, matcher)
    return packed(
        compressor_pb2.Compressor(
            response_direction_config=direction,
            compressor_library=extension_pb2.TypedExtensionConfig(
                name=coding.value, typed_config=packed(_LIBRARIES[coding])
            ),
        )
    )
