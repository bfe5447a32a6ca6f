"""What a release is asked while it is tasted: golden requests, recent real ones, made-up ones.

Pure: records, snapshots and `now` in, requests out, in a fixed order and bounded. Recent requests
keep safe methods only, no credentials and no query (records hold neither), and of their headers
only the name of the program. Where nobody came by, a request is made up for each route, those of
changed routes first, so that no route meets its first request in production.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice, zip_longest
from typing import Any, Final

from envoy.config.route.v3 import route_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.clusters import is_ip
from seawall.compiler.samples import is_word, methods, sample_path
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.model import Golden
from seawall.telemetry.records import AccessRecord, time_s

_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_SWITCHING_PROTOCOLS: Final = 101
_ANY_NAME: Final = "localhost"
_BELOW: Final = "seawall-taste"
"""Stands for the `*` of a wildcard host."""
_CLIENT: Final = "127.0.0.1"


class Source(StrEnum):
    """Where a request comes from."""

    GOLDEN = "golden"
    RECENT = "recent"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class Probe:
    """One request for the taster to ask.

    Attributes:
        client: the address it seems to come from; empty for the node itself, whose golden requests
            no bot policy turns away.
        site: whose golden request it is; empty for others.
        status: what the status may be, of a golden request; empty: as the current release.
        contains: what the body must hold, of a golden request.
    """

    source: Source
    https: bool
    host: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    client: str = _CLIENT
    site: str = ""
    status: tuple[int, ...] = ()
    contains: str = ""

    @property
    def name(self) -> str:
        """For people. Of a recent request the path stops early: the rest may be private."""
        scheme = "https" if self.https else "http"
        path = self.path[: limits.STORY_VALUE_LENGTH_CHARS_MAX]
        if self.source is Source.RECENT:
            first, slash, _ = path[1:].partition("/")
            path = f"/{first[:40]}{'/…' if slash else ''}"
        return f"{self.method} {scheme}://{self.host}{path}"


def golden_probes(golden: Iterable[Golden]) -> Iterator[Probe]:
    """The golden requests of the release itself."""
    for each in golden:
        yield Probe(
            source=Source.GOLDEN,
            https=each.https,
            host=each.host,
            method=each.method,
            path=each.path,
            headers=each.headers,
            client="",
            site=each.site,
            status=each.status,
            contains=each.contains,
        )


def recent_probes(records: Iterable[AccessRecord], now_s: float) -> list[Probe]:
    """A bounded sample of recent requests, spread evenly over their routes, newest first."""
    by_route: dict[str, dict[Probe, None]] = defaultdict(dict)
    for record in records:
        if not 0 <= now_s - time_s(record.time) <= limits.TASTER_SAMPLE_AGE_S:
            continue
        if (probe := _recent(record)) is not None:
            by_route[record.route][probe] = None
    rows = zip_longest(*by_route.values())
    spread = dict.fromkeys(probe for row in rows for probe in row if probe is not None)
    return list(spread)[: limits.TASTER_SAMPLES_MAX]


def _recent(record: AccessRecord) -> Probe | None:
    if record.method not in _SAFE_METHODS or record.status in (None, 0, _SWITCHING_PROTOCOLS):
        return None
    if not (is_word(record.host) and is_word(record.path) and record.path.startswith("/")):
        return None
    agent = record.user_agent if record.user_agent.isprintable() else ""
    return Probe(
        source=Source.RECENT,
        https=bool(record.tls),
        host=record.host,
        method=record.method,
        path=record.path.partition("?")[0],
        headers=(("user-agent", agent[: limits.STORY_VALUE_LENGTH_CHARS_MAX]),) if agent else (),
        client=record.client or _CLIENT,
    )


# --- Made up --------------------------------------------------------------------------------------


def made_probes(
    snapshot: Snapshot, changed: frozenset[str], alone: frozenset[str] = frozenset()
) -> tuple[list[Probe], Iterator[Probe]]:
    """One request for each route that can be told from its path.

    Args:
        snapshot: the release.
        changed: names of routes to ask first.
        alone: sites of which all routes are asked first.

    Returns:
        Those to ask first, and the rest, in turn from all sites, made as they are taken.
    """
    first: dict[Probe, None] = {}
    rest: list[Iterator[Probe]] = []
    sites = {name.partition("/")[0] for name in changed} | alone
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        configuration = route_pb2.RouteConfiguration.FromString(resource.body)
        https = resource.name == names.ROUTES_HTTPS
        for host in configuration.virtual_hosts:
            if host.name == names.UNKNOWN_HOST:
                continue
            if host.name not in sites:  # nothing of it is asked first
                rest.append(probe for _, probe in _made(host, https=https))
                continue
            of_host: list[Probe] = []
            for name, probe in _made(host, https=https):
                if name in changed or host.name in alone:
                    first[probe] = None
                else:
                    of_host.append(probe)
            rest.append(iter(of_host))
    turns = chain.from_iterable(zip_longest(*rest))
    return list(first), (probe for probe in turns if probe is not None and probe not in first)


def _made(host: Any, *, https: bool) -> Iterator[tuple[str, Probe]]:
    """A request for each route of a host, with the name of the route."""
    for route in host.routes if host.domains else ():
        if (path := sample_path(route.match)) is not None:
            # Over https nobody names an address.
            domain = str(min(host.domains, key=lambda one: is_ip(one.strip("[]"))))
            method = "HEAD" if methods(route.match) == ("HEAD",) else "GET"
            yield route.name, Probe(Source.MADE, https, _host(domain), method, path)


def _host(domain: str) -> str:
    if domain == "*":
        return _ANY_NAME
    host = domain.removesuffix(":*")
    return f"{_BELOW}{host[1:]}" if host.startswith("*") else host


@dataclass(frozen=True, slots=True)
class Questions:
    """What one release may be asked, each request once.

    Attributes:
        first: golden requests, recent ones, and those to what was changed.
        around: made up for the rest, always the same for the same routes.
        whole: there was room for all to what was changed.
    """

    first: tuple[Probe, ...]
    around: tuple[Probe, ...]
    whole: bool

    @property
    def all(self) -> tuple[Probe, ...]:
        """For a change that may be felt anywhere."""
        return self.first + self.around[: max(0, limits.TASTER_PROBES_MAX - len(self.first))]

    def narrow(self, turn: int) -> tuple[Probe, ...]:
        """For a change that touches only what is asked first: with a part of the rest.

        Args:
            turn: any number; with the next one, the next part.
        """
        size = limits.TASTER_AROUND_MAX
        parts = max(1, -(-len(self.around) // size))
        begin = turn % parts * size
        return self.first + self.around[begin : begin + size]


def choose(
    golden: Sequence[Probe],
    recent: Sequence[Probe],
    snapshot: Snapshot,
    changed: frozenset[str],
    alone: frozenset[str] = frozenset(),
) -> Questions:
    """All that one release may be asked.

    Golden requests are always asked; with others there are at most `limits.TASTER_PROBES_MAX`.

    Args:
        golden: of the release.
        recent: real ones.
        snapshot: the release.
        changed: names of its routes that differ.
        alone: the sites to which the change is confined; see `narrow`.
    """
    asked = dict.fromkeys((*golden, *recent))
    room = max(0, limits.TASTER_PROBES_MAX - len(asked))
    known = {_place(probe) for probe in asked}
    touched, others = made_probes(snapshot, changed, alone)
    first = [probe for probe in touched if _place(probe) not in known]
    fresh = (probe for probe in _once(others) if _place(probe) not in known)
    around = tuple(islice(fresh, room))
    taken = first[:room]
    return Questions((*asked, *taken), around, whole=len(taken) == len(first))


def _once(probes: Iterable[Probe]) -> Iterator[Probe]:
    met: set[Probe] = set()
    for probe in probes:
        if probe not in met:
            met.add(probe)
            yield probe


def _place(probe: Probe) -> tuple[bool, str, str, str]:
    return probe.https, probe.host, probe.method, probe.path
