"""Which of Envoy's statistics Seawall reads, and the documented names they become.

The compiler's allow-list of statistics must let all of these pass (a test on a real edge holds the
two together); everything else Envoy could count costs memory and is not read.
"""

from dataclasses import dataclass
from typing import Final, Literal

from seawall.limits import BOT_DRIFT_THRESHOLDS

SITE_PREFIX: Final = "vhost."
"""Route-level statistics: `vhost.VIRTUAL_HOST.route.SITE.NAME`, see `split_site`."""
PRIVATE_ORIGIN_PREFIX: Final = "cluster.site/"
"""An origin that serves one site alone: `cluster.site/SITE.NAME` or `cluster.site/SITE/ROUTE.NAME`.
Envoy counts a request for its origin just as for its route, so one of the two is enough."""
SITE_COUNTERS: Final = {
    "upstream_rq_completed": "requests",
    "upstream_rq_2xx": "status_2xx",
    "upstream_rq_3xx": "status_3xx",
    "upstream_rq_4xx": "status_4xx",
    "upstream_rq_5xx": "status_5xx",
    "upstream_rq_504": "timeouts",
}
"""Envoy's name to the field of `SiteCounts`. Counted by the router: once a request, whatever the
retries, and also when the origin gave no answer; not for redirects and fixed responses."""
SITE_LATENCY: Final = "upstream_rq_time"

LATENCY_BOUNDS_MS: Final = (
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5,
    1.8e6, 3.6e6,
)  # fmt: skip
"""Upper bounds of Envoy's histogram buckets (its default, which the bootstrap does not change)."""
CPU: Final = "cpu_s"
"""Growth of the processor time of the Envoy process, read from the kernel and not from Envoy."""

_HTTP_OWN: Final = frozenset({"admin", "async-client", "taste"})
"""Not of clients: `taste` is where the node asks golden requests."""

_SIDES: Final = " and ".join(str(side) for side in BOT_DRIFT_THRESHOLDS)
_LUA: Final = ".lua"
"""Ends what the bot filter's own counters are counted under. It adds them up itself and hands them
on at most once a second, with a later request: the last ones before a pause come after it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How one documented number of the whole edge is made of Envoy's.

    Attributes:
        name: documented name, see docs/metrics.md.
        kind: `counter` for a count that only grows in Envoy, else `gauge`.
        source: Envoy's name; `http.*.x` is summed over listeners, `cluster.*.x` over origins, and
            `http.*.lua.x` over the bot filters of listeners.
        help: one sentence for people and for Prometheus.
    """

    name: str
    kind: Literal["counter", "gauge"]
    source: str
    help: str

    @property
    def counter(self) -> bool:
        """Whether windows hold its growth and not its value."""
        return self.kind == "counter"


MEASURES: Final = (
    Measure("requests", "counter", "http.*.downstream_rq_total", "Requests received."),
    Measure("responses_1xx", "counter", "http.*.downstream_rq_1xx", "Responses with a 1xx status."),
    Measure("responses_2xx", "counter", "http.*.downstream_rq_2xx", "Responses with a 2xx status."),
    Measure("responses_3xx", "counter", "http.*.downstream_rq_3xx", "Responses with a 3xx status."),
    Measure("responses_4xx", "counter", "http.*.downstream_rq_4xx", "Responses with a 4xx status."),
    Measure("responses_5xx", "counter", "http.*.downstream_rq_5xx", "Responses with a 5xx status."),
    Measure("requests_active", "gauge", "http.*.downstream_rq_active", "Requests in progress."),
    Measure(
        "client_resets",
        "counter",
        "http.*.downstream_rq_rx_reset",
        "Requests that clients aborted.",
    ),
    Measure(
        "resets", "counter", "http.*.downstream_rq_tx_reset", "Requests that the edge aborted."
    ),
    Measure(
        "header_timeouts",
        "counter",
        "http.*.downstream_rq_header_timeout",
        "Requests whose headers were not complete in time.",
    ),
    Measure(
        "request_timeouts",
        "counter",
        "http.*.downstream_rq_timeout",
        "Requests that were not complete in time.",
    ),
    Measure(
        "idle_timeouts",
        "counter",
        "http.*.downstream_rq_idle_timeout",
        "Streams closed after the idle timeout.",
    ),
    Measure(
        "overload_closes",
        "counter",
        "http.*.downstream_rq_overload_close",
        "Requests shed because of overload.",
    ),
    Measure(
        "premature_resets",
        "counter",
        "http.*.downstream_rq_too_many_premature_resets",
        "Connections closed for resetting too many streams.",
    ),
    Measure("connections", "counter", "http.*.downstream_cx_total", "Connections accepted."),
    Measure("connections_active", "gauge", "http.*.downstream_cx_active", "Connections open."),
    Measure(
        "protocol_errors",
        "counter",
        "http.*.downstream_cx_protocol_error",
        "Connections closed because of HTTP protocol errors.",
    ),
    Measure(
        "bytes_received", "counter", "http.*.downstream_cx_rx_bytes_total", "Bytes from clients."
    ),
    Measure("bytes_sent", "counter", "http.*.downstream_cx_tx_bytes_total", "Bytes to clients."),
    Measure(
        "answered_here",
        "counter",
        "http.*.rq_direct_response",
        "Requests answered by a redirect or fixed response, without an origin.",
    ),
    Measure("no_route", "counter", "http.*.no_route", "Requests that matched no route."),
    Measure(
        "bots_scored",
        "counter",
        "http.*.lua.bots_scored",
        "Requests that the bot model scored.",
    ),
    Measure(
        "bots_unscored",
        "counter",
        "http.*.lua.bots_unscored",
        "Requests examined for bots and not scored: no model, or no score was needed.",
    ),
    Measure(
        "bots_challenged",
        "counter",
        "http.*.lua.bots_challenge",
        "Requests that the bot policy decided to challenge.",
    ),
    Measure(
        "bots_blocked",
        "counter",
        "http.*.lua.bots_block",
        "Requests that the bot policy refused with 403.",
    ),
    Measure(
        "bots_limited",
        "counter",
        "http.*.lua.bots_rate",
        "Requests that the bot policy refused with 429 because of a rate limit.",
    ),
    Measure(
        "bots_payment",
        "counter",
        "http.*.lua.bots_payment",
        "Requests that the bot policy answered with 402.",
    ),
    Measure(
        "bots_challenge_unavailable",
        "counter",
        "http.*.lua.bots_challenge_unavailable",
        "Challenges that were unavailable: the bot service was down, or there is none.",
    ),
    Measure(
        "bots_challenge_busy",
        "counter",
        "http.*.lua.bots_challenge_busy",
        "Challenges, and requests of browsers during a challenge, answered with 429: too many of "
        "one network, or in total.",
    ),
    Measure(
        "bots_errors",
        "counter",
        "http.*.lua.errors",
        "Faults of the bot filter; these requests passed unscored.",
    ),
    Measure(
        "bots_shadow_agreed",
        "counter",
        "http.*.lua.bots_shadow_agree",
        f"Requests that the bot model and its shadow put on the same side of scores {_SIDES}.",
    ),
    Measure(
        "bots_shadow_disagreed",
        "counter",
        "http.*.lua.bots_shadow_disagree",
        f"Requests that the bot model and its shadow put on different sides of {_SIDES}.",
    ),
    Measure(
        "bots_shadow_errors",
        "counter",
        "http.*.lua.bots_shadow_errors",
        "Requests that the bot model scored and its shadow could not; without other effects.",
    ),
    Measure(
        "origin_connect_failures",
        "counter",
        "cluster.*.upstream_cx_connect_fail",
        "Connections to origins that failed.",
    ),
    Measure(
        "origin_overflows",
        "counter",
        "cluster.*.upstream_rq_pending_overflow",
        "Requests refused because `max_pending` others waited for a connection. Envoy does "
        "not count requests that `max_requests` refuses: see 5xx, and `seawall why`.",
    ),
    Measure("origin_retries", "counter", "cluster.*.upstream_rq_retry", "Retries sent to origins."),
    Measure(
        "origin_resets", "counter", "cluster.*.upstream_rq_rx_reset", "Requests that origins reset."
    ),
    Measure(
        "origin_timeouts",
        "counter",
        "cluster.*.upstream_rq_504",
        "Requests to which origins did not respond in time, or responded with 504.",
    ),
    Measure("memory_allocated_bytes", "gauge", "server.memory_allocated", "Envoy's heap in use."),
    Measure(
        "memory_resident_bytes",
        "gauge",
        "server.memory_physical_size",
        "Envoy's memory in RAM, as its allocator counts it.",
    ),
    Measure("uptime_s", "gauge", "server.uptime", "Age of the Envoy process in seconds."),
    Measure("live", "gauge", "server.live", "1 while Envoy serves, 0 while it drains."),
    Measure(
        "listeners_active",
        "gauge",
        "listener_manager.total_listeners_active",
        "Listeners that accept connections.",
    ),
    Measure(
        "listeners_draining",
        "gauge",
        "listener_manager.total_listeners_draining",
        "Replaced listeners that still carry connections.",
    ),
)
"""All whole-edge numbers of a window. The stats allow-list of the compiler must let them pass."""
MEASURES_BY_SOURCE: Final = {measure.source: measure for measure in MEASURES}
EDGE_LATENCY: Final = "downstream_rq_time"
"""`http.*.downstream_rq_time`: milliseconds from first byte received to last byte sent."""
HEALTHY_SUFFIX: Final = ".membership_healthy"
TOTAL_SUFFIX: Final = ".membership_total"
LOOKED_UP_SUFFIXES: Final = (".update_success", ".update_failure")
"""Answers about the name of an origin. `usedonly` leaves the membership out until there was one
address, so that a name that never resolved is told by these alone."""


def split_site(name: str) -> tuple[str, str] | None:
    """Site and statistic of a name that counts for one site, or None when it is not one."""
    if name.startswith(PRIVATE_ORIGIN_PREFIX):
        origin, _, statistic = name.removeprefix(PRIVATE_ORIGIN_PREFIX).partition(".")
        kept = statistic in SITE_COUNTERS or statistic == SITE_LATENCY
        return (origin.partition("/")[0], statistic) if kept else None
    if not name.startswith(SITE_PREFIX):
        return None
    _, route, rest = name.partition(".route.")
    site, dot, statistic = rest.rpartition(".")
    return (site, statistic) if route and dot and site else None


def origin_name(cluster: str) -> str:
    """The origin that is counted under `cluster.NAME`."""
    return cluster.removeprefix(PRIVATE_ORIGIN_PREFIX).removeprefix("cluster.")


def edge_source(name: str) -> str:
    """Envoy's name with the listener or origin replaced by `*`, as `Measure.source` has it."""
    kind, _, rest = name.partition(".")
    if kind not in ("http", "cluster"):
        return name
    owner, _, statistic = rest.rpartition(".")
    if kind == "http" and owner.endswith(_LUA):
        owner, statistic = owner.removesuffix(_LUA), f"lua.{statistic}"
    return name if owner in _HTTP_OWN or not owner else f"{kind}.*.{statistic}"


def stats_filter() -> str:
    """An RE2 regex that lets through the names read here and few others, for Envoy's `/stats`.

    At 1,000 sites it makes the answer a third as large. Alternatives that end in a fixed name are
    cheap to refuse, and nothing needs the exact set: what else comes through is ignored.
    """
    of_origins = (HEALTHY_SUFFIX, TOTAL_SUFFIX, *LOOKED_UP_SUFFIXES)
    names = sorted({*_ends("cluster.*."), *(end.removeprefix(".") for end in of_origins)})
    site = sorted({*SITE_COUNTERS, SITE_LATENCY})
    families = sorted({m.source.partition(".")[0] for m in MEASURES} - {"cluster"})
    return (
        rf"^(?:(?:{'|'.join(families)})\."
        rf"|(?:vhost\.|cluster\.site/).*\.(?:{'|'.join(site)})$"
        rf"|cluster\..*\.(?:{'|'.join(names)})$)"
    )


def _ends(family: str) -> list[str]:
    return [m.source.removeprefix(family) for m in MEASURES if m.source.startswith(family)]
