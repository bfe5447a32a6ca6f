"""Which listeners an Envoy of a trial has: private ones to be tasted by, public ones when opened.

A taste listener is a copy of the first public listener of its scheme, on a Unix socket in the
slot's directory that only the agent can open. What asks there is not a client: the copy has its own
name in Envoy's statistics, writes no access records, has route tables and a router of its own that
count for no site, and says why it could not reach an origin. Everything else is the release's own:
TLS, filters, routes, headers. Pure.
"""

import ipaddress
from collections.abc import Collection, Iterator
from typing import Any, Final

from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from seawall.compiler.chains import managers
from seawall.compiler.domains import takes, without_port
from seawall.compiler.names import FILTER_MANAGER, FILTER_ROUTER
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import body_of, packed
from seawall.node.kernel import Place

TASTE: Final = "taste"
"""Of the statistics of taste listeners (`http.taste.*`), and first word of their names."""
PROXY_STATUS: Final = "proxy-status"
"""Header in which a taste listener says why it answered itself: RFC 9209."""
_SOCKET_MODE: Final = 0o600
_TYPES: Final = (TypeUrl.LISTENER, TypeUrl.ROUTES)
_KEPT_FILTERS: Final = ("envoy.filters.listener.tls_inspector",)
_ROUTER: Final = router_pb2.Router.DESCRIPTOR.full_name


def socket_name(scheme: str) -> str:
    """File name of the taste socket of `http` or `https`, in the slot's directory."""
    return f"{TASTE}-{scheme}.sock"


def public_places(snapshot: Snapshot) -> tuple[Place, ...]:
    """Every address that the release listens on for clients."""
    found = (_place(Listener.FromString(r.body)) for r in snapshot.of_type(TypeUrl.LISTENER))
    return tuple(place for place in found if place is not None)


def with_taste(
    snapshot: Snapshot,
    asked: Collection[str],
    places: Collection[Place] | None = None,
    *,
    ahead: bool = False,
) -> Snapshot:
    """`snapshot` with taste listeners, and of its public ones only those at `places`.

    Args:
        snapshot: of a release, stamped.
        asked: the hosts that are asked. Taste listeners and their tables hold what answers them
            and no more: Envoy reads a table whole, and there may be thousands of hosts.
        places: None keeps every public listener; an empty set none.
        ahead: let Envoy read the route tables of the other public listeners too, so that whoever
            opens these later need not wait for that.
    """
    hosts = frozenset(without_port(host) for host in asked)
    return Snapshot.of(_with_taste(snapshot, hosts, places, ahead=ahead))


def without_taste(snapshot: Snapshot) -> Snapshot:
    """`snapshot` without what `with_taste` adds; the same one when there is nothing of it."""
    kept = tuple(r for r in snapshot.resources if not _of_taste(r))
    return snapshot if len(kept) == len(snapshot.resources) else Snapshot(kept)


def has_taste(snapshot: Snapshot, scheme: str) -> bool:
    """Whether there is a taste listener of `http` or `https`."""
    return (TypeUrl.LISTENER, f"{TASTE} {scheme}") in snapshot.by_key


def _of_taste(resource: Resource) -> bool:
    return resource.type_url in _TYPES and resource.name.startswith(f"{TASTE} ")


def _with_taste(
    snapshot: Snapshot, hosts: frozenset[str], places: Collection[Place] | None, *, ahead: bool
) -> Iterator[Resource]:
    used: set[str] = set()
    ahead_of: dict[str, Any] = {}
    tasted: set[str] = set()
    copied: set[bool] = set()
    for resource in snapshot.of_type(TypeUrl.LISTENER):
        listener = Listener.FromString(resource.body)
        place = _place(listener)
        tables = {m.rds.route_config_name: m.rds for _, m in _managers(listener)}
        if places is None or place is None or place in places:
            used |= tables.keys()
            yield resource
        ahead_of |= tables
        if place is not None and (encrypted := _encrypted(listener)) not in copied:
            copied.add(encrypted)
            tasted |= _make_private(listener, "https" if encrypted else "http", hosts)
            yield Resource(TypeUrl.LISTENER, listener.name, body_of(listener), resource.owner)
    if ahead:
        unread = sorted(ahead_of.keys() - used)
        yield from (_reader(n, table, ahead_of[table]) for n, table in enumerate(unread))
        used |= ahead_of.keys()
    yield from _others(snapshot, hosts, tasted, used)


def _others(
    snapshot: Snapshot, hosts: frozenset[str], tasted: set[str], used: set[str]
) -> Iterator[Resource]:
    """What is no listener: private tables for those in `tasted`, and what is in `used`."""
    for resource in snapshot.resources:
        if resource.type_url is TypeUrl.ROUTES:
            if resource.name in tasted:
                yield _private_table(resource, hosts)
            if resource.name not in used:  # Envoy would not ask for it
                continue
        if resource.type_url is not TypeUrl.LISTENER:
            yield resource


def _place(listener: Any) -> Place | None:
    """Where it listens; None when on no TCP port."""
    address = listener.address.socket_address
    if not listener.address.HasField("socket_address"):
        return None
    host = str(ipaddress.ip_address(address.address))
    return Place(host, int(address.port_value), dual=bool(address.ipv4_compat))


def _encrypted(listener: Any) -> bool:
    return any(chain.HasField("transport_socket") for chain in listener.filter_chains)


def _make_private(listener: Any, scheme: str, hosts: frozenset[str]) -> set[str]:
    """Turn a copy of a public listener into a taste listener; the route tables it used.

    It has the chains of the asked hosts alone: each costs milliseconds of Envoy's main thread, and
    a stable slot keeps those of a listener that is gone until its time to drain is over.
    """
    listener.name = f"{TASTE} {scheme}"
    listener.stat_prefix = TASTE
    listener.address.Clear()
    listener.address.pipe.path = socket_name(scheme)
    listener.address.pipe.mode = _SOCKET_MODE
    listener.ClearField("additional_addresses")
    filters = [found for found in listener.listener_filters if found.name in _KEPT_FILTERS]
    chains = [
        chain
        for chain in listener.filter_chains
        if not chain.filter_chain_match.source_prefix_ranges  # the copy for trusted proxies
    ]
    # One at least: Envoy takes no listener without any.
    chains = [chain for chain in chains if _takes(chain, hosts)] or chains[:1]
    for repeated, kept in (("listener_filters", filters), ("filter_chains", chains)):
        copies = [type(one).FromString(body_of(one)) for one in kept]
        listener.ClearField(repeated)
        getattr(listener, repeated).extend(copies)
    tables: set[str] = set()
    done: dict[bytes, Any] = {}
    for config, manager in _managers(listener):
        if config.value not in done:
            tables.add(manager.rds.route_config_name)
            manager.stat_prefix = TASTE
            manager.ClearField("access_log")
            manager.proxy_status_config.literal_proxy_name = TASTE
            manager.rds.route_config_name = _table(manager.rds.route_config_name)
            _quiet_router(manager)
            done[config.value] = packed(manager)
        config.CopyFrom(done[config.value])
    return tables


def _takes(chain: Any, hosts: frozenset[str]) -> bool:
    """Whether a connection for one of these hosts may come to this chain."""
    names = chain.filter_chain_match.server_names
    return not names or any(takes(name, hosts) for name in names)


def _managers(listener: Any) -> Iterator[tuple[Any, Any]]:
    """Each packed connection manager with its content; equal ones are read once."""
    read: dict[bytes, Any] = {}
    for chain in listener.filter_chains:
        for config in managers(chain):
            if config.value not in read:
                read[config.value] = hcm_pb2.HttpConnectionManager.FromString(config.value)
            yield config, read[config.value]


def _quiet_router(manager: Any) -> None:
    """An origin that serves one site alone counts for that site, whoever asks: let it not count."""
    for found in manager.http_filters:
        if found.typed_config.type_url.endswith(_ROUTER):
            router = router_pb2.Router.FromString(found.typed_config.value)
            router.dynamic_stats.value = False
            found.typed_config.CopyFrom(packed(router))


def _table(name: str) -> str:
    return f"{TASTE} {name}"


def _reader(number: int, table: str, rds: Any) -> Resource:
    """A listener that accepts no connection, for which Envoy reads a route table.

    Envoy has one copy of a table for all who name it in the same words.
    """
    manager = hcm_pb2.HttpConnectionManager(stat_prefix=TASTE, rds=rds)
    manager.http_filters.add(name=FILTER_ROUTER).typed_config.CopyFrom(packed(router_pb2.Router()))
    listener = Listener(name=f"{TASTE} reads {table}", stat_prefix=TASTE)
    listener.address.pipe.path = f"{TASTE}-reads-{number}.sock"  # it must have an own address
    listener.address.pipe.mode = _SOCKET_MODE
    listener.bind_to_port.value = False
    chain = listener.filter_chains.add()
    chain.filters.add(name=FILTER_MANAGER).typed_config.CopyFrom(packed(manager))
    return Resource(TypeUrl.LISTENER, listener.name, body_of(listener), "edge")


def _private_table(resource: Resource, hosts: frozenset[str]) -> Resource:
    """What answers `hosts`, counted for no site."""
    table = RouteConfiguration.FromString(resource.body)
    table.name = _table(resource.name)
    kept = [host for host in table.virtual_hosts if any(takes(d, hosts) for d in host.domains)]
    table.ClearField("virtual_hosts")
    table.virtual_hosts.extend(kept)
    for host in table.virtual_hosts:
        for route in host.routes:
            route.stat_prefix = ""
    return Resource(TypeUrl.ROUTES, table.name, body_of(table), resource.owner)
