"""The change from one snapshot to the next, in words a person understands.

Works on the compiled result, so it shows what really changes, and says which changes make Envoy
drain connections or need a new Envoy process. Secrets, header values and bodies are never shown.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.runtime.v3 import rtds_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.bot_policy_words import bot_changes, route_bots_text
from seawall.compiler.deny import denied_by, lists_in
from seawall.compiler.differ import differences, words
from seawall.compiler.listener_words import chain_changes, take_proxy_protocol, told
from seawall.compiler.misdirected import drop_misdirected
from seawall.compiler.model_words import model_changes, script_in
from seawall.compiler.origin_words import origin_changes, origin_summary
from seawall.compiler.route_words import (
    action_text,
    body_limit_text,
    change,
    codings_text,
    compression_text,
    host_like_changes,
    other_changes,
    route_changes,
    route_title,
    shared_paths,
)
from seawall.compiler.secret_words import certificate_changes
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.tables import Table
from seawall.compiler.trust_words import take_trust

_EDGE: Final = "edge"


class Action(StrEnum):
    """What happened to a subject."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        subject: what it is about: `site shop`, `route shop/api`, `origin api`, `certificate shop`,
            `listener http 0.0.0.0:80` or `edge`.
        text: one line for people; names the subject itself.
        drains: Envoy closes the connections concerned, after their requests are done.
        restarts: it takes a new Envoy process.
    """

    action: Action
    subject: str
    text: str
    drains: bool = False
    restarts: bool = False


def diff(old: Snapshot | None, new: Snapshot) -> tuple[Change, ...]:
    """What `new` changes; empty exactly when nothing does.

    Changes that restart or drain come first. More than `DIFF_CHANGES_MAX` are summarised at the
    end, by kind, so that a large change stays readable. `old` is None before the first release.
    """
    found = dict.fromkeys(_changes(old or Snapshot(()), new))  # both schemes often say the same
    ordered = sorted(found, key=lambda change: (not change.restarts, not change.drains))
    shown, rest = ordered[: limits.DIFF_CHANGES_MAX], ordered[limits.DIFF_CHANGES_MAX :]
    if rest:
        shown.append(_summary(rest))
    return tuple(shown)


def _summary(rest: list[Change]) -> Change:
    kinds = Counter((c.subject.partition(" ")[0], c.action.value) for c in rest)
    parts = [f"{count} x {kind} {action}" for (kind, action), count in sorted(kinds.items())]
    return Change(
        Action.CHANGED,
        _EDGE,
        f"and {len(rest)} more changes: {', '.join(parts)}",
        drains=any(change.drains for change in rest),
        restarts=any(change.restarts for change in rest),
    )


def _changes(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    for type_url in TypeUrl:
        before = {r.name: r for r in old.of_type(type_url)}
        after = {r.name: r for r in new.of_type(type_url)}
        tell = _TELLERS.get(type_url, _resources)
        if type_url is TypeUrl.ROUTES:
            yield from _sites(before, after)
        elif before != after:
            yield from tell(before, after)


_Resources = Mapping[str, Resource]
_Hosts = Mapping[str, Any]


def _resources(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        subject = (new or old or _NEVER).owner
        if old is None or new is None:
            action = Action.ADDED if old is None else Action.REMOVED
            yield Change(action, subject, f"{subject}: {action}")
        elif old.body != new.body:
            yield Change(Action.CHANGED, subject, f"{subject}: {new.type_url.short} changed")


def _bootstrap(before: _Resources, after: _Resources) -> Iterator[Change]:
    if not before:
        return
    old = bootstrap_pb2.Bootstrap.FromString(before[names.BOOTSTRAP].body)
    new = bootstrap_pb2.Bootstrap.FromString(after[names.BOOTSTRAP].body)
    for difference in differences(old, new):
        text = f"edge: {told(difference)}"
        yield Change(Action.CHANGED, _EDGE, text, restarts=True)


def _runtime(before: _Resources, after: _Resources) -> Iterator[Change]:
    if not before:
        return
    was_on, is_on = (_recorded(resources) for resources in (before, after))
    if was_on != is_on:
        text = f"edge: access records {'on' if is_on else 'off: nothing is recorded'}"
        yield Change(Action.CHANGED, _EDGE, text)
    old, new = (_sample(resources) for resources in (before, after))
    if old != new:
        text = f"edge: share of ordinary requests in the access log {old:g} % -> {new:g} %"
        yield Change(Action.CHANGED, _EDGE, text)
        return
    if was_on == is_on:
        yield from _resources(before, after)


def _recorded(resources: _Resources) -> bool:
    layer = rtds_pb2.Runtime.FromString(resources[names.RUNTIME_LAYER].body).layer
    return names.RUNTIME_ACCESS_LOG_ON not in layer.fields


def _sample(resources: _Resources) -> float:
    layer = rtds_pb2.Runtime.FromString(resources[names.RUNTIME_LAYER].body).layer
    return float(layer.fields[names.RUNTIME_ACCESS_LOG_SAMPLE].number_value) / 10_000


def _certificates(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        text = certificate_changes(old.body if old else None, new.body if new else None)
        if text:
            action = _action(old, new)
            yield Change(action, f"certificate {name}", f"certificate {name}: {text}")


def _origins(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        subject = f"origin {name}"
        if old is None and new is not None:
            yield Change(Action.ADDED, subject, f"{subject}: added, {origin_summary(new.body)}")
        elif new is None:
            yield Change(Action.REMOVED, subject, f"{subject}: removed")
        elif old is not None and old.body != new.body:
            for text in origin_changes(old.body, new.body):
                yield Change(Action.CHANGED, subject, f"{subject}: {text}")


def _listeners(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        subject = f"listener {name}"
        if old is None:
            yield Change(Action.ADDED, subject, f"{subject}: added")
        elif new is None:
            yield Change(Action.REMOVED, subject, f"{subject}: removed", drains=True)
        elif old.body != new.body:
            yield from _listener(subject, old.body, new.body)


def _listener(subject: str, old_body: bytes, new_body: bytes) -> Iterator[Change]:
    old = listener_pb2.Listener.FromString(old_body)
    new = listener_pb2.Listener.FromString(new_body)
    before = {chain.name: chain for chain in old.filter_chains}
    after = {chain.name: chain for chain in new.filter_chains}
    known = any(name.endswith(names.CHAIN_TRUSTED) for name in before)
    for text in take_trust(before, after):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}", drains=known)
    for name in sorted({*before, *after}):
        if name not in before:
            yield Change(Action.CHANGED, subject, f"{subject}: chain {name!r} added")
        elif name not in after:
            text = f"{subject}: chain {name!r} removed"
            yield Change(Action.CHANGED, subject, text, drains=True)
    for text in chain_changes(before, after):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}", drains=True)
    if list(before) != list(after) and sorted(before) == sorted(after):
        yield Change(Action.CHANGED, subject, f"{subject}: order of the chains changed")
    asked = (take_proxy_protocol(old), take_proxy_protocol(new))
    for text in change("PROXY protocol", *("on" if one else "off" for one in asked)):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}", drains=True)
    for listener in (old, new):
        listener.ClearField("filter_chains")
    for difference in differences(old, new):
        text = f"{subject}: {told(difference)}"
        yield Change(Action.CHANGED, subject, text, drains=True)


def _sites(before: _Resources, after: _Resources) -> Iterator[Change]:
    if before != after:
        yield from _lists(_lists_in(before), _lists_in(after))
        yield from _model(before, after)
    for name in sorted({*before, *after}):
        if name in before and name in after and before[name].body == after[name].body:
            continue
        old, new = _configuration(before.get(name)), _configuration(after.get(name))
        old_hosts = {host.name: host for host in old.virtual_hosts}
        new_hosts = {host.name: host for host in new.virtual_hosts}
        suffix = f" over {name}" if before and after and (name in before) != (name in after) else ""
        yield from _misdirected(name, old_hosts, new_hosts)
        same = _same_hosts(before.get(name), after.get(name), old, new)
        for host in sorted({*old_hosts, *new_hosts} - {names.UNKNOWN_HOST} - same):
            if host in old_hosts and host in new_hosts:
                before_words = ", ".join(denied_by(old, old_hosts[host]))
                after_words = ", ".join(denied_by(new, new_hosts[host]))
                bots = bot_changes(old, old_hosts[host], new, new_hosts[host])
                for text in (*change("turns away", before_words, after_words), *bots):
                    yield Change(Action.CHANGED, f"site {host}", f"site {host}: {text}")
            yield from _site(host, old_hosts.get(host), new_hosts.get(host), suffix)
        for configuration in (old, new):
            configuration.ClearField("virtual_hosts")
            configuration.typed_per_filter_config.pop(names.FILTER_DENY, None)
            configuration.typed_per_filter_config.pop(names.FILTER_BOTS, None)
        if name in before and name in after:
            for difference in differences(old, new):
                yield Change(Action.CHANGED, _EDGE, f"edge: {name}: {words(difference, {})}")


def _same_hosts(before: Resource | None, after: Resource | None, old: Any, new: Any) -> set[str]:
    """Hosts of which there is nothing to say: their bytes are the same, and those for all hosts.

    Args:
        before: the table before.
        after: the table now.
        old: `before`, read.
        new: `after`, read.
    """
    if before is None or after is None:
        return set()
    one, other = Table.read(before.body), Table.read(after.body)
    if one.rest != other.rest:
        return set()
    hosts = {host.name: body for host, body in zip(old.virtual_hosts, one.hosts, strict=True)}
    pairs = zip(new.virtual_hosts, other.hosts, strict=True)
    return {host.name for host, body in pairs if hosts.get(host.name) == body}


def _misdirected(name: str, before: _Hosts, after: _Hosts) -> Iterator[Change]:
    """The question that all hosts of a table begin or cease to ask together, told once."""
    asked, asking = (
        sum(drop_misdirected(host) for host in hosts.values()) for hosts in (before, after)
    )
    if bool(asked) != bool(asking) and before and after:
        does = "refused with 421" if asking else "served, since there is no other"
        text = f"edge: {name}: requests on the connection of another certificate are {does}"
        yield Change(Action.CHANGED, _EDGE, text)


def _lists_in(tables: _Resources) -> Mapping[str, frozenset[str]]:
    """Those of the edge: a table that comes or goes with its listener brings and takes none."""
    found: dict[str, frozenset[str]] = {}
    for table in tables.values():
        if names.FILTER_DENY.encode() in table.body:
            found |= lists_in(_configuration(table))
    return found


def _lists(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        subject = f"list {name}"
        held, holds = before.get(name), after.get(name)
        if held is None or holds is None:
            action = Action.ADDED if held is None else Action.REMOVED
            text = f"{subject}: {action}, {len(held or holds or ()):,} networks"
            yield Change(action, subject, text)
        elif held != holds:
            added, removed = len(holds - held), len(held - holds)
            text = f"{subject}: {len(held):,} -> {len(holds):,} networks (+{added:,}, -{removed:,})"
            yield Change(Action.CHANGED, subject, text)


def _model(before: _Resources, after: _Resources) -> Iterator[Change]:
    """The bot filter, the same in every table; of a first release it goes without saying."""
    if before:
        for text in model_changes(_with_filter(before), _with_filter(after)):
            yield Change(Action.CHANGED, _EDGE, f"edge: {text}")


def _with_filter(tables: _Resources) -> Any:
    """The first table that looks at requests, without its hosts; an empty one where none does."""
    for table in tables.values():
        found = route_pb2.RouteConfiguration.FromString(Table.read(table.body).rest)
        if script_in(found):
            return found
    return _configuration(None)


def _configuration(resource: Resource | None) -> Any:
    body = b"" if resource is None else resource.body
    return route_pb2.RouteConfiguration.FromString(body)


def _site(name: str, old: Any | None, new: Any | None, suffix: str) -> Iterator[Change]:
    subject = f"site {name}"
    if old is None and new is not None:
        text = f"{subject}: added{suffix}, hosts {', '.join(new.domains)}"
        yield Change(Action.ADDED, subject, text)
    elif new is None:
        yield Change(Action.REMOVED, subject, f"{subject}: removed{suffix}")
    elif old is not None and old != new:
        for domain in sorted({*old.domains} ^ {*new.domains}):
            did = "added" if domain in new.domains else "removed"
            yield Change(Action.CHANGED, subject, f"{subject}: host {domain} {did}")
        for text in change("compression", codings_text(old), codings_text(new)):
            yield Change(Action.CHANGED, subject, f"{subject}: {text}")
        for text in (*host_like_changes(old, new), *other_changes(old, new)):
            yield Change(Action.CHANGED, subject, f"{subject}: {text}")
        yield from _routes(subject, old, new)


def _routes(site: str, old: Any, new: Any) -> Iterator[Change]:
    before = {route.name: route for route in old.routes}
    after = {route.name: route for route in new.routes}
    shared = shared_paths(old.routes, new.routes)
    for name, route in before.items():
        if name not in after:
            text = f"{route_title(name, route, shared)}: removed"
            yield Change(Action.REMOVED, f"route {name}", text)
    for name, route in after.items():
        title = route_title(name, route, shared)
        if name not in before:
            text = f"{title}: added, {action_text(route)}"
            yield Change(Action.ADDED, f"route {name}", text)
            continue
        limits_text = (body_limit_text(before[name], old), body_limit_text(route, new))
        compressed = (compression_text(before[name], old), compression_text(route, new))
        watched = (route_bots_text(before[name]), route_bots_text(route))
        for text in (
            *change("bots", *watched),
            *change("largest body", *limits_text),
            *change("compression", *compressed),
            *route_changes(before[name], route),
        ):
            yield Change(Action.CHANGED, f"route {name}", f"{title}: {text}")
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield Change(Action.CHANGED, site, f"{site}: order of the routes changed")


def _action(old: Resource | None, new: Resource | None) -> Action:
    if old is None:
        return Action.ADDED
    return Action.REMOVED if new is None else Action.CHANGED


_NEVER: Final = Resource(TypeUrl.BOOTSTRAP, "", b"", _EDGE)
_TELLERS: Final[Mapping[TypeUrl, Callable[[_Resources, _Resources], Iterator[Change]]]] = {
    TypeUrl.BOOTSTRAP: _bootstrap,
    TypeUrl.SECRET: _certificates,
    TypeUrl.CLUSTER: _origins,
    TypeUrl.LISTENER: _listeners,
    TypeUrl.ROUTES: _sites,
    TypeUrl.RUNTIME: _runtime,
}
