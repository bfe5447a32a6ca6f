"""The bound on a request body: answered with 413 as soon as it is exceeded, without buffering.

Envoy's body-size filter takes no configuration per route. So the bound of sites that set none
stands in the connection manager as it is, which costs a request one per cent. Any other bound runs
inside a composite filter: the route names the instance to run, at five times the cost. Both hold
for every request: neither its method nor its headers tell whether a body follows, since Envoy takes
`transfer-encoding` away before filters look.

What flows after an upgrade is no request body. A route that lets WebSockets through bounds all
other requests: Envoy drops `upgrade` where a request asks for none, so that none hides behind it.
"""

from functools import lru_cache
from typing import Any, Final

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from google.protobuf import wrappers_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.composite import composite_filter, composite_switch, matcher_of
from seawall.compiler.matching import request_header
from seawall.compiler.wire import FILTER_OFF, body_of, empty, packed

_BODY_SIZE_LIMIT: Final = "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
_USUAL: Final = limits.USUAL_BODY_SIZE_BYTES_MAX
_SIZES_CACHED_MAX: Final = 64
_ANY: Final = ".*"


def usual_limit_filter() -> Any:
    """The filter that bounds bodies at the usual size wherever no route switches it off."""
    return _size_limit(_USUAL)


def other_limit_filter() -> Any:
    """The filter as it stands in the connection manager: it does nothing until a route says so."""
    return composite_filter(matcher_pb2.Matcher(), {})


def limit_host(compiled: Any, size_bytes_max: int) -> None:
    """Make a bound hold for a virtual host; 0 means none."""
    if size_bytes_max == _USUAL:
        return
    _set(compiled, names.FILTER_USUAL_LIMIT, FILTER_OFF)
    if size_bytes_max:
        _set(compiled, names.FILTER_BODY_LIMIT, _limit(size_bytes_max))


def limit_route(
    compiled: Any, size_bytes_max: int, of_host: int, *, upgrades: bool = False
) -> None:
    """Make a bound hold for a route of a virtual host that `limit_host` gave `of_host`.

    Args:
        compiled: the route.
        size_bytes_max: its bound; 0 means none.
        of_host: what `limit_host` was given.
        upgrades: the route takes upgrades, which the bound does not hold for.
    """
    own = upgrades and bool(size_bytes_max)
    if size_bytes_max == of_host and not own:
        return
    if of_host == _USUAL:
        _set(compiled, names.FILTER_USUAL_LIMIT, FILTER_OFF)
    if size_bytes_max:
        _set(compiled, names.FILTER_BODY_LIMIT, _limit(size_bytes_max, upgrades=upgrades))
    elif of_host != _USUAL:
        _set(compiled, names.FILTER_BODY_LIMIT, FILTER_OFF)


def limit_of(host: Any, route: Any) -> int:
    """The bound in bytes that holds for a compiled route of `host`; 0 for none."""
    switches = {**host.typed_per_filter_config, **route.typed_per_filter_config}
    switch = switches.get(names.FILTER_BODY_LIMIT)
    if switch is None:
        return 0 if names.FILTER_USUAL_LIMIT in switches else _USUAL
    matcher = matcher_of(switch)
    among = matcher.matcher_list.matchers
    chosen = among[0].on_match if among else matcher.on_no_match
    action = composite_pb2.ExecuteFilterAction.FromString(chosen.action.typed_config.value)
    size = wrappers_pb2.BytesValue.FromString(action.typed_config.typed_config.value).value
    return int(wrappers_pb2.UInt64Value.FromString(size).value)


def _set(compiled: Any, name: str, switch: Any) -> None:
    compiled.typed_per_filter_config[name].CopyFrom(switch)


@lru_cache(maxsize=_SIZES_CACHED_MAX)
def _limit(size_bytes_max: int, *, upgrades: bool = False) -> Any:
    """The packed `FilterConfig` of a route or host; shared, so never change what is returned."""
    action = composite_pb2.ExecuteFilterAction(
        typed_config=extension_pb2.TypedExtensionConfig(
            name="body_limit", typed_config=_size_limit(size_bytes_max)
        )
    )
    matcher = matcher_pb2.Matcher()
    held = matcher.on_no_match
    if upgrades:
        rule = matcher.matcher_list.matchers.add()
        request_header(rule.predicate.not_matcher, "upgrade", _ANY)
        held = rule.on_match
    held.action.CopyFrom(
        xds_extension_pb2.TypedExtensionConfig(name="body_limit", typed_config=packed(action))
    )
    return composite_switch(matcher)


def _size_limit(size_bytes_max: int) -> Any:
    # BodySizeLimit is newer than the generated classes. Its one field, number 1, holds a
    # UInt64Value; a BytesValue with that message inside is the same on the wire.
    size = wrappers_pb2.UInt64Value(value=size_bytes_max)
    limit = empty(_BODY_SIZE_LIMIT)
    limit.value = body_of(wrappers_pb2.BytesValue(value=body_of(size)))
    return limit
