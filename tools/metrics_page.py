"""docs/metrics.md, from `seawall.telemetry.prometheus.METRICS`."""

from seawall.telemetry.measures import MEASURES
from seawall.telemetry.prometheus import METRICS

HEAD = """\
# Metrics

`GET /v1/metrics` of the HTTP API gives these in Prometheus' text format. The source is
`src/seawall/telemetry/prometheus.py`; this page is generated from it.

* A counter adds up the windows that nodes delivered. It only grows while the control process runs,
  and starts from zero when that is restarted; `rate()` and `increase()` expect exactly this. An
  Envoy that restarts does not reset it.
* What is not known has no sample. The gauges of a node that is away disappear, and those of the
  slots `candidate` and `baseline` a minute after their trial; they do not freeze. How long requests
  took is told for five minutes after the last window that had enough of them. Of a node that was
  removed nothing is left.
* `site` is the only label with names from your file. The sites of the release that should serve
  have series of their own; those that were taken out of it have none any more. What nodes count
  beside them, as for a site that is only being tried, is counted under `_other`.
* Sites count requests that were routed to an origin, whatever came of them. Redirects and fixed
  responses are counted for the edge alone (`seawall_edge_answered_here_total`).

| metric | kind | labels | meaning |
|---|---|---|---|
"""
TAIL = """
## Where the numbers of the edge come from

Each `seawall_edge_...` metric is made of one statistic of Envoy. `http.*` is summed over the
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
