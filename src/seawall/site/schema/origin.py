"""The `origins` part of the site file, and origins written inside a site or route."""

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from seawall import limits
from seawall.site.schema.base import Section, one_or_many, short_form
from seawall.site.schema.network import CookieName, HeaderName, OneHost, Url, UrlPath
from seawall.site.schema.values import (
    Checked,
    FilePath,
    Flag,
    Name,
    count,
    duration,
    one_of,
    per_cent,
    refuse,
    shown,
)

_STATUSES: Final = re.compile(
    r"(?P<least>[1-5][0-9]{2})(?:-(?P<most>[1-5][0-9]{2}))?|(?P<hundreds>[1-5])xx"
)


class EndpointSection(Section):
    """One endpoint. Short form: its URL."""

    url: Url = Field(description="`http://HOST:PORT` or `https://HOST:PORT`.")
    weight: Annotated[int, count(1, 1000)] = Field(
        default=1, description="Share of the traffic, relative to the other endpoints."
    )


EndpointEntry: TypeAlias = Annotated[
    EndpointSection,
    short_form(
        lambda value: {"url": value} if isinstance(value, str) else None,
        "a URL, or a mapping with `url` and `weight`",
    ),
]


class HashSection(Section):
    """What keeps a client on one endpoint. Exactly one key, or the word `client_ip`."""

    client_ip: Literal[True] | None = Field(
        default=None,
        description="`true`: the address of the client. Short form: `hash: client_ip`.",
    )
    header: HeaderName | None = Field(default=None, description="The value of this request header.")
    cookie: CookieName | None = Field(
        default=None,
        description="The value of this cookie. A client without it is given `seawall-endpoint`, a "
        "cookie of the edge, and keeps its endpoint by that. The endpoint may change when the "
        "application sets or changes the cookie: if endpoints keep sessions in their own memory, "
        "name a cookie that the application never sets.",
    )


class BalanceSection(Section):
    """How an endpoint is chosen. Short form: `round_robin` or `least_request`."""

    by: Annotated[str, one_of("round_robin", "least_request")] | None = Field(
        default=None,
        description="`round_robin`, or `least_request`: the less busy of two random endpoints.",
    )
    hash: Annotated[
        HashSection | None,
        short_form(
            lambda value: {"client_ip": True} if value == "client_ip" else None,
            "`client_ip`, `{header: NAME}` or `{cookie: NAME}`",
        ),
    ] = Field(default=None, description="Consistent hashing: the same client keeps its endpoint.")


def _balance(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) else None


def status_range(value: Any) -> tuple[int, int]:
    """`200-299`, `200`, or `2xx`: statuses of RFC 9110 section 15."""
    found = None if isinstance(value, bool) else _STATUSES.fullmatch(str(value))
    if found is None:
        refuse("bad-status", f"{shown(value)} is not a range of statuses.", "Write `200-299`.")
    if found["hundreds"]:
        return int(found["hundreds"]) * 100, int(found["hundreds"]) * 100 + 99
    least, most = int(found["least"]), int(found["most"] or found["least"])
    if least > most:
        refuse("bad-status", f"{shown(value)} ends before it begins.", f"Write `{most}-{least}`.")
    return least, most


class HealthCheckSection(Section):
    """Active health check: a request to each endpoint at intervals."""

    path: UrlPath = Field(description="The path to request.")
    host: OneHost | None = Field(
        default=None, description="Host header to send. Default: the origin's own."
    )
    interval: Annotated[float, duration("1s", "10m")] = Field(
        default=5.0, description="Time from the end of one check to the next."
    )
    timeout: Annotated[float, duration("100ms", "1m")] = Field(
        default=2.0, description="A response that takes longer is a failure."
    )
    up: Annotated[int, count(1, 100)] = Field(
        default=2, description="Successes in a row until the endpoint is healthy."
    )
    down: Annotated[int, count(1, 100)] = Field(
        default=3, description="Failures in a row until the endpoint is unhealthy."
    )
    expect: Annotated[tuple[int, int], Checked(status_range, "status, class or range")] = Field(
        default=(200, 299),
        description="Statuses that count as success, such as `200-299` or `200`.",
    )


class OutlierSection(Section):
    """Passive health check (outlier detection).

    An endpoint that fails real requests is ejected for a while.
    """

    consecutive_failures: Annotated[int, count(1, 1000)] = Field(
        default=5,
        description="Failed requests in a row (5xx, or no connection) until the endpoint is "
        "ejected.",
    )
    interval: Annotated[float, duration("1s", "10m")] = Field(
        default=10.0, description="How often ejected endpoints are reconsidered."
    )
    ejection: Annotated[float, duration("1s", "1h")] = Field(
        default=30.0, description="Duration of the first ejection. Each further one is longer."
    )
    max_ejected: Annotated[float, per_cent(1, 100)] = Field(
        default=0.5, description="Largest share of the endpoints that may be ejected at once."
    )


class RetryBudgetSection(Section):
    """Limit on retries, so that they never amplify an overload."""

    share: Annotated[float, per_cent(0, 100)] = Field(
        default=0.2, description="Concurrent retries, as a share of concurrent requests."
    )
    min_concurrent: Annotated[int, count(0, 1000)] = Field(
        default=3, description="Number of concurrent retries that are always allowed."
    )


class CircuitBreakerSection(Section):
    """Limits on concurrency towards the origin, for each Envoy process."""

    max_connections: Annotated[int, count(1, 1_000_000)] = Field(
        default=1024, description="Connections."
    )
    max_pending: Annotated[int, count(1, 1_000_000)] = Field(
        default=1024, description="Requests waiting for a connection."
    )
    max_requests: Annotated[int, count(1, 1_000_000)] = Field(
        default=4096, description="Concurrent requests."
    )


class OriginTlsSection(Section):
    """TLS, 1.2 or 1.3, to an origin with `https` endpoints."""

    sni: OneHost | None = Field(
        default=None,
        description="Server name to send and to verify; default: the endpoints' host. For "
        "endpoints without a name, the IP address in their certificate.",
    )
    ca: FilePath | None = Field(
        default=None, description="PEM file with the CAs to trust. Default: the system's."
    )
    verify: Flag = Field(
        default=True, description="Verify the certificate. `false` causes a warning."
    )


def _some(value: Any) -> Any:
    if not value:
        refuse("wrong-type", "The list is empty.", "Write at least one endpoint.")
    return value


class OriginSection(Section):
    """An origin: a set of interchangeable servers."""

    endpoints: Annotated[
        tuple[EndpointEntry, ...],
        Field(max_length=limits.ENDPOINTS_PER_ORIGIN_MAX),
        AfterValidator(_some),
        BeforeValidator(one_or_many),
    ] = Field(
        description="URLs, or mappings with `url` and `weight`. Either all http or all https."
    )
    backup: Annotated[
        tuple[EndpointEntry, ...],
        Field(max_length=limits.ENDPOINTS_PER_ORIGIN_MAX),
        BeforeValidator(one_or_many),
    ] = Field(
        default=(),
        description="Endpoints that are used only while too few of the others are healthy.",
    )
    protocol: Annotated[str, one_of("http1", "http2", "auto")] = Field(
        default="http1", description="HTTP version. `auto` negotiates it and needs https."
    )
    connect_timeout: Annotated[float, duration("50ms", "1m")] = Field(
        default=2.0, description="Longest wait for a connection."
    )
    idle_timeout: Annotated[float, duration("1s", "1h")] = Field(
        default=4.0,
        description="An unused connection is closed after this time. Keep it below the origin's "
        "own timeout (5 s in Node.js and Uvicorn); otherwise requests can hit a connection that "
        "the origin has just closed.",
    )
    load_balancing: Annotated[
        BalanceSection, short_form(_balance, "`round_robin`, `least_request` or `{hash: ...}`")
    ] = Field(
        default=BalanceSection.model_validate({"by": "least_request"}),
        description="`round_robin`, `least_request`, or `{hash: client_ip}`, "
        "`{hash: {header: NAME}}`, `{hash: {cookie: NAME}}`.",
    )
    health_check: HealthCheckSection | None = Field(
        default=None, description="Active health check. Off without this key."
    )
    outlier: Annotated[
        OutlierSection | Literal[False],
        short_form(lambda v: v if v is False else None, "a mapping, or `false`"),
    ] = Field(
        default=OutlierSection.model_validate({}),
        description="Passive health check. `false` turns it off.",
    )
    retry_budget: RetryBudgetSection = Field(
        default=RetryBudgetSection.model_validate({}), description="Limit on concurrent retries."
    )
    circuit_breaker: CircuitBreakerSection = Field(
        default=CircuitBreakerSection.model_validate({}),
        description="Limits on concurrent connections and requests.",
    )
    own_connections: bool = Field(
        default=False,
        description="Clients do not share connections to this origin. For logins of a connection, "
        "such as [NTLM](hardening.md#logins-of-a-connection); costs a connection for each client.",
    )
    tls: OriginTlsSection | None = Field(default=None, description="Only with https endpoints.")
    dns_refresh: Annotated[float, duration("1s", "1h")] = Field(
        default=30.0,
        description="Interval for resolving the names of endpoints again. With `30s` or more: "
        "when their TTL ends, and after at most 30 s. With less: at this interval, whatever the "
        "TTL. If that fails, or DNS returns no address, the last addresses stay in use for a "
        "day.",
    )


def _reference_kind(value: Any) -> str:
    written_out = not isinstance(value, str) or "/" in value or ":" in value
    return "origin" if written_out else "name"


OriginReference: TypeAlias = Annotated[
    Annotated[Name, Tag("name")]
    | Annotated[
        OriginSection,
        short_form(
            lambda value: {"endpoints": [value]} if isinstance(value, str) else None,
            "the name of an origin, a URL, or a mapping with `endpoints`",
        ),
        Tag("origin"),
    ],
    Discriminator(_reference_kind),
]
"""What a site or route writes as `origin`: a name, a URL, or a whole origin."""
