"""Origins: the servers behind the edge, and how they are watched, chosen and protected."""

from dataclasses import dataclass
from enum import StrEnum

from seawall.ids import OriginName


class UpstreamProtocol(StrEnum):
    """HTTP version spoken to the origin. `auto` negotiates by ALPN and needs https."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    AUTO = "auto"


class BalanceBy(StrEnum):
    """How an endpoint is picked; the `hash_*` kinds are consistent (Maglev)."""

    ROUND_ROBIN = "round_robin"
    LEAST_REQUEST = "least_request"
    HASH_CLIENT_IP = "client_ip"
    HASH_HEADER = "header"
    HASH_COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class LoadBalancing:
    """Balancing policy. `key` names the header or cookie of the hashing kinds, else empty."""

    by: BalanceBy
    key: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of an origin. `host` is an IP address or a DNS name that is re-resolved."""

    host: str
    port: int
    weight: int = 1
    backup: bool = False
    """Used only while too few of the others are healthy (Envoy priority 1)."""


@dataclass(frozen=True, slots=True)
class OriginTls:
    """TLS to the origin.

    Attributes:
        sni: server name sent and, when `verify`, required in the certificate; or an address without
            brackets, which is not sent but required; never empty.
        verify: check chain and name. Turning it off is a warning at `check`.
        ca_pem: PEM bundle to trust; empty means the system's bundle.
    """

    sni: str
    verify: bool = True
    ca_pem: bytes = b""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Active HTTP probe with separate thresholds for coming up and going down."""

    path: str
    host: str
    interval_s: float
    timeout_s: float
    up_count: int
    down_count: int
    status_min: int
    status_max: int


@dataclass(frozen=True, slots=True)
class OutlierEjection:
    """Passive check: an endpoint that keeps failing real requests rests for a while."""

    consecutive_failures: int
    interval_s: float
    ejection_base_s: float
    ejected_share_max: float


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Retries in flight as a share of requests in flight, with a floor for small traffic."""

    share_max: float
    concurrent_min: int


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Bounds on what may be open to the origin at once, per Envoy process."""

    connections_max: int
    pending_requests_max: int
    requests_max: int


@dataclass(frozen=True, slots=True)
class Origin:
    """A named set of interchangeable endpoints.

    Attributes:
        own_connections: each connection of a client has connections of its own.
    """

    name: OriginName
    endpoints: tuple[Endpoint, ...]
    protocol: UpstreamProtocol
    tls: OriginTls | None
    connect_timeout_s: float
    idle_timeout_s: float
    load_balancing: LoadBalancing
    health_check: HealthCheck | None
    outlier_ejection: OutlierEjection | None
    retry_budget: RetryBudget
    circuit_breaker: CircuitBreaker
    dns_refresh_s: float
    own_connections: bool
