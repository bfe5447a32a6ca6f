"""What a release is asked on this node: written requests, the way of what changed, each site. Pure.

Written requests come first. Then `HEAD` of routes whose way to their origin differs from the
current release, since a route of one site may lead nowhere while all others serve, and few clients
may come by to show it. Then `GET /` of sites that have nothing written, changed ones first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from envoy.config.route.v3.route_pb2 import RouteConfiguration

from seawall.compiler.names import ROUTES_HTTPS, UNKNOWN_HOST
from seawall.compiler.samples import methods, sample_path
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.tables import Table
from seawall.ids import SiteName
from seawall.limits import GOLDEN_AROUND_MAX, GOLDEN_IMPLICIT_MAX, GOLDEN_TOUCHED_MAX
from seawall.model.rollout import Golden
from seawall.node.stamp import KEY, NAMESPACE

_ANY_HOST: Final = "golden.invalid"
_GUARD: Final = "/_"
"""In the names of routes that are no site file's."""
_SAFE_METHODS: Final = ("HEAD", "GET")


@dataclass(frozen=True, slots=True)
class Question:
    """A golden request.

    Attributes:
        implicit: nobody wrote it.
        route: whose way to its origin it tries; empty for all others. Asked before clients come,
            and not again.
        added: the current release has no such route.
        led_anew: the start of a site that an origin answers, and that the release changes: a page
            that the current one shows there must not be gone.
    """

    golden: Golden
    implicit: bool = False
    route: str = ""
    added: bool = False
    led_anew: bool = False

    def __str__(self) -> str:
        golden = self.golden
        scheme = "https" if golden.https else "http"
        text = f"{golden.method} {scheme}://{golden.host}{golden.path} of {golden.site}"
        return f"{text}, for the route {self.route}" if self.route else text


def questions(
    snapshot: Snapshot, golden: Sequence[Golden], current: Snapshot
) -> tuple[Question, ...]:
    """All that is asked of a release: at most what is written and two bounded lists more.

    Args:
        snapshot: of the release.
        golden: its own golden requests.
        current: what it is compared with.
    """
    written = tuple(Question(one) for one in golden)
    asked = {one.site for one in golden}
    starts: dict[SiteName, Golden] = {}
    ways: dict[str, _Way] = {}
    changed: set[SiteName] = set()
    led_anew: set[SiteName] = set()
    origins = _other_origins(snapshot, current)
    for host in _hosts(snapshot, current):
        site = SiteName(host.new.name)
        starts.setdefault(site, Golden(site, _name_of(host.new), "/", https=host.https))
        found = list(_ways(host, origins))
        for way in found:
            ways.setdefault(way.route, way)
        if found or host.new != host.old:
            changed.add(site)
        if found and _start_forwards(host.new):
            led_anew.add(site)
    made = [
        Question(one, implicit=True, led_anew=one.site in led_anew)
        for one in starts.values()
        if one.site not in asked
    ]
    made.sort(key=lambda one: one.golden.site not in changed)
    if _only_hosts_differ(snapshot, current):
        others = sum(one.golden.site in changed for one in made) + GOLDEN_AROUND_MAX
        made = made[:others]
    return (
        *written,
        *islice(_of_each_origin_first([*ways.values()]), GOLDEN_TOUCHED_MAX),
        *made[:GOLDEN_IMPLICIT_MAX],
    )


def _only_hosts_differ(snapshot: Snapshot, current: Snapshot) -> bool:
    """Whether a host whose routes are as before can only answer as before.

    Envoy answers for it from its own routes, and from what is then the same for all.
    """
    if snapshot.by_key.keys() != current.by_key.keys():
        return False
    return all(
        Table.read(resource.body).rest == Table.read(current.by_key[key].body).rest
        if key[0] is TypeUrl.ROUTES
        else resource == current.by_key[key]
        for key, resource in snapshot.by_key.items()
    )


@dataclass(frozen=True, slots=True)
class _Host:
    """A virtual host of the release, and the same of the current one."""

    https: bool
    new: Any
    old: Any | None


def _hosts(snapshot: Snapshot, current: Snapshot) -> Iterator[_Host]:
    """Those of each route table, those over TLS first: what can be asked there is not without."""
    found = snapshot.of_type(TypeUrl.ROUTES)
    for resource in sorted(found, key=lambda one: one.name != ROUTES_HTTPS):
        before = current.by_key.get((TypeUrl.ROUTES, resource.name))
        old = {host.name: host for host in _of_sites(before.body)} if before else {}
        for host in _of_sites(resource.body):
            yield _Host(resource.name == ROUTES_HTTPS, host, old.get(host.name))


def _of_sites(body: bytes) -> Iterator[Any]:
    """Virtual hosts without the id of their release."""
    for host in RouteConfiguration.FromString(body).virtual_hosts:
        if host.name != UNKNOWN_HOST and host.domains:
            host.metadata.filter_metadata[NAMESPACE].fields.pop(KEY, None)
            yield host


def _name_of(host: Any) -> str:
    """One that it answers to."""
    domain = str(host.domains[0])
    return _ANY_HOST if domain == "*" else domain.replace("*", "golden", 1)


def _start_forwards(host: Any) -> bool:
    """Whether every route that may take `/` leads to an origin, so that no answer is written."""
    takes = [route for route in host.routes if _GUARD not in route.name and _may_take_start(route)]
    return bool(takes) and all(route.HasField("route") for route in takes)


def _may_take_start(route: Any) -> bool:
    match = route.match
    if match.HasField("safe_regex"):
        return True
    return bool(match.path == "/" if match.HasField("path") else match.prefix == "/")


# --- The way of what changed ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Way:
    origin: str
    golden: Golden
    route: str
    added: bool


def _other_origins(snapshot: Snapshot, current: Snapshot) -> frozenset[str]:
    """Clusters that are new or differ, by themselves or in their endpoints."""
    kinds = (TypeUrl.CLUSTER, TypeUrl.ENDPOINTS)
    return frozenset(
        resource.name
        for kind in kinds
        for resource in snapshot.of_type(kind)
        if current.by_key.get((kind, resource.name)) != resource
    )


def _ways(host: _Host, origins: frozenset[str]) -> Iterator[_Way]:
    """Of a site that the current release has too: nobody is served yet by any other."""
    if host.old is None or (host.new == host.old and not origins):
        return
    old = {route.name: route for route in host.old.routes}
    for route in host.new.routes:
        if _GUARD in route.name or not route.HasField("route"):
            continue
        if route.route.cluster not in origins and old.get(route.name) == route:
            continue
        if (golden := _way_of(route, host)) is not None:
            yield _Way(route.route.cluster, golden, route.name, route.name not in old)


def _way_of(route: Any, host: _Host) -> Golden | None:
    """A request that takes this route and changes nothing where it arrives; None if none is sure.

    https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1
    """
    path, taken = sample_path(route.match), methods(route.match) or _SAFE_METHODS
    safe = [method for method in _SAFE_METHODS if method in taken]
    if path is None or not safe:
        return None
    name = _name_of(host.new)
    return Golden(SiteName(host.new.name), name, path, method=safe[0], https=host.https)


def _of_each_origin_first(ways: Sequence[_Way]) -> Iterator[Question]:
    """One for each origin, then the others: where there are too many, no origin is left out."""
    first = {way.origin: way for way in reversed(ways)}
    leading = [way for way in ways if first[way.origin] is way]
    others = (way for way in ways if first[way.origin] is not way)
    for way in (*leading, *others):
        yield Question(way.golden, implicit=True, route=way.route, added=way.added)
