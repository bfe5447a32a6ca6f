"""Windows of many nodes become few, so that a judgement of a thousand nodes takes no longer.

Every node gives the candidate the same share, so windows of one moment and slot may be added up.
Of a node only the moments in which its candidate took part are taken: what a node does that has no
candidate yet is no control for those that have one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Final

from seawall.ids import Generation, NodeName, SiteName
from seawall.limits import JUDGE_SPAN_S
from seawall.telemetry.window import SiteCounts, Window

CANDIDATE: Final = "candidate"
STABLE: Final = "stable"
BASELINE: Final = "baseline"
POOL: Final = NodeName("*")
"""The node of pooled windows; no node can have this name."""
_SITE_COUNTS: Final = tuple(
    field.name for field in fields(SiteCounts) if not field.name.startswith("latency_")
)


def span_of(window: Window) -> int:
    """Number of the span of time in which a window is compared with others."""
    return int((window.start_s + window.duration_s / 2) / JUDGE_SPAN_S)


def pooled(windows: Sequence[Window]) -> list[Window]:
    """The windows of all nodes added up by span, slot and step.

    Windows that say different things (a count could not be read) are added up apart, so that what
    is missing on one node is not missing on all.
    """
    tried = {_place(window) for window in windows if window.slot == CANDIDATE}
    groups: dict[Any, list[Window]] = {}
    for window in windows:
        place = _place(window)
        if place in tried:
            key = (place[0], window.slot, window.generation, frozenset(window.edge))
            groups.setdefault(key, []).append(window)
    return [_sum(group) for group in groups.values()]


def pooled_in_time(windows: Iterable[Window]) -> list[Window]:
    """The windows of all nodes added up by span: for what is compared with the time before."""
    groups: dict[Any, list[Window]] = {}
    for window in windows:
        groups.setdefault((span_of(window), frozenset(window.edge)), []).append(window)
    return [_sum(group) for group in groups.values()]


def _place(window: Window) -> tuple[int, NodeName, Generation]:
    return span_of(window), window.node, window.generation


def _sum(group: Sequence[Window]) -> Window:
    first = group[0]
    edge = {name: sum(window.edge[name] for window in group) for name in first.edge}
    sites: dict[SiteName, list[SiteCounts]] = {}
    for window in group:
        for site, counts in window.sites.items():
            sites.setdefault(site, []).append(counts)
    return Window(
        node=POOL,
        slot=first.slot,
        release=first.release,
        generation=first.generation,
        start_s=(span_of(first) + 0.5) * JUDGE_SPAN_S - sum(w.duration_s for w in group) / 2,
        # Processor time in vain is allowed by the second: the seconds of all nodes count.
        duration_s=sum(window.duration_s for window in group),
        sites=MappingProxyType({site: _site_sum(counts) for site, counts in sites.items()}),
        edge=MappingProxyType(edge),
        latency_buckets=_buckets(window.latency_buckets for window in group),
    )


def _site_sum(counts: Sequence[SiteCounts]) -> SiteCounts:
    sums = {name: sum(getattr(one, name) for one in counts) for name in _SITE_COUNTS}
    return SiteCounts(**sums, latency_buckets=_buckets(one.latency_buckets for one in counts))


def _buckets(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip_longest(*counts, fillvalue=0))
