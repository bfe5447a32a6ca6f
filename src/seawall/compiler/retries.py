"""Which failures a route retries, and for which methods.

What no origin has seen is repeated for every method. What one may have seen is repeated only where
the method means the same twice (RFC 9110 section 9.2.2: a proxy must not repeat others by itself),
unless the site says that all may be: else a slow answer to a POST is a second order. Envoy has one
policy for all methods of a route, and asks a header of the request what to retry besides; the route
writes it for those methods, and Envoy takes it off again (decision 0044).
"""

from functools import lru_cache
from typing import Any, Final

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2

from seawall import limits
from seawall.compiler.wire import packed, seconds, uint32
from seawall.model import Retries

IDEMPOTENT: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PUT")
_UNSEEN: Final = ("connect-failure", "refused-stream", "reset-before-request")
_EVEN_UNSEEN: Final = frozenset({"5xx", "gateway-error", "reset"})
"""These say that an attempt failed after an origin had it or before, and so hold `_UNSEEN`."""
_MAYBE_SEEN: Final = _EVEN_UNSEEN | {"retriable-4xx"}
_HEADER: Final = "x-envoy-retry-on"
_BEFORE: Final = "%CEL(request.method in ['" + "', '".join(IDEMPOTENT) + "'] ? '"
_AFTER: Final = "' : '')%"
_PREVIOUS_HOSTS: Final = packed(previous_hosts_pb2.PreviousHostsPredicate())
_REMEMBERED_MAX: Final = 256


@lru_cache(maxsize=_REMEMBERED_MAX)
def retry_policy(
    retries: Retries, methods: tuple[str, ...], attempt_s: float, *, elsewhere: bool
) -> Any:
    """The `RetryPolicy` of a route; shared, so never change what is returned.

    Args:
        retries: as the site file says.
        methods: that the route takes; none: all.
        attempt_s: until the answer of one attempt begins, 0 for no bound.
        elsewhere: not at the endpoint that failed, where there is another.
    """
    policy = route_components_pb2.RetryPolicy(
        retry_on=",".join(_parted(retries, methods)[0]),
        num_retries=uint32(retries.attempts),
    )
    if attempt_s:
        policy.per_try_timeout.CopyFrom(seconds(attempt_s))
    if elsewhere:
        policy.host_selection_retry_max_attempts = limits.RETRY_HOST_SELECTION_MAX
        policy.retry_host_predicate.add(
            name="envoy.retry_host_predicates.previous_hosts", typed_config=_PREVIOUS_HOSTS
        )
    return policy


@lru_cache(maxsize=_REMEMBERED_MAX)
def retry_header(retries: Retries, methods: tuple[str, ...]) -> Any:
    """The header edit that has idempotent requests of a route retried on more; None without."""
    words = _parted(retries, methods)[1]
    if not words:
        return None
    value = base_pb2.HeaderValue(key=_HEADER, value=f"{_BEFORE}{','.join(words)}{_AFTER}")
    return base_pb2.HeaderValueOption(
        header=value,
        append_action=base_pb2.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def retried_besides(option: Any) -> str:
    """What `retry_header` was told; empty for another header edit."""
    if option.header.key != _HEADER:
        return ""
    return str(option.header.value).removeprefix(_BEFORE).removesuffix(_AFTER)


def _parted(retries: Retries, methods: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is retried whatever the method, and what besides for the idempotent ones."""
    if not retries.attempts:
        return (), ()
    maybe_seen = tuple(word for word in retries.on if word in _MAYBE_SEEN)
    harmless = bool(methods) and set(methods) <= set(IDEMPOTENT)
    if retries.any_method or harmless or not maybe_seen:
        return retries.on, ()
    always = [word for word in retries.on if word not in _MAYBE_SEEN]
    if not _EVEN_UNSEEN.isdisjoint(maybe_seen):
        always += [word for word in _UNSEEN if word not in always]
    none_is = bool(methods) and set(methods).isdisjoint(IDEMPOTENT)
    return tuple(always), () if none_is else maybe_seen
