"""Snapshots with a bot model, some with another text in the bot filter."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from envoy.extensions.filters.http.lua.v3 import lua_pb2

from compiler import build
from gate import made
from seawall.bots import artifact
from seawall.compiler import names
from seawall.compiler.compile import compile_edge
from seawall.compiler.model_words import script_in
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.wire import filter_switch, inline_text, packed
from seawall.model import BotModel, BotPolicy


def snapshot(
    content: bytes | None, shadow: bytes | None = None, policy: BotPolicy | None = None
) -> Snapshot:
    bots = policy or BotPolicy()
    edge = build.edge(build.site("shop", build.route("shop/all"), bots=bots))
    if content is not None:
        edge = replace(edge, bot_model=BotModel(artifact.digest(content), content))
    if shadow is not None:
        edge = replace(edge, bot_shadow=BotModel(artifact.digest(shadow), shadow))
    return compile_edge(edge)


def with_script(whole: Snapshot, change: Callable[[str], str]) -> Snapshot:
    """`whole` with another text in the bot filter of every route table."""

    def spoil(configuration: Any) -> None:
        text = script_in(configuration)
        route = lua_pb2.LuaPerRoute(source_code=inline_text(change(text)))
        switch = filter_switch(packed(route))
        configuration.typed_per_filter_config[names.FILTER_BOTS].CopyFrom(switch)

    return made.spoilt(whole, TypeUrl.ROUTES, names.ROUTES_HTTP, spoil)
