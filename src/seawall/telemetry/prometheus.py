"""Seawall's Prometheus metrics: names, meanings and the text a scraper reads.

`METRICS` is the contract; docs/metrics.md is made from it. Counters add up the windows that nodes
delivered, each window once, so they only grow while control runs and start from zero when it is
restarted; Prometheus' `rate` and `increase` expect exactly that. What is not known has no sample:
a gauge of a node that is away, or of a trial that is over, disappears instead of freezing, as does
how long requests took when there were any, and of a node that was removed nothing is left. Site
names are the only label that an operator's file decides; they are bounded. Names are chosen by
https://prometheus.io/docs/practices/naming/
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector as RegistryCollector

from seawall.limits import METRIC_SITES_MAX, METRIC_SLOT_BEHIND_MAX, METRIC_TIME_AGE_S_MAX
from seawall.telemetry.measures import MEASURES
from seawall.telemetry.window import SiteCounts, Window

OTHER_SITES: Final = "_other"
"""Label of the sites beyond `METRIC_SITES_MAX`, and of those that no site file has, together; no
site can have this name."""
_STABLE: Final = "stable"
_QUANTILES: Final = (("0.5", "latency_p50_s"), ("0.95", "latency_p95_s"), ("0.99", "latency_p99_s"))
_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")

Labels = tuple[str, ...]
Samples = dict[tuple[str, Labels], float]
"""Values by the name of the metric and its labels."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One documented metric. A counter's name ends in `_total`, units stand in names."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: Labels
    help: str


_OWN: Final = (
    Metric("seawall_requests_total", "counter", ("site", "code_class"),
           "Requests routed to an origin, by status class of the response (1xx: upgraded)."),
    Metric("seawall_origin_timeouts_total", "counter", ("site",),
           "504 responses: the origin timed out, or sent 504 itself (also in code_class 5xx)."),
    Metric("seawall_origin_duration_seconds", "gauge", ("site", "quantile"),
           "Duration of origin exchanges, from the newest recent window with enough requests."),
    Metric("seawall_request_duration_seconds", "gauge", ("node", "slot", "quantile"),
           "Duration of whole requests, from the newest recent window with enough requests."),
    Metric("seawall_windows_total", "counter", ("node", "slot"),
           "Measurement windows received."),
    Metric("seawall_window_end_timestamp_seconds", "gauge", ("node", "slot"),
           "End of the newest window, Unix time. If it is old, nothing is being measured."),
    Metric("seawall_release_info", "gauge", ("node", "release"),
           "1 for the release that the node serves."),
    Metric("seawall_node_generation", "gauge", ("node",),
           "Generation of the newest assignment that the node knows; never falls."),
    Metric("seawall_node_connected", "gauge", ("node",),
           "1 while the node reports, 0 when it has stopped."),
    Metric("seawall_node_notices", "gauge", ("node",),
           "Current notices of the node, as in `seawall status`."),
    Metric("seawall_envoy_up", "gauge", ("node",), "1 while the node's Envoy serves."),
    Metric("seawall_envoy_info", "gauge", ("node", "version"), "1 for the running Envoy."),
    Metric("seawall_envoy_restarts_total", "counter", ("node",),
           "Restarts of Envoy by the agent since the agent itself started."),
    Metric("seawall_envoy_heap_bytes", "gauge", ("node",), "Heap that Envoy took from the system."),
    Metric("seawall_dns_up", "gauge", ("node",),
           "1 while the agent answers Envoy's DNS queries for origins, 0 if it has no port."),
    Metric("seawall_dns_names_remembered", "gauge", ("node",),
           "Names of origins whose last addresses are known, counted once per address family."),
    Metric("seawall_dns_names_stale", "gauge", ("node",),
           "Names without addresses in DNS whose last known addresses are still in use."),
    Metric("seawall_dns_questions_total", "counter", ("node",),
           "DNS queries for origins since the agent started."),
    Metric("seawall_dns_forwarded_total", "counter", ("node",),
           "DNS queries that the agent sent to the system's resolvers since it started."),
    Metric("seawall_dns_from_memory_total", "counter", ("node",),
           "DNS responses with last known addresses: DNS failed, had none, or was slow."),
    Metric("seawall_releases", "gauge", (), "Releases kept in the store."),
    Metric("seawall_certificate_expiry_timestamp_seconds", "gauge", ("certificate",),
           "End of validity of a served certificate, Unix time."),
    Metric("seawall_certificate_lifetime_seconds", "gauge", ("certificate",),
           "Time from the begin to the end of validity of a served certificate."),
    Metric("seawall_job_running", "gauge", ("job",),
           "1 while an enabled job runs, 0 otherwise."),
    Metric("seawall_job_stale", "gauge", ("job",),
           "1 if no run of a job has succeeded for several of its periods."),
    Metric("seawall_job_failures", "gauge", ("job",),
           "Consecutive failed runs of a job; a run that changed nothing is not a failure."),
    Metric("seawall_job_outcome", "gauge", ("job", "outcome"),
           "1 for the outcome of the last run: released, unchanged, refused, failed, interrupted."),
    Metric("seawall_job_good_timestamp_seconds", "gauge", ("job",),
           "End of the last successful run of a job, Unix time."),
    Metric("seawall_job_due_timestamp_seconds", "gauge", ("job",),
           "Next run of a job, Unix time."),
    Metric("seawall_bot_ranges_fetched_timestamp_seconds", "gauge", ("list",),
           "When a bot's operator last confirmed the published ranges in force, Unix time."),
)  # fmt: skip
METRICS: Final = (
    *_OWN,
    *(
        Metric(
            f"seawall_edge_{m.name.removesuffix('_s')}{'_seconds' if m.name.endswith('_s') else ''}"
            + ("_total" if m.counter else ""),
            m.kind,
            ("node", "slot"),
            m.help,
        )
        for m in MEASURES
    ),
)
"""Every metric that is ever exposed."""
_EDGE_NAMES: Final = {
    measure.name: metric.name
    for measure, metric in zip(MEASURES, METRICS[len(_OWN) :], strict=True)
}
_EDGE_COUNTERS: Final = frozenset(measure.name for measure in MEASURES if measure.counter)


@dataclass(frozen=True, slots=True)
class NamesFacts:
    """What a scrape says of how a node answers questions for names of origins."""

    up: bool
    remembered: int
    stale: int
    questions: int
    forwarded: int
    from_memory: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a scrape says of one node, from its newest report; None is not exposed."""

    name: str
    generation: int
    connected: bool
    notices: int
    release: str | None = None
    envoy_version: str | None = None
    envoy_live: bool | None = None
    envoy_restarts: int | None = None
    envoy_heap_bytes: int | None = None
    names: NamesFacts | None = None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a scrape says of a job that is switched on; None is not exposed."""

    name: str
    running: bool
    stale: bool
    failures: int
    outcome: str = ""
    good_s: float | None = None
    due_s: float | None = None


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """What a scrape says beside the windows; certificates by name, begin and end (Unix seconds)."""

    nodes: tuple[NodeFacts, ...] = ()
    releases: int | None = None
    certificates: tuple[tuple[str, float, float], ...] = ()
    jobs: tuple[JobFacts, ...] = ()
    ranges: tuple[tuple[str, float], ...] = ()
    """Name and date (Unix seconds) of each list of published ranges in force that has one."""
    sites: frozenset[str] | None = None
    """Of the release that should serve; None when that is not known."""


class Totals:
    """Adds up windows, and tells them with the facts of the moment. Not thread-safe."""

    def __init__(self) -> None:
        self._counters: Samples = {}
        self._gauges: Samples = {}
        self._behind: dict[str, dict[str, int]] = {}
        self._measured_s: dict[str, float] = {}
        self._times: dict[tuple[str, Labels], tuple[str, float]] = {}
        self._sites: set[str] = set()
        self._known: frozenset[str] | None = None

    def add(self, window: Window) -> None:
        """Count a window; each must be given once, in the order it was closed."""
        where = (str(window.node), window.slot)
        self._follow(*where)
        self._count("seawall_windows_total", where, 1)
        self._set("seawall_window_end_timestamp_seconds", where, window.start_s + window.duration_s)
        if window.slot == _STABLE:
            self._measured_s[where[0]] = self._measured_s.get(where[0], 0.0) + window.duration_s
        for site, counts in window.sites.items():
            self._add_site(self._site_label(str(site)), counts, where[0])
        for name, value in window.edge.items():
            if name in _EDGE_COUNTERS:
                self._count(_EDGE_NAMES[name], where, value)
            elif name in _EDGE_NAMES:
                self._set(_EDGE_NAMES[name], where, value)
        for quantile, key in _QUANTILES:
            if key in window.edge:
                name, value = "seawall_request_duration_seconds", window.edge[key]
                self._set_time(name, (*where, quantile), where[0], value)

    def samples(self, facts: EdgeFacts) -> Samples:
        """What there is to tell now; other nodes than in `facts` are forgotten."""
        self._forget_all_but({node.name for node in facts.nodes})
        self._know(facts.sites)
        samples = {**self._counters, **self._live_gauges(facts)}
        samples.update(_facts(facts))
        return samples

    def _add_site(self, site: str, counts: SiteCounts, node: str) -> None:
        by_class = {c: getattr(counts, f"status_{c}") for c in _CLASSES}
        by_class["1xx"] = max(0, counts.requests - sum(by_class.values()))
        for code_class, value in by_class.items():
            self._count("seawall_requests_total", (site, code_class), value)
        self._count("seawall_origin_timeouts_total", (site,), counts.timeouts)
        for quantile, key in _QUANTILES[:2]:
            value = getattr(counts, key)
            if value is not None and site != OTHER_SITES:
                name = "seawall_origin_duration_seconds"
                self._set_time(name, (site, quantile), node, value)

    def _site_label(self, site: str) -> str:
        if site not in self._sites and len(self._sites) < self._room:
            self._sites.add(site)
        return site if site in self._sites else OTHER_SITES

    @property
    def _room(self) -> int:
        """For names: twice as many where those that are no site's are sorted out at each scrape."""
        return METRIC_SITES_MAX if self._known is None else 2 * METRIC_SITES_MAX

    def _know(self, sites: frozenset[str] | None) -> None:
        """Only these have series of their own: a node may name any site."""
        if sites is None:
            return
        before, self._known = self._known or frozenset(), sites
        gone, self._sites = self._sites - sites, self._sites & sites
        if gone:
            self._count_as_other(gone - before)
            self._drop("site", gone)

    def _count_as_other(self, sites: AbstractSet[str]) -> None:
        for (name, labels), value in [*self._counters.items()]:
            if _LABELS[name][:1] == ("site",) and labels[0] in sites:
                self._count(name, (OTHER_SITES, *labels[1:]), value)

    def _live_gauges(self, facts: EdgeFacts) -> Samples:
        """Gauges of slots that are measured on connected nodes: others are not now's."""
        away = {node.name for node in facts.nodes if not node.connected}
        over = {
            (node, slot)
            for node, slots in self._behind.items()
            for slot, count in slots.items()
            if count > METRIC_SLOT_BEHIND_MAX
        }
        old = {
            metric
            for metric, (node, at_s) in self._times.items()
            if node in away or self._measured_s.get(node, 0.0) - at_s > METRIC_TIME_AGE_S_MAX
        }
        return {
            (name, labels): value
            for (name, labels), value in self._gauges.items()
            if (name, labels) not in old
            and not (_LABELS[name][:1] == ("node",) and (labels[0] in away or labels[:2] in over))
        }

    def _follow(self, node: str, slot: str) -> None:
        """Count how many windows of the stable slot each other slot is behind."""
        slots = self._behind.setdefault(node, {})
        if slot == _STABLE:
            slots.update({other: count + 1 for other, count in slots.items()})
        slots[slot] = 0

    def _forget_all_but(self, nodes: set[str]) -> None:
        """Forget the nodes that were removed: their names may never come again."""
        gone = self._behind.keys() - nodes
        if not gone:
            return
        self._drop("node", gone)
        for metric in [metric for metric, (node, _) in self._times.items() if node in gone]:
            self._gauges.pop(metric, None)
            del self._times[metric]
        for node in gone:
            del self._behind[node]
            self._measured_s.pop(node, None)

    def _drop(self, label: str, gone: AbstractSet[str]) -> None:
        for kept in (self._counters, self._gauges, self._times):
            for name, labels in [*kept]:
                if _LABELS[name][:1] == (label,) and labels[0] in gone:
                    del kept[name, labels]

    def _count(self, name: str, labels: Labels, value: float) -> None:
        self._counters[name, labels] = self._counters.get((name, labels), 0) + value

    def _set_time(self, name: str, labels: Labels, node: str, value: float) -> None:
        """Set how long requests took, by the windows of `node`: that is soon not now's any more."""
        self._set(name, labels, value)
        self._times[name, labels] = node, self._measured_s.get(node, 0.0)

    def _set(self, name: str, labels: Labels, value: float) -> None:
        self._gauges[name, labels] = value


_LABELS: Final = {metric.name: metric.labels for metric in METRICS}


def exposition(samples: Samples) -> bytes:
    """Text of `CONTENT_TYPE`; takes a second of a large fleet, so not in the event loop."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(samples))
    return generate_latest(registry)


class _Families(RegistryCollector):
    """The samples of one scrape, grouped as `prometheus_client` wants them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterable[Family]:
        """One family for each metric that has samples."""
        grouped: dict[str, list[tuple[Labels, float]]] = {}
        for (name, labels), value in self._samples.items():
            grouped.setdefault(name, []).append((labels, value))
        for metric in METRICS:
            if metric.name not in grouped:
                continue
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for labels, value in sorted(grouped[metric.name]):
                family.add_metric(labels, value)
            yield family


def _facts(facts: EdgeFacts) -> Iterator[tuple[tuple[str, Labels], float]]:
    if facts.releases is not None:
        yield ("seawall_releases", ()), facts.releases
    for name, not_before_s, not_after_s in facts.certificates:
        yield ("seawall_certificate_expiry_timestamp_seconds", (name,)), not_after_s
        yield ("seawall_certificate_lifetime_seconds", (name,)), not_after_s - not_before_s
    for name, fetched_s in facts.ranges:
        yield ("seawall_bot_ranges_fetched_timestamp_seconds", (name,)), fetched_s
    for job in facts.jobs:
        yield from _job_facts(job)
    for node in facts.nodes:
        yield from _node_facts(node)


def _job_facts(job: JobFacts) -> Iterator[tuple[tuple[str, Labels], float]]:
    here = (job.name,)
    yield ("seawall_job_running", here), float(job.running)
    yield ("seawall_job_stale", here), float(job.stale)
    yield ("seawall_job_failures", here), job.failures
    if job.outcome:
        yield ("seawall_job_outcome", (job.name, job.outcome)), 1
    if job.good_s is not None:
        yield ("seawall_job_good_timestamp_seconds", here), job.good_s
    if job.due_s is not None:
        yield ("seawall_job_due_timestamp_seconds", here), job.due_s


def _node_facts(node: NodeFacts) -> Iterator[tuple[tuple[str, Labels], float]]:
    here = (node.name,)
    yield ("seawall_node_generation", here), node.generation
    yield ("seawall_node_connected", here), float(node.connected)
    if not node.connected:
        return
    yield ("seawall_node_notices", here), node.notices
    if node.release is not None:
        yield ("seawall_release_info", (node.name, node.release)), 1
    if node.envoy_version is not None:
        yield ("seawall_envoy_info", (node.name, node.envoy_version)), 1
    if node.envoy_live is not None:
        yield ("seawall_envoy_up", here), float(node.envoy_live)
    if node.envoy_restarts is not None:
        yield ("seawall_envoy_restarts_total", here), node.envoy_restarts
    if node.envoy_heap_bytes is not None:
        yield ("seawall_envoy_heap_bytes", here), node.envoy_heap_bytes
    if node.names is not None:
        yield ("seawall_dns_up", here), float(node.names.up)
        yield ("seawall_dns_names_remembered", here), node.names.remembered
        yield ("seawall_dns_names_stale", here), node.names.stale
        yield ("seawall_dns_questions_total", here), node.names.questions
        yield ("seawall_dns_forwarded_total", here), node.names.forwarded
        yield ("seawall_dns_from_memory_total", here), node.names.from_memory
