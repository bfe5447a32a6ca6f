"""From running totals to windows: what happened in one span of time under one release.

Envoy's counters only grow, and start again from zero with a new process. The builder adds up the
growth from reading to reading, so the windows of one release add up to what Envoy counted, however
often it restarted. A commit closes the window: no window holds two releases. What cannot be said
(a garbled counter, growth across an unobserved commit) is left out, never guessed.

Pure: readings and times in, windows out. `collector` reads Envoy and owns the clock.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from seawall.ids import Generation, NodeName, ReleaseId, SiteName
from seawall.limits import LATENCY_SAMPLES_MIN, WINDOW_DURATION_S_MAX, WINDOW_SITES_MAX
from seawall.telemetry.measures import (
    CPU,
    EDGE_LATENCY,
    LATENCY_BOUNDS_MS,
    MEASURES,
    MEASURES_BY_SOURCE,
    SITE_COUNTERS,
    SITE_LATENCY,
    SITE_PREFIX,
    edge_source,
    split_site,
)
from seawall.telemetry.stats import Histogram, Reading, histogram
from seawall.telemetry.window import SiteCounts, Window

_UPTIME: Final = "server.uptime"
TOTALS: Final = ("requests", "responses_4xx", "responses_5xx", "client_resets")
"""Measures of the edge that are also counted from one window to the next."""
_TOTAL_OF: Final = {m.source: m.name for m in MEASURES if m.name in TOTALS}
_EDGE_LATENCY_SOURCE: Final = f"http.*.{EDGE_LATENCY}"
_EDGE_QUANTILES: Final = (("latency_p50_s", 0.5), ("latency_p95_s", 0.95), ("latency_p99_s", 0.99))
_MS_PER_S: Final = 1000
_WHOLE_SECONDS_S: Final = 1
"""Envoy's age is how many seconds of the clock have begun since its start: up to one too many."""


class WindowBuilder:
    """Builds the windows of one Envoy slot.

    Args:
        node: name of this node.
        slot: for example `stable`.
        at_s: monotonic seconds now; an Envoy younger than the builder is counted from zero, an
            older one (adopted) from its first reading.

    Attributes:
        totals: growth of `TOTALS` since the builder was made, whatever window and release it is of.
    """

    def __init__(self, node: NodeName, slot: str, *, at_s: float) -> None:
        self._node, self._slot = node, slot
        self.totals = dict.fromkeys(TOTALS, 0)
        self._born_s = at_s
        self._release: tuple[ReleaseId, Generation] | None = None
        self._opened_s = at_s
        self._seen_s: float | None = None
        self._read = False
        self._last: Reading | None = None
        self._rebase = False
        self._counts: dict[str, int] = {}
        self._buckets: dict[str, Histogram] = {}
        self._cpu_last_s: float | None = None
        self._cpu_s: float | None = None

    @property
    def release(self) -> ReleaseId | None:
        """The release that now counts; None before the first commit."""
        return self._release[0] if self._release else None

    def observe(self, reading: Reading, *, at_s: float, cpu_s: float | None = None) -> bool:
        """Take one reading; False when it was late, a duplicate, or not whole, and so ignored.

        Args:
            reading: of this slot's Envoy.
            at_s: monotonic seconds when the reading was asked for.
            cpu_s: processor seconds the process has used since it started; None when unknown.
        """
        if not reading.whole or (self._seen_s is not None and at_s <= self._seen_s):
            return False
        base = self._base(reading, at_s, cpu_s)
        if base is not None and not self._rebase:
            self._add_growth(base, reading)
        self._add_cpu(base, cpu_s)
        self._rebase = False
        self._last, self._seen_s, self._read = _with_known(reading, self._last), at_s, True
        return True

    def _add_cpu(self, base: Reading | None, cpu_s: float | None) -> None:
        last_s, self._cpu_last_s = self._cpu_last_s, cpu_s
        if cpu_s is None or base is None or self._rebase:
            return
        # Without values the base is the start of a new process, whose clock began at zero.
        before_s = last_s if base.values else 0.0
        if before_s is not None and cpu_s >= before_s:
            self._cpu_s = (self._cpu_s or 0.0) + cpu_s - before_s

    def commit(
        self,
        release: ReleaseId,
        generation: Generation,
        *,
        at_s: float,
        wall_s: float,
        observed: bool,
    ) -> Window | None:
        """Count for `release` from now on; the window of the release before, when there was one.

        Args:
            release: what serves from now on.
            generation: of the assignment that brought it.
            at_s: monotonic seconds.
            wall_s: the same moment as Unix seconds.
            observed: a reading was taken at this moment. When False, the growth up to the next
                reading belongs to two releases, and is left out.
        """
        window = self.close(at_s=at_s, wall_s=wall_s)
        self._opened_s = at_s
        self._release = (release, generation)
        self._rebase = self._rebase or (not observed and self._last is not None)
        return window

    def close(self, *, at_s: float, wall_s: float) -> Window | None:
        """End the window; None when nothing serves yet or nothing was read in it.

        One in which nothing was read stays open: what is read later grew in all of that time.

        Args:
            at_s: monotonic seconds.
            wall_s: the same moment as Unix seconds.
        """
        if self._release and not self._read:
            return None
        window, self._read = None, False
        if self._release and self._last:
            # Not by when it was opened: the clock may have been set since.
            duration_s = min(at_s - self._opened_s, WINDOW_DURATION_S_MAX)
            window = self._window(self._last, wall_s - duration_s, duration_s)
        self._opened_s = at_s
        # Growth that the window had to leave out, because its newest value is unknown, stays.
        self._counts = {n: c for n, c in self._counts.items() if window and self._unknown(n)}
        self._buckets, self._cpu_s = {}, None
        return window

    def _window(self, last: Reading, start_s: float, duration_s: float) -> Window | None:
        if self._release is None:
            return None
        release, generation = self._release
        return Window(
            node=self._node,
            slot=self._slot,
            release=release,
            generation=generation,
            start_s=start_s,
            duration_s=duration_s,
            sites=MappingProxyType(self._sites(last)),
            edge=MappingProxyType(self._edge(last)),
            latency_buckets=_bucket_counts(
                _grouped(self._buckets, edge_source).get(_EDGE_LATENCY_SOURCE)
            ),
        )

    def _unknown(self, name: str) -> bool:
        garbled = self._last.garbled if self._last else frozenset()
        if not name.startswith(SITE_PREFIX):
            return edge_source(name) in {edge_source(other) for other in garbled}
        split = split_site(name)
        return split is not None and split[0] in _sites_of(garbled)

    def _base(self, reading: Reading, at_s: float, cpu_s: float | None) -> Reading | None:
        """What to subtract: nothing for a new process, None when growth cannot be known."""
        # Processor time of one process never falls, whatever the clock does.
        fell = cpu_s is not None and self._cpu_last_s is not None and cpu_s < self._cpu_last_s
        if self._last is not None and not fell and not _restarted(self._last, reading):
            return self._last
        # One that has run for longer came by a swap: what it counted is in windows of its trial.
        uptime_s = reading.value(_UPTIME)
        known_s = self._born_s if self._seen_s is None else self._seen_s
        fresh = uptime_s is not None and uptime_s <= at_s - known_s + _WHOLE_SECONDS_S
        return Reading(whole=True) if fresh else None

    def _add_growth(self, base: Reading, reading: Reading) -> None:
        for name, value in reading.values.items():
            before = base.value(name)
            if before is None or value == before:
                continue
            # A counter that fell was reset with its process: what it shows is all new.
            growth = value - before if value > before else value
            for key in _counted_as(name):
                self._counts[key] = self._counts.get(key, 0) + growth
                if (total := _TOTAL_OF.get(edge_source(key))) is not None:
                    self.totals[total] += growth
        for name, text in reading.histograms.items():
            if text == base.histograms.get(name) or not _is_latency(name):
                continue
            grown = _bucket_growth(base.histograms.get(name), text)
            if grown is not None:
                key = _site_key(name) or name
                self._buckets[key] = _bucket_sum(self._buckets.get(key), grown)

    def _sites(self, last: Reading) -> dict[SiteName, SiteCounts]:
        found: dict[str, dict[str, int]] = {}
        unknown = _sites_of(last.garbled)
        for name, count in self._counts.items():
            split = split_site(name) if name.startswith(SITE_PREFIX) else None
            if split is None or split[0] in unknown or split[1] not in SITE_COUNTERS:
                continue
            if split[0] in found or len(found) < WINDOW_SITES_MAX:
                counts = found.setdefault(split[0], {})
                field = SITE_COUNTERS[split[1]]
                counts[field] = counts.get(field, 0) + count
        latencies = _grouped(self._buckets, lambda name: (split_site(name) or ("",))[0])
        return {
            SiteName(site): _site_counts(counts, latencies.get(site))
            for site, counts in found.items()
        }

    def _edge(self, last: Reading) -> dict[str, float]:
        edge: dict[str, float] = {m.name: 0.0 for m in MEASURES_BY_SOURCE.values() if m.counter}
        for name, count in self._counts.items():
            measure = MEASURES_BY_SOURCE.get(edge_source(name))
            if measure is not None:
                edge[measure.name] += count
        for name, value in last.values.items():
            measure = MEASURES_BY_SOURCE.get(edge_source(name))
            if measure is not None and not measure.counter:
                edge[measure.name] = edge.get(measure.name, 0.0) + value
        for name in last.garbled:
            measure = MEASURES_BY_SOURCE.get(edge_source(name))
            if measure is not None:
                edge.pop(measure.name, None)
        whole = _grouped(self._buckets, edge_source).get(_EDGE_LATENCY_SOURCE)
        for key, share in _EDGE_QUANTILES:
            value_s = quantile_s(whole, share)
            if value_s is not None:
                edge[key] = value_s
        if self._cpu_s is not None:
            edge[CPU] = self._cpu_s
        return edge


def quantile_s(values: Histogram | None, share: float) -> float | None:
    """The value below which `share` of a millisecond histogram lies, in seconds.

    Linear within a bucket, as Prometheus' `histogram_quantile` does; None when the histogram holds
    fewer than `LATENCY_SAMPLES_MIN` values.
    """
    if values is None or not values.counts or values.counts[-1] < LATENCY_SAMPLES_MIN:
        return None
    wanted = share * values.counts[-1]
    below_bound, below_count = 0.0, 0
    for bound, count in zip(values.bounds, values.counts, strict=True):
        if count >= wanted:
            inside = (wanted - below_count) / (count - below_count) if count > below_count else 1.0
            return (below_bound + inside * (bound - below_bound)) / _MS_PER_S
        below_bound, below_count = bound, count
    return values.bounds[-1] / _MS_PER_S


def _site_counts(counts: Mapping[str, int], latency: Histogram | None) -> SiteCounts:
    return SiteCounts(
        requests=counts.get("requests", 0),
        status_2xx=counts.get("status_2xx", 0),
        status_3xx=counts.get("status_3xx", 0),
        status_4xx=counts.get("status_4xx", 0),
        status_5xx=counts.get("status_5xx", 0),
        timeouts=counts.get("timeouts", 0),
        latency_p50_s=quantile_s(latency, 0.5),
        latency_p95_s=quantile_s(latency, 0.95),
        latency_buckets=_bucket_counts(latency),
    )


def _bucket_counts(values: Histogram | None) -> tuple[int, ...]:
    """Values in each bucket, without the empty ones at the end; nothing for unknown bounds."""
    if values is None or values.bounds != LATENCY_BOUNDS_MS:
        return ()
    counts = [after - before for before, after in pairwise((0, *values.counts))]
    while counts and counts[-1] == 0:
        counts.pop()
    return tuple(counts)


def _restarted(last: Reading, reading: Reading) -> bool:
    """Whether a new process counts.

    Envoy tells its age by the wall clock: that falls too when the clock is set back, and then no
    counter does. A new process that has overtaken all counters of the old one is taken for it.
    """
    before_s, now_s = last.value(_UPTIME), reading.value(_UPTIME)
    if before_s is None or now_s is None or now_s >= before_s:
        return False
    counters = (name for name in last.values if any(_counted_as(name)))
    now = ((reading.value(name), last.values[name]) for name in counters)
    return any(value is not None and value < before for value, before in now)


def _counted_as(name: str) -> Iterator[str]:
    """The keys under which the growth of a counter is added up; none when nothing reads it."""
    key = _site_key(name)
    if key is not None and key.rpartition(".")[2] in SITE_COUNTERS:
        yield key
    measure = MEASURES_BY_SOURCE.get(edge_source(name))
    if measure is not None and measure.counter:
        yield name


def _site_key(name: str) -> str | None:
    """One spelling for what counts for a site, however many origins it has of its own."""
    split = split_site(name)
    return f"{SITE_PREFIX}{split[0]}.route.{split[0]}.{split[1]}" if split else None


def _sites_of(stat_names: Iterable[str]) -> set[str]:
    return {split[0] for name in stat_names if (split := split_site(name))}


def _is_latency(name: str) -> bool:
    if name.endswith(f".{EDGE_LATENCY}"):
        return edge_source(name) == _EDGE_LATENCY_SOURCE
    return name.endswith(f".{SITE_LATENCY}") and split_site(name) is not None


def _with_known(reading: Reading, last: Reading | None) -> Reading:
    """`reading`, with the last known value of what it garbled, to be subtracted from later."""
    known = {n: v for n in reading.garbled if last and (v := last.value(n)) is not None}
    if not known:
        return reading
    return Reading(
        {**reading.values, **known}, reading.histograms, reading.garbled, whole=reading.whole
    )


def _bucket_growth(before_text: str | None, text: str) -> Histogram | None:
    """What a histogram gained; all of it after a reset; None when either text makes no sense."""
    now, before = histogram(text), histogram(before_text)
    if now is None or (before is None and before_text is not None):
        return None
    if before is None or before.bounds != now.bounds:
        return now
    growth = [n - b for n, b in zip(now.counts, before.counts, strict=True)]
    # Growth that falls from one bound to the next is not growth: the process was replaced.
    sound = growth == sorted(growth) and growth[0] >= 0
    return Histogram(now.bounds, tuple(growth)) if sound else now


def _bucket_sum(one: Histogram | None, other: Histogram) -> Histogram:
    if one is None or one.bounds != other.bounds:
        return other
    return Histogram(
        other.bounds, tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    )


def _grouped(buckets: Mapping[str, Histogram], key: Callable[[str], str]) -> dict[str, Histogram]:
    groups: dict[str, Histogram] = {}
    for name, values in buckets.items():
        group = key(name)
        groups[group] = _bucket_sum(groups.get(group), values)
    return groups
