"""What a change of the bot filter means in words: another model, or another program around it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2

from seawall.bots.scripted import (
    ScriptedModel,
    scripted_model,
    scripted_shadow,
    without_shadow,
)
from seawall.compiler import names
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.verify.lua import lists_in as ranges_in
from seawall.verify.lua import without_lists
from seawall.verify.ranges import header


def script_in(configuration: Any) -> str:
    """The Lua text of a `RouteConfiguration`; empty when nobody is looked at."""
    packed = configuration.typed_per_filter_config.get(names.FILTER_BOTS)
    if packed is None:
        return ""
    switch, route = route_components_pb2.FilterConfig(), lua_pb2.LuaPerRoute()
    if not packed.Unpack(switch) or not switch.config.Unpack(route):
        return ""
    return str(route.source_code.inline_string)


def script_of(snapshot: Snapshot) -> str:
    """The Lua text of a snapshot; every route table that has one has the same."""
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        # It is said once for all hosts: nobody need read them.
        if text := script_in(route_pb2.RouteConfiguration.FromString(resource.table.rest)):
            return text
    return ""


def model_of(snapshot: Snapshot) -> ScriptedModel | None:
    """The model that a snapshot scores with; None when it scores nothing."""
    return scripted_model(script_of(snapshot))


def shadow_of(snapshot: Snapshot) -> ScriptedModel | None:
    """The model that scores beside it and decides nothing; None when there is none."""
    return scripted_shadow(script_of(snapshot))


@dataclass(frozen=True, slots=True)
class Held:
    """Published ranges as a snapshot holds them.

    Attributes:
        networks: how many.
        fetched_s: when their operator last said so, Unix seconds; None when that is not known.
    """

    networks: int
    fetched_s: float | None


def ranges_held(snapshot: Snapshot) -> dict[str, Held]:
    """The published ranges that verify bots, by name."""
    held = {}
    for name, content in ranges_in(script_of(snapshot)).items():
        head = header(content.encode())
        held[name] = Held(len(_networks(content)), None if head is None else float(head[1]))
    return held


def model_changes(old: Any, new: Any) -> Iterator[str]:
    """What differs between the bot filters of two `RouteConfiguration`s."""
    before, after = script_in(old), script_in(new)
    if before == after:
        return
    if not before or not after:
        yield f"requests are {'checked' if after else 'no longer checked'} by the bot filter"
    elif ranges_in(before) != ranges_in(after):
        yield from _range_changes(ranges_in(before), ranges_in(after))
        before, after = without_lists(before), without_lists(after)
    shadows = tuple(scripted_shadow(text) for text in (before, after))
    if _id(shadows[0]) != _id(shadows[1]):
        yield f"shadow bot model {_title(shadows[0])} -> {_title(shadows[1])}"
        before, after = without_shadow(before), without_shadow(after)
    was, now = (scripted_model(text) for text in (before, after))
    if _id(was) != _id(now):
        yield f"bot model {_title(was)} -> {_title(now)}"
    elif before != after and before and after:
        yield "the program of the bot filter changed"


def _id(model: ScriptedModel | None) -> str:
    return model.id if model is not None else ""


def _title(model: ScriptedModel | None) -> str:
    return model.title if model is not None else "none"


def _range_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, after = (_networks(lists.get(name, "")) for lists in (old, new))
        if before != after:
            counts = f"+{len(after - before):,}, -{len(before - after):,}"
            yield f"bot ranges {name}: {len(before):,} -> {len(after):,} networks ({counts})"
        elif old.get(name) != new.get(name):
            yield f"bot ranges {name}: the same {len(after):,} networks, with a new date"


def _networks(content: str) -> frozenset[str]:
    return frozenset(line for line in content.splitlines() if not line.startswith("#"))
