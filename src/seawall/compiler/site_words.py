"""What changed in sites, in words: told of a site as a whole, over http and https.

A site stands in one route table for each scheme, and may be served over one, sent from http to
https, or be in none. What only moved between the two, such as the routes of a site that is sent to
https from now on, did not change, and what one table no longer says the other may still say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envoy.config.route.v3 import route_components_pb2, route_pb2

from seawall.compiler import names
from seawall.compiler.bot_policy_words import bot_changes, key_change, route_bots_text
from seawall.compiler.changes import EDGE, Action, Change
from seawall.compiler.deny import denied_by, lists_held
from seawall.compiler.differ import differences, words
from seawall.compiler.misdirected import drop_misdirected
from seawall.compiler.model_words import model_changes, script_in
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
from seawall.compiler.snapshot import Resource
from seawall.compiler.tables import name_of

_Resources = Mapping[str, Resource]
_Tables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Served:
    """A site in one route table."""

    table: Any
    host: Any

    @property
    def is_sent_away(self) -> bool:
        """Whether all of its requests are sent to https, so that nothing else is said of it."""
        routes = self.host.routes
        return bool(routes) and routes[-1].name.endswith(names.ROUTE_HTTPS)


_BySchemes = Mapping[str, _Served]


def site_changes(before: _Resources, after: _Resources) -> Iterator[Change]:
    """What changed between two sets of route tables, by name."""
    same = _same_hosts(before, after)
    old, new = _read(before, same), _read(after, same)
    yield from _lists(before, after)
    if before:  # of a first release it goes without saying
        yield from _model(old, new)
    none = route_pb2.RouteConfiguration()
    for name in sorted({*old, *new}):
        asked, asks = _drop(old.get(name, none)), _drop(new.get(name, none))
        if name in before and name in after and not _asks(before[name], same):
            yield from _misdirected(name, before[name], after[name], asked=asked, asks=asks)
    were, are = _sites(old), _sites(new)
    for text in key_change(_pairs(were, are)):
        yield Change(Action.CHANGED, EDGE, f"edge: {text}")
    for site in sorted({*were, *are}):
        yield from _site(site, were.get(site, {}), are.get(site, {}))
    for name in sorted({*old} & {*new}):
        for table in (old[name], new[name]):
            table.ClearField("virtual_hosts")
            for told in (names.FILTER_DENY, *names.FILTERS_BOTS):
                table.typed_per_filter_config.pop(told, None)
        for difference in differences(old[name], new[name]):
            yield Change(Action.CHANGED, EDGE, f"edge: {name}: {words(difference, {})}")


def _read(resources: _Resources, same: frozenset[str]) -> _Tables:
    """The tables by name, without the hosts of which there is nothing to say."""
    tables: dict[str, Any] = {}
    for name, resource in sorted(resources.items()):
        table = tables[name] = route_pb2.RouteConfiguration.FromString(resource.table.rest)
        for host in resource.table.hosts:
            if name_of(host) not in same:
                table.virtual_hosts.add().MergeFromString(host)
    return tables


def _sites(tables: _Tables) -> dict[str, dict[str, _Served]]:
    """Each site by the schemes that it stands in."""
    found: dict[str, dict[str, _Served]] = {}
    for scheme, table in tables.items():
        for host in table.virtual_hosts:
            if host.name != names.UNKNOWN_HOST:
                found.setdefault(host.name, {})[scheme] = _Served(table, host)
    return found


def _pairs(
    were: Mapping[str, _BySchemes], are: Mapping[str, _BySchemes]
) -> Iterator[tuple[Any, Any]]:
    """Each host with what it was in the same table."""
    for site, after in are.items():
        before = were.get(site, {})
        yield from ((before[s].host, after[s].host) for s in after if s in before)


def _same_hosts(before: _Resources, after: _Resources) -> frozenset[str]:
    """Sites of which there is nothing to say: their bytes are the same, and those for all sites.

    Args:
        before: the tables before.
        after: the tables now.
    """
    if {*before} != {*after}:
        return frozenset()
    same: dict[str, bool] = {}
    for name, resource in before.items():
        one, other = resource.table, after[name].table
        if one.rest != other.rest:
            return frozenset()
        was, now = ({name_of(host): host for host in table.hosts} for table in (one, other))
        for host in {*was, *now}:
            same[host] = same.get(host, True) and was.get(host) == now.get(host)
    return frozenset(host for host, is_same in same.items() if is_same)


def _lists(old: _Resources, new: _Resources) -> Iterator[Change]:
    before, after = _lists_of(old), _lists_of(new)
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


def _lists_of(resources: _Resources) -> dict[str, frozenset[str]]:
    """The lists of all tables; one that stands in several is the same in each."""
    found: dict[str, frozenset[str]] = {}
    for _, resource in sorted(resources.items()):
        found |= lists_held(resource.table)
    return found


def _model(old: _Tables, new: _Tables) -> Iterator[Change]:
    for text in model_changes(_looking(old), _looking(new)):
        yield Change(Action.CHANGED, EDGE, f"edge: {text}")


def _looking(tables: _Tables) -> Any:
    """A table with the bot filter, which is the same in each that has it; else an empty one."""
    found = (table for table in tables.values() if script_in(table))
    return next(found, route_pb2.RouteConfiguration())


def _drop(table: Any) -> bool:
    """Take the question out of all hosts of a table; whether any asked it."""
    return sum(map(drop_misdirected, table.virtual_hosts)) > 0


def _asks(resource: Resource, same: frozenset[str]) -> bool:
    """Whether any of those hosts of a table asks it that were not read."""
    told = names.ROUTE_MISDIRECTED.encode()
    return any(
        drop_misdirected(route_components_pb2.VirtualHost.FromString(host))
        for host in resource.table.hosts
        if told in host and name_of(host) in same
    )


def _misdirected(
    name: str, before: Resource, after: Resource, *, asked: bool, asks: bool
) -> Iterator[Change]:
    """The question that all hosts of a table begin or cease to ask together, told once."""
    if asked != asks and before.table.hosts and after.table.hosts:
        does = "refused with 421" if asks else "served, because there is no other certificate"
        text = f"edge: {name}: requests on the connection of another certificate are {does}"
        yield Change(Action.CHANGED, EDGE, text)


def _site(name: str, before: _BySchemes, after: _BySchemes) -> Iterator[Change]:
    subject = f"site {name}"
    if not before:
        yield Change(Action.ADDED, subject, f"{subject}: added, hosts {_hosts(after)}")
    elif not after:
        yield Change(Action.REMOVED, subject, f"{subject}: removed")
    else:
        for scheme in sorted({*before, *after}):
            yield from _served(subject, scheme, before.get(scheme), after.get(scheme))
        for old, new in _comparable(before, after):
            yield from _host(subject, old, new)


def _hosts(site: _BySchemes) -> str:
    return ", ".join(next(iter(site.values())).host.domains)


def _served(
    subject: str, scheme: str, old: _Served | None, new: _Served | None
) -> Iterator[Change]:
    """Whether a site that stays is served over a scheme."""
    if new is None:
        yield Change(Action.REMOVED, subject, f"{subject}: removed over {scheme}")
        return
    if old is None and not new.is_sent_away:
        hosts = ", ".join(new.host.domains)
        yield Change(Action.ADDED, subject, f"{subject}: added over {scheme}, hosts {hosts}")
    elif new.is_sent_away and (old is None or not old.is_sent_away):
        text = f"{subject}: requests over {scheme} are sent to https"
        yield Change(Action.CHANGED, subject, text)
    elif old is not None and old.is_sent_away and not new.is_sent_away:
        text = f"{subject}: requests over {scheme} are served, and no longer redirected to https"
        yield Change(Action.CHANGED, subject, text)


def _comparable(before: _BySchemes, after: _BySchemes) -> Iterator[tuple[_Served, _Served]]:
    """What of a site is to be compared with what: like with like, over one scheme if there is one.

    A site that moved from one scheme to the other is compared with what it was over that.
    """
    both = [(before[scheme], after[scheme]) for scheme in sorted({*before} & {*after})]
    alike = [(old, new) for old, new in both if old.is_sent_away == new.is_sent_away]
    yield from alike
    if not any(not old.is_sent_away for old, _ in alike):
        served = [
            [one for one in site.values() if not one.is_sent_away] for site in (before, after)
        ]
        if all(served):
            yield served[0][0], served[1][0]


def _host(subject: str, old: _Served, new: _Served) -> Iterator[Change]:
    """What changed in a host that was there."""
    denied = change("turns away", *(", ".join(denied_by(s.table, s.host)) for s in (old, new)))
    bots = bot_changes(old.table, old.host, new.table, new.host)
    for text in (*denied, *bots):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}")
    before, after = old.host, new.host
    if before == after:
        return
    for domain in sorted({*before.domains} ^ {*after.domains}):
        did = "added" if domain in after.domains else "removed"
        yield Change(Action.CHANGED, subject, f"{subject}: host {domain} {did}")
    codings = change("compression", codings_text(before), codings_text(after))
    for text in (*codings, *host_like_changes(before, after), *other_changes(before, after)):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}")
    yield from _routes(subject, before, after)


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
