"""Envoy's composite filter: which of several filters runs is chosen for each request.

The rule stands in the filter itself and not in a wrapper around it, which every request would pay
for (2,000 instructions). The generated classes are older than both, hence the numbers of fields.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/composite_filter
"""

from collections.abc import Mapping
from typing import Any, Final

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from xds.core.v3 import extension_pb2

from seawall.compiler.wire import (
    add_map_entry,
    add_newer,
    empty,
    filter_switch,
    packed,
    set_newer_text,
)

_PER_ROUTE: Final = "envoy.extensions.filters.http.composite.v3.CompositePerRoute"
_NAMED_CHAINS_FIELD: Final = 1
_MATCHER_FIELD: Final = 2
_CHAIN_NAME_FIELD: Final = 5


def composite_filter(matcher: Any, chains: Mapping[str, Any]) -> Any:
    """A packed `Composite` as it stands in the connection manager.

    Args:
        matcher: chooses for requests whose route and host say nothing.
        chains: the configuration of a filter by the name that actions of `matcher` give it.
    """
    composite = composite_pb2.Composite()
    for name, config in chains.items():
        chain = composite_pb2.FilterChainConfiguration()
        chain.typed_config.add(name=name, typed_config=config)
        add_map_entry(composite, _NAMED_CHAINS_FIELD, name, chain)
    add_newer(composite, _MATCHER_FIELD, matcher)
    return packed(composite)


def run_chain(on_match: Any, chain: str) -> None:
    """Let what matches run the named filter of `composite_filter`."""
    action = composite_pb2.ExecuteFilterAction()
    set_newer_text(action, _CHAIN_NAME_FIELD, chain)
    on_match.action.CopyFrom(
        extension_pb2.TypedExtensionConfig(name=chain, typed_config=packed(action))
    )


def composite_switch(matcher: Any) -> Any:
    """The packed `FilterConfig` of a host or route that chooses by `matcher` instead."""
    # On the wire CompositePerRoute is the wrapper's message: a matcher in field 1.
    rule = extension_matcher_pb2.ExtensionWithMatcherPerRoute(xds_matcher=matcher)
    config = empty(_PER_ROUTE)
    config.value = packed(rule).value
    return filter_switch(config)


def matcher_of(switch: Any) -> Any:
    """The matcher of a packed switch, also of one in a release that still had the wrapper."""
    config = route_components_pb2.FilterConfig.FromString(switch.value).config
    return extension_matcher_pb2.ExtensionWithMatcherPerRoute.FromString(config.value).xds_matcher
