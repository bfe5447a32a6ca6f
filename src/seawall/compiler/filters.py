"""The HTTP filters of every connection manager, in their order.

What most sites want is on (compression, the usual body limit); the others stand with
`disabled: true` and cost an ordinary request nothing. A virtual host or route switches filters on
and off through `typed_per_filter_config`: a change of routes, which drains nobody, and never one of
the listener.
"""

from functools import cache, lru_cache
from typing import Any, Final

from envoy.config.core.v3 import substitution_format_string_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from seawall.compiler import names
from seawall.compiler.body_limit import other_limit_filter, usual_limit_filter
from seawall.compiler.bots import answers_filter, bot_filter
from seawall.compiler.compression import compression_filter
from seawall.compiler.deny import deny_filter
from seawall.compiler.wire import filter_switch, inline_text, packed

_ASKED_PATH: Final = (names.STATE_PATH, "%PATH(NQ:PATH)%")
_ASKED_HOST: Final = (names.STATE_HOST, "%REQ(:AUTHORITY)%")


def http_filters() -> list[Any]:
    """The filter chain of every connection manager, in order; the router is last."""
    return [
        hcm_pb2.HttpFilter(name=names.FILTER_DENY, typed_config=deny_filter(), disabled=True),
        # Before the other half, which may answer by itself: this one looks at that answer too.
        hcm_pb2.HttpFilter(
            name=names.FILTER_BOTS_ANSWERS, typed_config=answers_filter(), disabled=True
        ),
        hcm_pb2.HttpFilter(name=names.FILTER_BOTS, typed_config=bot_filter(), disabled=True),
        hcm_pb2.HttpFilter(name=names.FILTER_COMPRESS, typed_config=compression_filter()),
        hcm_pb2.HttpFilter(name=names.FILTER_USUAL_LIMIT, typed_config=usual_limit_filter()),
        hcm_pb2.HttpFilter(
            name=names.FILTER_BODY_LIMIT,
            typed_config=other_limit_filter(),
            disabled=True,
        ),
        hcm_pb2.HttpFilter(
            name=names.FILTER_KEEP_PATH,
            typed_config=packed(set_filter_state_pb2.Config()),
            disabled=True,
        ),
        hcm_pb2.HttpFilter(
            name=names.FILTER_TRAILERS,
            typed_config=packed(header_mutation_pb2.HeaderMutation()),
            disabled=True,
        ),
        hcm_pb2.HttpFilter(
            name=names.FILTER_ROUTER,
            typed_config=packed(router_pb2.Router(suppress_envoy_headers=True)),
        ),
    ]


def drop_trailers(target: Any) -> None:
    """Let no trailers of requests through: nothing has looked at what they say.

    Towards an origin of HTTP/1.1 Envoy drops them by itself. To one of HTTP/2 a client could send
    what it may not say as a header, `x-forwarded-for` and `x-seawall-*` among it.
    """
    target.typed_per_filter_config[names.FILTER_TRAILERS].CopyFrom(_no_trailers())


@cache
def _no_trailers() -> Any:
    """The switch that drops them; shared: never change it."""
    per_route = header_mutation_pb2.HeaderMutationPerRoute()
    removal = per_route.mutations.request_trailers_mutations.add().remove_on_match
    removal.key_matcher.safe_regex.regex = ".*"
    return filter_switch(packed(per_route))


def keep_asked(target: Any, *, path: bool, host: bool) -> None:
    """Remember what a client asked for on a route that rewrites it, for the access record."""
    asked = ((_ASKED_PATH,) if path else ()) + ((_ASKED_HOST,) if host else ())
    if asked:
        target.typed_per_filter_config[names.FILTER_KEEP_PATH].CopyFrom(_keep(asked))


@lru_cache(maxsize=3)
def _keep(asked: tuple[tuple[str, str], ...]) -> Any:
    """The switch that keeps `asked`, each a name and its text; shared: never change it."""
    values = [
        value_pb2.FilterStateValue(
            object_key=key,
            factory_key="envoy.string",
            format_string=substitution_format_string_pb2.SubstitutionFormatString(
                text_format_source=inline_text(text)
            ),
        )
        for key, text in asked
    ]
    return filter_switch(packed(set_filter_state_pb2.Config(on_request_headers=values)))
