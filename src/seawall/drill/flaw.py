"""A latent flaw in the data plane: what a famous outage needs, put into real Envoys.

The flaw is code that has been there for long and does no harm until a certain input comes. Here it
is a Lua filter that stands first in every connection manager of the private fleet, in both arms,
from before the drill; LuaJIT's FFI lets it do to Envoy what a bug in C++ would: crash it, hang it,
leak. What it reads (the feature list, the rule, the policy row) travels with the release, as data
of each virtual host. Nothing of this is in an operator's edge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from seawall.compiler import names
from seawall.compiler.chains import managers
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import body_of, packed
from seawall.drill.crowd import RELEASE_HEADER, SCORE_HEADER
from seawall.model import Switch

FEATURES: Final = tuple(
    f"type.googleapis.com/{kind.DESCRIPTOR.full_name}"
    for kind in (lua_pb2.Lua, lua_pb2.LuaPerRoute)
)
"""What a weakened snapshot uses that no operator's does."""
KILLED: Final = "killed"
"""What the flawed code is told of kill switches that are on: their features, one space between."""
_FILTER: Final = "seawall.drill.flaw"
_HARMLESS: Final = "function envoy_on_request(handle) end"
_RELEASE: Final = "%METADATA(VIRTUAL_HOST:seawall:release)%"
_DECIDED: Final = f"%DYNAMIC_METADATA({names.FILTER_BOTS}:{names.METADATA_DECISION})%"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Code with a hidden flaw.

    Attributes:
        lua: filter code that may use the global `data`, a table of strings by name.
        data: what this release feeds it, by name; each value is a Lua string's content.
    """

    lua: str = _HARMLESS
    data: Mapping[str, str] = field(default_factory=dict)


def killed_words(switches: Iterable[Switch]) -> str:
    """What the flawed code is told of `switches`."""
    return " ".join(sorted(switch.feature for switch in switches))


def weaken(snapshot: Snapshot, flaw: Flaw) -> Snapshot:
    """`snapshot` on a data plane that has the flaw; its answers name their release."""
    return Snapshot.of(_weakened(resource, flaw) for resource in snapshot.resources)


def _weakened(resource: Resource, flaw: Flaw) -> Resource:
    if resource.type_url is TypeUrl.LISTENER:
        return _with_body(resource, _listener(resource.body))
    if resource.type_url is TypeUrl.ROUTES:
        return _with_body(resource, _routes(resource.body, flaw))
    return resource


def _with_body(resource: Resource, message: Any) -> Resource:
    return Resource(resource.type_url, resource.name, body_of(message), resource.owner)


def _listener(body: bytes) -> Any:
    """The filter stands in the listener from the start, so that a release changes routes only."""
    listener = listener_pb2.Listener.FromString(body)
    for chain in listener.filter_chains:
        for config in managers(chain):
            manager = hcm_pb2.HttpConnectionManager.FromString(config.value)
            code = base_pb2.DataSource(inline_string=_HARMLESS)
            first = hcm_pb2.HttpFilter(
                name=_FILTER, typed_config=packed(lua_pb2.Lua(default_source_code=code))
            )
            others = list(manager.http_filters)
            del manager.http_filters[:]
            manager.http_filters.extend((first, *others))
            config.CopyFrom(packed(manager))
    return listener


def _routes(body: bytes, flaw: Flaw) -> Any:
    table = route_pb2.RouteConfiguration.FromString(body)
    code = base_pb2.DataSource(inline_string=_source(flaw))
    config = packed(lua_pb2.LuaPerRoute(source_code=code))
    for host in table.virtual_hosts:
        host.typed_per_filter_config[_FILTER].CopyFrom(config)
        for name, value in ((RELEASE_HEADER, _RELEASE), (SCORE_HEADER, _DECIDED)):
            header = host.response_headers_to_add.add()
            header.header.key, header.header.value = name.decode(), value
    return table


def _source(flaw: Flaw) -> str:
    entries = ", ".join(f"[{_quoted(name)}] = {_quoted(text)}" for name, text in flaw.data.items())
    return f"local data = {{{entries}}}\n{flaw.lua}\n"


def _quoted(text: str) -> str:
    r"""A Lua string literal; every byte that is not plain ASCII as `\ddd`."""
    plain = (
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03d}"  # noqa: PLR2004 - printable ASCII
        for byte in text.encode()
    )
    return f'"{"".join(plain)}"'
