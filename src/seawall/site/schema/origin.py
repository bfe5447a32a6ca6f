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
        default=1, description="Share of the traffic, next to the other endpoints."
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
    cookie: CookieName | None = Field(default=None, description="The value of this cookie.")


class BalanceSection(Section):
    """How an endpoint is chosen. Short form: `round_robin` or `least_request`."""

    by: Annotated[str, one_of("round_robin", "least_request")] | None = Field(
        default=None, description="`round_robin`, or `least_request`: the less busy of two."
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
    """Active health check: each endpoint is asked in turn."""

    path: UrlPath = Field(description="What is requested.")
    host: OneHost | None = Field(
        default=None, description="Host header sent; default: the origin's own."
    )
    interval: Annotated[float, duration("1s", "10m")] = Field(
        default=5.0, description="From the end of one to the next."
    )
    timeout: Annotated[float, duration("100ms", "1m")] = Field(
        default=2.0, description="A later answer is a failure."
    )
    up: Annotated[int, count(1, 100)] = Field(
        default=2, description="Successes in a row to come up."
    )
    down: Annotated[int, count(1, 100)] = Field(
        default=3, description="Failures in a row to go down."
    )
    expect: Annotated[tuple[int, int], Checked(status_range, "status, class or range")] = Field(
        default=(200, 299), description="Statuses that count as success, as `200-299` or `200`."
    )


class OutlierSection(Section):
    """Passive check: an endpoint that fails real requests rests for a while."""

    consecutive_failures: Annotated[int, count(1, 1000)] = Field(
        default=5, description="Failed requests in a row (5xx, or no connection) before it rests."
    )
    interval: Annotated[float, duration("1s", "10m")] = Field(
        default=10.0, description="How often resting endpoints are looked at again."
    )
    ejection: Annotated[float, duration("1s", "1h")] = Field(
        default=30.0, description="Rest after the first time; grows with each further one."
    )
    max_ejected: Annotated[float, per_cent(1, 100)] = Field(
        default=0.5, description="At most this share of the endpoints rests at once."
    )


class RetryBudgetSection(Section):
    """Bound of retries, so that they never multiply an overload."""

    share: Annotated[float, per_cent(0, 100)] = Field(
        default=0.2, description="Retries in flight, as a share of the requests in flight."
    )
    min_concurrent: Annotated[int, count(0, 1000)] = Field(
        default=3, description="This many retries at once are always allowed."
    )


class CircuitBreakerSection(Section):
    """What may be open to the origin at once, for each Envoy process."""

    max_connections: Annotated[int, count(1, 1_000_000)] = Field(
        default=1024, description="Connections."
    )
    max_pending: Annotated[int, count(1, 1_000_000)] = Field(
        default=1024, description="Requests that wait for a connection."
    )
    max_requests: Annotated[int, count(1, 1_000_000)] = Field(default=4096, description="Requests.")


class OriginTlsSection(Section):
    """TLS, 1.2 or 1.3, to an origin with `https` endpoints."""

    sni: OneHost | None = Field(
        default=None,
        description="Server name asked for and verified; default: the endpoints' host. Or the "
        "address that stands in the certificate of endpoints without a name.",
    )
    ca: FilePath | None = Field(
        default=None, description="PEM file of the authorities to trust; default: the system's."
    )
    verify: Flag = Field(default=True, description="Verify the certificate; `false` is a warning.")


def _some(value: Any) -> Any:
    if not value:
        refuse("wrong-type", "The list is empty.", "Write at least one endpoint.")
    return value


class OriginSection(Section):
    """An origin: servers that can stand in for each other."""

    endpoints: Annotated[
        tuple[EndpointEntry, ...],
        Field(max_length=limits.ENDPOINTS_PER_ORIGIN_MAX),
        AfterValidator(_some),
        BeforeValidator(one_or_many),
    ] = Field(description="URLs, or mappings of `url` and `weight`; all http or all https.")
    backup: Annotated[
        tuple[EndpointEntry, ...],
        Field(max_length=limits.ENDPOINTS_PER_ORIGIN_MAX),
        BeforeValidator(one_or_many),
    ] = Field(
        default=(), description="Endpoints used only while too few of the others are healthy."
    )
    protocol: Annotated[str, one_of("http1", "http2", "auto")] = Field(
        default="http1", description="HTTP version; `auto` negotiates and needs https."
    )
    connect_timeout: Annotated[float, duration("50ms", "1m")] = Field(
        default=2.0, description="Longest wait for a connection."
    )
    idle_timeout: Annotated[float, duration("1s", "1h")] = Field(
        default=4.0,
        description="An unused connection is closed after this time. Keep it below the "
        "origin's own (5 s in Node.js and Uvicorn), or requests meet closed connections.",
    )
    load_balancing: Annotated[
        BalanceSection, short_form(_balance, "`round_robin`, `least_request` or `{hash: ...}`")
    ] = Field(
        default=BalanceSection.model_validate({"by": "least_request"}),
        description="`round_robin`, `least_request`, or `{hash: client_ip}`, "
        "`{hash: {header: NAME}}`, `{hash: {cookie: NAME}}`.",
    )
    health_check: HealthCheckSection | None = Field(
        default=None, description="Active check; off if absent."
    )
    outlier: Annotated[
        OutlierSection | Literal[False],
        short_form(lambda v: v if v is False else None, "a mapping, or `false`"),
    ] = Field(
        default=OutlierSection.model_validate({}),
        description="Passive check; on unless `false`.",
    )
    retry_budget: RetryBudgetSection = Field(
        default=RetryBudgetSection.model_validate({}), description="Bound of all retries."
    )
    circuit_breaker: CircuitBreakerSection = Field(
        default=CircuitBreakerSection.model_validate({}),
        description="Bounds of what may be open at once.",
    )
    tls: OriginTlsSection | None = Field(default=None, description="Only with https endpoints.")
    dns_refresh: Annotated[float, duration("1s", "1h")] = Field(
        default=30.0,
        description="How often, at least, the names of endpoints are looked up again: when their "
        "TTL is over, after `30s` at the latest; or, where less is written here, after that. "
        "While that fails, or DNS says that there is no such name or no address, the last ones "
        "serve on for a day.",
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
