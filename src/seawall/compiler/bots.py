"""The bot filter: one Lua text for the whole route table, asleep where nobody asked for it.

The text travels with the routes and not as a resource of its own: Envoy makes Lua machines for
each filter chain that has a text, and for a route table only once (decision 0017). In the chain
stands a filter without a text, which is constant. What a site wants stands in the metadata of its
virtual host, so a change of policy does not touch the text.

The half that looks at answers is a filter of its own, which Envoy makes for answers of 300 and up
alone (decision 0059).
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.type.matcher.v3 import status_code_input_pb2
from xds.type.matcher.v3 import matcher_pb2

from seawall import limits
from seawall.bots import artifact
from seawall.bots.policy import policy_text
from seawall.bots.script import Script, answers_text, script_text
from seawall.compiler import names
from seawall.compiler.composite import composite_filter, run_chain
from seawall.compiler.wire import (
    FILTER_OFF,
    as_field,
    body_of,
    filter_switch,
    flag,
    inline_text,
    packed,
)
from seawall.model import OBSERVING, BotMode, BotModel, Edge, Route, RouteClass, Site
from seawall.model.clearance import ClearanceKeys
from seawall.verify.catalogue import catalogue
from seawall.verify.lua import render
from seawall.verify.ranges import render as render_ranges

_ANSWERS_CHAIN: Final = "answers"
_ANSWERS_LOOKED_AT: Final = ("3xx", "4xx", "5xx")
_SWITCHES_FIELD: Final = 15
"""`VirtualHost.typed_per_filter_config`."""
_MODELS_REMEMBERED: Final = 4


def bot_filter() -> Any:
    """The filter as it stands in the connection manager: without a text it lets everybody pass.

    No route asks for what it changes of a request, so that none has to be looked for again.
    """
    return packed(lua_pb2.Lua(clear_route_cache=flag(on=False)))


def answers_filter() -> Any:
    """The other half as it stands in the connection manager: asleep for all answers below 300."""
    rule = matcher_pb2.Matcher()
    rule.matcher_tree.input.name = "status"
    rule.matcher_tree.input.typed_config.CopyFrom(
        packed(status_code_input_pb2.HttpResponseStatusCodeClassMatchInput())
    )
    for kind in _ANSWERS_LOOKED_AT:
        run_chain(rule.matcher_tree.exact_match_map.map[kind], _ANSWERS_CHAIN)
    return composite_filter(rule, {_ANSWERS_CHAIN: packed(lua_pb2.Lua())})


class BotFilter:
    """What an edge's route tables say of bots."""

    def __init__(self, edge: Edge) -> None:
        self._wanted = any(watched(site) for site in edge.sites)
        self._models = edge.bot_model, edge.bot_shadow
        self._service = any(enforced(site) for site in edge.sites)
        self._policies = any(_has_policy(site) for site in edge.sites)
        self._ranges = tuple(
            (str(one.name), render_ranges(one.name, one.networks, fetched_s=one.fetched_s))
            for one in edge.lists
            if one.networks and one.name in catalogue().sources
        )

    def write_table(self, configuration: Any) -> None:
        """Put the text into a `RouteConfiguration`, where some site wants it."""
        if self._wanted:
            filters = configuration.typed_per_filter_config
            requests = _switch(*self._models, self._service, self._policies, self._ranges)
            filters[names.FILTER_BOTS].CopyFrom(requests)
            filters[names.FILTER_BOTS_ANSWERS].CopyFrom(_switched_on(answers_text()))

    def of_site(self, site: Site) -> bytes:
        """What a serialized virtual host of `site` is continued with."""
        return b"" if watched(site) else self.of_nobody()

    def of_nobody(self) -> bytes:
        """What a serialized virtual host whose requests are not looked at is continued with."""
        if not self._wanted:
            return b""
        off = as_field(2, body_of(FILTER_OFF))
        keys = (as_field(1, name.encode()) for name in names.FILTERS_BOTS)
        return b"".join(as_field(_SWITCHES_FIELD, key + off) for key in keys)


def watched(site: Site) -> bool:
    """Whether anything of a site is looked at."""
    return site.bots.mode is not BotMode.OFF


def enforced(site: Site) -> bool:
    """Whether anybody may be refused or challenged on a site."""
    return site.bots.mode is BotMode.ENFORCE


def _has_policy(site: Site) -> bool:
    """Whether the filter needs to be told more of a site than to observe."""
    return watched(site) and site.bots != OBSERVING


def keys_text(keys: ClearanceKeys) -> str:
    """Clearance keys as the filter and the bot service read them: `EPOCH KID:HEX KID:HEX`."""
    pairs = (f"{key.kid}:{key.value.reveal().hex()}" for key in keys)
    return " ".join((str(limits.CLEARANCE_EPOCH), *pairs))


def write_policy(host: Any, site: Site, keys: ClearanceKeys | None) -> None:
    """Put the policy of a site into its virtual host: one text for each class of its routes.

    A site that says nothing of bots needs none: the filter observes by itself.
    """
    if not _has_policy(site):
        return
    values = host.metadata.filter_metadata[names.FILTER_BOTS]
    classes = {RouteClass.PAGE, *(route.route_class for route in site.routes)}
    for each in sorted(classes):
        values.fields[each.value].string_value = policy_text(site.bots, site.name, each)
    if keys is not None and enforced(site):
        values.fields[names.METADATA_CLEARANCE].string_value = keys_text(keys)
        if site.bots.challenge.contact:
            values.fields[names.METADATA_CONTACT].string_value = site.bots.challenge.contact


def write_route(compiled: Any, site: Site, route: Route) -> None:
    """Tell the filter the class of a route, or that it is not looked at."""
    if not watched(site):
        return
    if not route.bots:
        switch_off(compiled)
    elif site.bots != OBSERVING and route.route_class is not RouteClass.PAGE:
        values = compiled.metadata.filter_metadata[names.FILTER_BOTS]
        values.fields[names.METADATA_CLASS].string_value = route.route_class.value


def switch_off(target: Any) -> None:
    """Let nobody look at the requests of a compiled route or virtual host."""
    for name in names.FILTERS_BOTS:
        target.typed_per_filter_config[name].CopyFrom(FILTER_OFF)


@lru_cache(maxsize=_MODELS_REMEMBERED)
def _switch(
    model: BotModel | None,
    shadow: BotModel | None,
    service: bool,
    policies: bool,
    ranges: tuple[tuple[str, str], ...],
) -> Any:
    """The packed `FilterConfig` with the text; shared, so never change it."""
    bots = render(catalogue(), dict(ranges))
    script = Script(bots, service=service, policies=policies)
    if model is not None:
        read = artifact.remembered(model.content)
        script = replace(script, model=read, model_digest=model.digest)
    if shadow is not None:
        read = artifact.remembered(shadow.content)
        script = replace(script, shadow=read, shadow_digest=shadow.digest)
    return _switched_on(script_text(script))


def _switched_on(script: str) -> Any:
    return filter_switch(packed(lua_pb2.LuaPerRoute(source_code=inline_text(script))))
