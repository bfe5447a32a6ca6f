"""docs/metrics.md, from `seawall.telemetry.prometheus.METRICS`."""

from seawall.telemetry.measures import MEASURES
from seawall.telemetry.prometheus import METRICS

HEAD = """\
# Metrics

`GET /v1/metrics` of the HTTP API returns these in the Prometheus text format. This page is
generated from `src/seawall/telemetry/prometheus.py`.

* **Counters** add up the windows that nodes delivered. They grow while the control process runs and
  start from zero when it restarts, as `rate()` and `increase()` expect. A restart of Envoy does not
  reset them.
* **Unknown values have no sample.** The gauges of a silent node disappear. Those of the slots
  `candidate` and `baseline` disappear a minute after their trial. Latencies disappear five minutes
  after the last window with enough requests. A removed node leaves no metrics.
* **`site`** is the only label with names from your file. Every site of the release that should
  serve has its own series, and a removed site has none. What nodes count for other sites, such as
  one that is only being tried, is counted under `_other`.
* **Sites count requests that were routed to an origin**, whatever their result. Redirects and fixed
  responses are counted for the edge only (`seawall_edge_answered_here_total`).

| metric | kind | labels | meaning |
|---|---|---|---|
"""
TAIL = """
## Where the numbers of the edge come from

Each `seawall_edge_...` metric comes from one statistic of Envoy. `http.*` is summed over the
listeners, `cluster.*` over the origins.

| metric | Envoy's statistic |
|---|---|
"""


def metrics_markdown() -> str:
    """The page."""
    rows = "".join(
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |\n"
        for m in METRICS
    )
    edge = [metric.name for metric in METRICS if metric.name.startswith("seawall_edge_")]
    sources = "".join(
        f"| `{name}` | `{measure.source}` |\n" for name, measure in zip(edge, MEASURES, strict=True)
    )
    return HEAD + rows + TAIL + sources
