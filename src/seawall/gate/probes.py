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
from itertools import chain, zip_longest
from typing import Any, Final

from envoy.config.route.v3 import route_pb2

from seawall import limits
from seawall.compiler import names
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
    if not (_is_word(record.host) and _is_word(record.path) and record.path.startswith("/")):
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


def _is_word(text: str) -> bool:
    """Printable ASCII without spaces: what can stand in the first line of a request."""
    return (
        0 < len(text) <= limits.PATH_LENGTH_CHARS_MAX
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )


# --- Made up --------------------------------------------------------------------------------------


def made_probes(snapshot: Snapshot, changed: frozenset[str], count: int) -> list[Probe]:
    """One request for each route that can be told from its path.

    Args:
        snapshot: the release.
        changed: names of routes to ask first.
        count: how many at most; the rest is taken in turn from all sites.
    """
    first: list[Probe] = []
    rest: list[list[Probe]] = []
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        configuration = route_pb2.RouteConfiguration.FromString(resource.body)
        https = resource.name == names.ROUTES_HTTPS
        for host in configuration.virtual_hosts:
            if host.name == names.UNKNOWN_HOST:
                continue
            of_host: list[Probe] = []
            rest.append(of_host)
            for route in host.routes:
                if (path := _path(route.match)) is None or not host.domains:
                    continue
                domain = str(min(host.domains, key=_is_address))  # over https nobody names one
                probe = Probe(Source.MADE, https, _host(domain), _method(route.match), path)
                (first if route.name in changed else of_host).append(probe)
    turns = chain.from_iterable(zip_longest(*rest))
    ordered = dict.fromkeys(probe for probe in (*first, *turns) if probe is not None)
    return list(ordered)[:count]


def _path(match: Any) -> str | None:
    kind = match.WhichOneof("path_specifier")
    if kind not in ("path", "prefix", "path_separated_prefix"):
        return None
    path = str(getattr(match, kind))
    return path if _is_word(path) and path.startswith("/") else None


def _method(match: Any) -> str:
    wanted = [header for header in match.headers if header.name == ":method"]
    return "HEAD" if any(h.string_match.exact == "HEAD" for h in wanted) else "GET"


def _is_address(domain: str) -> bool:
    return domain.startswith("[") or domain.replace(".", "").isdecimal()


def _host(domain: str) -> str:
    if domain == "*":
        return _ANY_NAME
    host = domain.removesuffix(":*")
    return f"{_BELOW}{host[1:]}" if host.startswith("*") else host


def choose(
    golden: Sequence[Probe], recent: Sequence[Probe], snapshot: Snapshot, changed: frozenset[str]
) -> tuple[Probe, ...]:
    """All that one release is asked, each request once.

    Golden requests are always asked; with others there are at most `limits.TASTER_PROBES_MAX`.
    """
    asked = dict.fromkeys((*golden, *recent))
    room = limits.TASTER_PROBES_MAX - len(asked)
    if room > 0:
        known = {(p.https, p.host, p.method, p.path) for p in asked}
        for probe in made_probes(snapshot, changed, room):
            if (probe.https, probe.host, probe.method, probe.path) not in known:
                asked[probe] = None
    return tuple(asked)
