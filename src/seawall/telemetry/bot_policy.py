"""The bot policy that a release gives to a route, read back from its compiled route table.

`seawall why` tells by it what a rule did, or in mode `observe` would have done. The text is what
`seawall.bots.policy.policy_text` writes; a line that makes no sense is left out, since a story may
lack a detail and must not fail. Pure.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from envoy.config.route.v3 import route_pb2
from google.protobuf.message import DecodeError

from seawall.bots.policy import HEADER
from seawall.compiler import names
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.model import BotDo, RouteClass
from seawall.telemetry.bot_facts import asked_in, window_name
from seawall.telemetry.bot_story import KnownPolicy

_OFF: Final = KnownPolicy(watched=False)
_OBSERVING: Final = KnownPolicy(watched=True)
_ENFORCE: Final = "mode enforce"
_CLASS: Final = "class "
_TEXTS_REMEMBERED_MAX: Final = 16
_SKIPS: Final = "static skip"
_RULE_WORDS_MIN: Final = 3
_RULE_WORDS_ALL: Final = 8
"""`rule NAME DO LEVEL REQUESTS PER FLAGS CONDITION`; only the last has spaces."""
_ACTIONS: Final = frozenset(BotDo)


def policy_of(snapshot: Snapshot, route: str, *, tls: bool) -> KnownPolicy | None:
    """What `snapshot` says of bots for a route `SITE/ROUTE`; None when it has no such route.

    Args:
        snapshot: of the release that served.
        route: as the record names it.
        tls: the request came by the TLS listener.
    """
    wanted = names.ROUTES_HTTPS if tls else names.ROUTES_HTTP
    for resource in snapshot.resources:
        if resource.type_url is TypeUrl.ROUTES and resource.name == wanted:
            try:
                table = route_pb2.RouteConfiguration.FromString(resource.body)
            except DecodeError:
                return None
            return _policy_in(table, route)
    return None


def policies_in(snapshot: Snapshot, *, tls: bool) -> dict[str, KnownPolicy]:
    """What a compiled `snapshot` says of bots for each of its routes, by name."""
    wanted = names.ROUTES_HTTPS if tls else names.ROUTES_HTTP
    return {
        own.name: _policy_of(table, host, own)
        for resource in snapshot.of_type(TypeUrl.ROUTES)
        if resource.name == wanted
        for table in (route_pb2.RouteConfiguration.FromString(resource.body),)
        for host in table.virtual_hosts
        for own in host.routes
    }


def _policy_in(table: Any, route: str) -> KnownPolicy | None:
    site = route.partition("/")[0]
    host = next((host for host in table.virtual_hosts if host.name == site), None)
    own = next((one for one in host.routes if one.name == route), None) if host else None
    return None if host is None or own is None else _policy_of(table, host, own)


def _policy_of(table: Any, host: Any, own: Any) -> KnownPolicy:
    # In the table stands the program; a host or route with an entry of its own is without it.
    running = names.FILTER_BOTS in table.typed_per_filter_config
    if not running or any(
        names.FILTER_BOTS in part.typed_per_filter_config for part in (host, own)
    ):
        return _OFF
    texts = _texts(host)
    route_class = _texts(own).get(names.METADATA_CLASS, RouteClass.PAGE.value)
    return read_policy(texts[route_class]) if route_class in texts else _OBSERVING


@lru_cache(maxsize=_TEXTS_REMEMBERED_MAX)
def read_policy(text: str) -> KnownPolicy:
    """The policy in its text for Envoy; one that is none observes, as it does there."""
    lines = text.split("\n")
    if lines[0] != HEADER:
        return _OBSERVING
    return KnownPolicy(
        watched=True,
        enforced=_ENFORCE in lines,
        actions=tuple(_actions(lines[1:])),
        asks=tuple(_asks(lines[1:])),
        route_class=next((line[len(_CLASS) :] for line in lines if line.startswith(_CLASS)), ""),
        skips_parts=_SKIPS in lines,
    )


def _actions(lines: list[str]) -> Iterator[tuple[str, BotDo]]:
    for line in lines:
        words = line.split(" ")
        if len(words) < _RULE_WORDS_MIN or words[2] not in _ACTIONS:
            continue
        if words[0] == "rule":
            yield words[1], BotDo(words[2])
        elif words[0] == "category":
            yield f"category:{words[1]}", BotDo(words[2])


def _asks(lines: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the condition of each rule asks for, and what its `rate` counts."""
    for line in lines:
        words = line.split(" ", _RULE_WORDS_ALL - 1)
        if words[0] != "rule" or len(words) < _RULE_WORDS_ALL:
            continue
        asked = asked_in(words[-1])
        counted = window_name(words[5]) if words[2] == BotDo.RATE else ""
        yield words[1], asked if counted in ("", *asked) else (*asked, counted)


def _texts(part: Any) -> dict[str, str]:
    fields = part.metadata.filter_metadata
    if names.FILTER_BOTS not in fields:
        return {}
    return {key: value.string_value for key, value in fields[names.FILTER_BOTS].fields.items()}
