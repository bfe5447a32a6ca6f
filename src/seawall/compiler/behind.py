"""What routes must know of the origins behind them, and which origins belong to one site.

An origin that is named after a site, as one written inside it is, and that no other site uses
counts for that site: Envoy then need not count each request a second time for its route. An origin
with a single address needs no rule that keeps a retry away from the endpoint that failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from seawall.compiler.clusters import is_ip
from seawall.ids import OriginName
from seawall.model import Edge, Forward, LoadBalancing, Origin, Site, UpstreamProtocol

_KINDS_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Behind:
    """An origin as a route sees it.

    Attributes:
        private: it serves one site and is named after it; its counts are that site's.
        single: it has one endpoint, and always the same.
        trailers: it may be spoken to in a protocol that has trailers of requests.
    """

    balancing: LoadBalancing
    private: bool
    single: bool
    trailers: bool


def origins_behind(edge: Edge) -> Mapping[OriginName, Behind]:
    """Each origin of `edge`, by name."""
    foreign = {
        name for site in edge.sites for name in _used(site) if name.partition("/")[0] != site.name
    }
    sites = {str(site.name) for site in edge.sites}
    return {
        origin.name: _behind(
            origin.load_balancing,
            origin.name not in foreign and origin.name.partition("/")[0] in sites,
            _is_single(origin),
            origin.protocol is not UpstreamProtocol.HTTP1,
        )
        for origin in edge.origins
    }


def behind_routes(site: Site, origins: Mapping[OriginName, Behind]) -> tuple[Behind | None, ...]:
    """The origin of each route of `site`: all that a host takes from origins."""
    return tuple(
        origins[route.action.origin] if isinstance(route.action, Forward) else None
        for route in site.routes
    )


@lru_cache(maxsize=_KINDS_REMEMBERED)
def _behind(balancing: LoadBalancing, private: bool, single: bool, trailers: bool) -> Behind:
    """The same object for equal ones, so that nobody looks into it to see that it is the same."""
    return Behind(balancing, private, single, trailers)


def _used(site: Site) -> set[OriginName]:
    return {route.action.origin for route in site.routes if isinstance(route.action, Forward)}


def _is_single(origin: Origin) -> bool:
    return len(origin.endpoints) == 1 and is_ip(origin.endpoints[0].host)
