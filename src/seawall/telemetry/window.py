"""A window: what one node's Envoy did in one span of time under one release.

Counters are differences over the span, never running totals. A count that could not be read is
absent from the mapping: missing is not zero.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from seawall.ids import Generation, NodeName, ReleaseId, SiteName


@dataclass(frozen=True, slots=True)
class SiteCounts:
    """Requests of one site in a window that were routed to an origin, as answered to clients.

    Redirects and fixed responses are counted for the edge only (`answered_here`): Envoy keeps
    route statistics in its router. Latencies are of the exchange with the origin, retries
    included, in seconds; null when Envoy recorded too few. `timeouts` are answers 504: the origin
    did not begin to answer in time, or said so itself; they are counted in `status_5xx` too.
    `latency_buckets` counts the same exchanges by their time: one number for each of
    `measures.LATENCY_BOUNDS_MS`, not cumulative, without trailing zeros; empty when Envoy has
    merged none in this window.
    """

    requests: int
    status_2xx: int
    status_3xx: int
    status_4xx: int
    status_5xx: int
    timeouts: int
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    latency_buckets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """One closed window.

    Attributes:
        release: the release that served during the whole window; a window that a commit falls
            into is closed at the commit, so no window mixes two releases.
        start_s: Unix seconds.
        sites: counts by site; a site without traffic may be absent.
        edge: process-wide counters and gauges under documented names (see docs/metrics.md), and
            `cpu_s`, processor seconds that the Envoy process used, where the agent could read it.
        latency_buckets: of whole requests at the edge, as in `SiteCounts`.
    """

    node: NodeName
    slot: str
    release: ReleaseId
    generation: Generation
    start_s: float
    duration_s: float
    sites: Mapping[SiteName, SiteCounts] = field(default_factory=lambda: MappingProxyType({}))
    edge: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    latency_buckets: tuple[int, ...] = ()


def drop_oldest(windows: deque[Window], sites_max: int) -> None:
    """Drop windows until at most so many site entries are left in all of them."""
    while sum(len(window.sites) for window in windows) > sites_max:
        windows.popleft()
