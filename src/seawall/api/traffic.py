"""Rates of the last minute from windows: pure sums and quotients; what was not counted is None."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from seawall import limits
from seawall.api.status_views import TrafficView
from seawall.telemetry.window import SiteCounts, Window

_EDGE: Final = ("requests", "responses_4xx", "responses_5xx")


def edge_traffic(windows: Sequence[Window]) -> TrafficView:
    """All requests of the edge."""
    counted = [window for window in windows if "requests" in window.edge]
    requests, clients, servers = (
        sum(window.edge.get(name, 0.0) for window in counted) for name in _EDGE
    )
    return _view(
        "",
        span_s=_span_s(counted),
        requests=round(requests),
        client_errors=clients,
        errors=servers,
        latencies=(
            _newest(windows, lambda window: window.edge.get("latency_p50_s")),
            _newest(windows, lambda window: window.edge.get("latency_p95_s")),
        ),
    )


def site_traffic(windows: Sequence[Window]) -> tuple[tuple[TrafficView, ...], int]:
    """Sites that had requests, busiest first, and how many more there are than shown."""
    span_s = _span_s(windows)
    by_site: dict[str, list[SiteCounts]] = {}
    for window in windows:
        for site, counts in window.sites.items():
            if counts.requests:
                by_site.setdefault(str(site), []).append(counts)
    views = [_site(site, counts, span_s) for site, counts in by_site.items()]
    views.sort(key=lambda view: (-view.requests, view.site))
    return tuple(views[: limits.API_SITES_SHOWN_MAX]), max(
        0, len(views) - limits.API_SITES_SHOWN_MAX
    )


def measures(windows: Sequence[Window]) -> Mapping[str, float]:
    """Process-wide numbers of the newest window."""
    return dict(windows[-1].edge) if windows else {}


def _span_s(windows: Iterable[Window]) -> float:
    """Time that was measured, once, however many nodes and slots measured it side by side."""
    by_slot: dict[tuple[str, str], float] = {}
    for window in windows:
        slot = (str(window.node), window.slot)
        by_slot[slot] = by_slot.get(slot, 0.0) + window.duration_s
    return max(by_slot.values(), default=0.0)


def _site(site: str, counts: Sequence[SiteCounts], span_s: float) -> TrafficView:
    return _view(
        site,
        span_s=span_s,
        requests=sum(c.requests for c in counts),
        client_errors=sum(c.status_4xx for c in counts),
        errors=sum(c.status_5xx for c in counts),
        latencies=(
            next((c.latency_p50_s for c in reversed(counts) if c.latency_p50_s is not None), None),
            next((c.latency_p95_s for c in reversed(counts) if c.latency_p95_s is not None), None),
        ),
    )


def _view(
    site: str,
    *,
    span_s: float,
    requests: int,
    client_errors: float,
    errors: float,
    latencies: tuple[float | None, float | None],
) -> TrafficView:
    return TrafficView(
        site=site,
        span_s=round(span_s, 3),
        requests=requests,
        requests_per_s=round(requests / span_s, 3) if span_s > 0 else None,
        error_share=errors / requests if requests else None,
        client_error_share=client_errors / requests if requests else None,
        latency_p50_s=latencies[0],
        latency_p95_s=latencies[1],
    )


def _newest(windows: Iterable[Window], value: Callable[[Window], float | None]) -> float | None:
    found = None
    for window in windows:
        newer = value(window)
        found = found if newer is None else newer
    return found
