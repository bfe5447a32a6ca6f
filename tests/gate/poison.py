"""Snapshots that Envoy accepts and that harm it: what the taster is for."""

from collections.abc import Callable
from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.access_loggers.filters.process_ratelimit.v3 import process_ratelimit_pb2
from envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog
from envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl

SEGFAULT = 'require("ffi").cast("int*", 0)[0] = 1'
ENDLESS = "while true do end"
SLOW = "local t = os.clock() while os.clock() - t < 0.04 do end"
GREEDY = "held = held or {} held[#held + 1] = string.rep(tostring(#held), 30000000)"
ERROR = 'handle:respond({[":status"] = "503"}, "broken")'


def with_manager(whole: Snapshot, spoil: Callable[[Any], None]) -> Snapshot:
    """`whole` with every connection manager changed by `spoil`."""
    resources = []
    for resource in whole.resources:
        changed = resource
        if resource.type_url is TypeUrl.LISTENER:
            listener = Listener.FromString(resource.body)
            for chain in listener.filter_chains:
                config = chain.filters[0].typed_config
                manager = hcm_pb2.HttpConnectionManager.FromString(config.value)
                spoil(manager)
                config.Pack(manager)
            body = listener.SerializeToString(deterministic=True)
            changed = Resource(resource.type_url, resource.name, body, resource.owner)
        resources.append(changed)
    return Snapshot.of(resources)


def with_lua(whole: Snapshot, code: str, *, path: str = "") -> Snapshot:
    """`whole` with code that runs for every request, or for those of one path."""

    def spoil(manager: Any) -> None:
        wanted = f'if handle:headers():get(":path") == "{path}" then {code} end' if path else code
        lua = Lua()
        lua.default_source_code.inline_string = f"function envoy_on_request(handle) {wanted} end"
        own = hcm_pb2.HttpFilter(name="envoy.filters.http.lua")
        own.typed_config.Pack(lua)
        others = list(manager.http_filters)
        del manager.http_filters[:]
        manager.http_filters.extend([own, *others])

    return with_manager(whole, spoil)


def with_crashing_access_log(whole: Snapshot, source: str) -> Snapshot:
    """`whole` with a filter of its access log that Envoy 1.40 dies of; `source` is any file."""

    def spoil(manager: Any) -> None:
        ratelimit = process_ratelimit_pb2.ProcessRateLimitFilter()
        ratelimit.dynamic_config.resource_name = "bucket"
        ratelimit.dynamic_config.config_source.path_config_source.path = source
        log = AccessLog(name="envoy.access_loggers.stdout")
        log.typed_config.Pack(StdoutAccessLog())
        log.filter.extension_filter.name = (
            "envoy.access_loggers.extension_filters.process_ratelimit"
        )
        log.filter.extension_filter.typed_config.Pack(ratelimit)
        manager.access_log.append(log)

    return with_manager(whole, spoil)
