"""Rates of the last minute from windows: pure sums and quotients; what was not counted is None."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from seawall import limits
from seawall.api.status_views import TrafficView
from seawall.telemetry.window import SiteCounts, Window

_CLIENT_ERRORS: Final = "responses_4xx"
_ERRORS: Final = "responses_5xx"
_ANSWERS: Final = (
    "responses_1xx",
    "responses_2xx",
    "responses_3xx",
    _CLIENT_ERRORS,
    _ERRORS,
)


def edge_traffic(windows: Sequence[Window]) -> TrafficView:
    """All requests of the edge.

    Shares are of answers: a request that takes a minute is answered in another one than it came in.
    """
    counted = [window for window in windows if "requests" in window.edge]
    answered = [window for window in counted if all(name in window.edge for name in _ANSWERS)]
    return _view(
        "",
        span_s=_span_s(counted),
        requests=round(_sum(counted, "requests")),
        answers=_sum(answered, *_ANSWERS),
        client_errors=_sum(answered, _CLIENT_ERRORS),
        errors=_sum(answered, _ERRORS),
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


def _sum(windows: Sequence[Window], *names: str) -> float:
    return sum(window.edge[name] for window in windows for name in names)


def _site(site: str, counts: Sequence[SiteCounts], span_s: float) -> TrafficView:
    requests = sum(c.requests for c in counts)
    return _view(
        site,
        span_s=span_s,
        requests=requests,
        answers=requests,  # of a site those are counted that are over
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
    answers: float,
    client_errors: float,
    errors: float,
    latencies: tuple[float | None, float | None],
) -> TrafficView:
    return TrafficView(
        site=site,
        span_s=round(span_s, 3),
        requests=requests,
        requests_per_s=round(requests / span_s, 3) if span_s > 0 else None,
        error_share=errors / answers if answers else None,
        client_error_share=client_errors / answers if answers else None,
        latency_p50_s=latencies[0],
        latency_p95_s=latencies[1],
    )


def _newest(windows: Iterable[Window], value: Callable[[Window], float | None]) -> float | None:
    found = None
    for window in windows:
        newer = value(window)
        found = found if newer is None else newer
    return found
