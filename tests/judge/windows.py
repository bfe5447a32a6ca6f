"""Windows as a node would send them, for tests of the judge."""

from types import MappingProxyType

from seawall.ids import Generation, NodeName, ReleaseId, SiteName
from seawall.telemetry.window import SiteCounts, Window

STEP = Generation(2)


def site(
    requests: int, errors: int = 0, *, client_errors: int = 0, timeouts: int = 0
) -> SiteCounts:
    fine = requests - errors - client_errors
    return SiteCounts(requests, fine, 0, client_errors, errors, timeouts)


def window(
    slot: str,
    at_s: float,
    requests: int,
    errors: int = 0,
    *,
    node: str = "n1",
    generation: int = STEP,
    connections: int | None = None,
    buckets: tuple[int, ...] | None = None,
    sites: dict[str, SiteCounts] | None = None,
    without: tuple[str, ...] = (),
    **edge: float,
) -> Window:
    counted = {
        "requests": float(requests),
        "connections": float(requests if connections is None else connections),
        "responses_1xx": 0.0,
        "responses_2xx": float(requests - errors) - edge.get("responses_4xx", 0.0),
        "responses_3xx": 0.0,
        "responses_4xx": 0.0,
        "responses_5xx": float(errors),
        "resets": 0.0,
        "client_resets": 0.0,
        "protocol_errors": 0.0,
        "idle_timeouts": 0.0,
        "cpu_s": 0.01 + 0.0005 * requests,
        "memory_allocated_bytes": 50e6,
        **edge,
    }
    if buckets is None:
        slow = requests // 20
        buckets = (0, 0, requests - slow, slow)
    return Window(
        node=NodeName(node),
        slot=slot,
        release=ReleaseId("r1"),
        generation=Generation(generation),
        start_s=at_s,
        duration_s=1.0,
        sites=MappingProxyType({SiteName(name): counts for name, counts in (sites or {}).items()}),
        edge=MappingProxyType({k: v for k, v in counted.items() if k not in without}),
        latency_buckets=buckets,
    )
