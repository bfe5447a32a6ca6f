"""The bound on a request body: answered with 413 as soon as it is exceeded, without buffering.

Envoy's body-size filter takes no configuration per route, so it runs inside a composite filter:
the route names the instance to run. A route without a bound runs none.
"""

from typing import Any

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from google.protobuf import wrappers_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from seawall.compiler.wire import add_newer, empty, packed

_BODY_SIZE_LIMIT = "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
_MAX_REQUEST_BYTES_FIELD = 1


def body_limit_filter() -> Any:
    """The filter as it stands in the connection manager: it does nothing until a route says so."""
    return packed(
        extension_matcher_pb2.ExtensionWithMatcher(
            xds_matcher=matcher_pb2.Matcher(),
            extension_config=extension_pb2.TypedExtensionConfig(
                name="composite", typed_config=packed(composite_pb2.Composite())
            ),
        )
    )


def body_limit(size_bytes_max: int) -> Any:
    """The route's configuration of the filter."""
    limit = empty(_BODY_SIZE_LIMIT)
    size = wrappers_pb2.UInt64Value(value=size_bytes_max)
    holder = wrappers_pb2.UInt64Value()
    add_newer(holder, _MAX_REQUEST_BYTES_FIELD, size)
    limit.value = holder.SerializeToString()
    action = composite_pb2.ExecuteFilterAction(
        typed_config=extension_pb2.TypedExtensionConfig(name="body_limit", typed_config=limit)
    )
    matcher = matcher_pb2.Matcher()
    matcher.on_no_match.action.CopyFrom(
        xds_extension_pb2.TypedExtensionConfig(name="body_limit", typed_config=packed(action))
    )
    return packed(extension_matcher_pb2.ExtensionWithMatcherPerRoute(xds_matcher=matcher))
