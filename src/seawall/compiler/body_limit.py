"""The bound on a request body: answered with 413 as soon as it is exceeded, without buffering.

Envoy's body-size filter takes no configuration per route, so it runs inside a composite filter:
the route names the instance to run. A route without a bound runs none. The filter costs several
per cent of a small request, so a GET or HEAD gets it only when its headers announce a body. Envoy
itself announces one that comes over HTTP/2 without a length, by adding `transfer-encoding`.
"""

from functools import lru_cache
from typing import Any, Final

from envoy.config.core.v3 import extension_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import wrappers_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from seawall.compiler.wire import body_of, empty, filter_switch, packed

_BODY_SIZE_LIMIT: Final = "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
_METHODS_WITHOUT_BODY: Final = ("GET", "HEAD")
_HEADERS_OF_A_BODY: Final = ("content-length", "transfer-encoding")
_SIZES_CACHED_MAX: Final = 64


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


@lru_cache(maxsize=_SIZES_CACHED_MAX)
def body_limit(size_bytes_max: int) -> Any:
    """The packed `FilterConfig` of a route or host; shared, so never change what is returned."""
    limit = matcher_pb2.Matcher.OnMatch()
    limit.action.CopyFrom(
        xds_extension_pb2.TypedExtensionConfig(
            name="body_limit", typed_config=packed(_execute(size_bytes_max))
        )
    )
    announced = matcher_pb2.Matcher()
    entry = announced.matcher_list.matchers.add(on_match=limit)
    for header in _HEADERS_OF_A_BODY:
        present = entry.predicate.or_matcher.predicate.add().single_predicate
        present.input.CopyFrom(_header(header))
        present.value_match.safe_regex.google_re2.SetInParent()
        present.value_match.safe_regex.regex = ".+"
    matcher = matcher_pb2.Matcher(on_no_match=limit)
    matcher.matcher_tree.input.CopyFrom(_header(":method"))
    for method in _METHODS_WITHOUT_BODY:
        matcher.matcher_tree.exact_match_map.map[method].matcher.CopyFrom(announced)
    return filter_switch(
        packed(extension_matcher_pb2.ExtensionWithMatcherPerRoute(xds_matcher=matcher))
    )


def body_limit_of(switch: Any) -> int:
    """The bound in bytes that the packed `FilterConfig` of a route holds; 0 when it is off."""
    config = route_components_pb2.FilterConfig.FromString(switch.value).config
    per_route = extension_matcher_pb2.ExtensionWithMatcherPerRoute.FromString(config.value)
    action = per_route.xds_matcher.on_no_match.action.typed_config
    limit = composite_pb2.ExecuteFilterAction.FromString(action.value).typed_config.typed_config
    size = wrappers_pb2.BytesValue.FromString(limit.value).value
    return int(wrappers_pb2.UInt64Value.FromString(size).value)


def _execute(size_bytes_max: int) -> Any:
    # BodySizeLimit is newer than the generated classes. Its one field, number 1, holds a
    # UInt64Value; a BytesValue with that message inside is the same on the wire.
    size = wrappers_pb2.UInt64Value(value=size_bytes_max)
    limit = empty(_BODY_SIZE_LIMIT)
    limit.value = body_of(wrappers_pb2.BytesValue(value=body_of(size)))
    return composite_pb2.ExecuteFilterAction(
        typed_config=extension_pb2.TypedExtensionConfig(name="body_limit", typed_config=limit)
    )


def _header(name: str) -> Any:
    return xds_extension_pb2.TypedExtensionConfig(
        name=name,
        typed_config=packed(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=name)),
    )
