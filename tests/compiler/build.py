"""Model values with ordinary defaults, so that a test names only what it is about."""

from dataclasses import replace
from typing import Any

from seawall import limits
from seawall.ids import CertificateName, OriginName, RouteId, SiteName
from seawall.model import (
    AccessLogPolicy,
    BalanceBy,
    Certificate,
    CircuitBreaker,
    Edge,
    EdgeLimits,
    Endpoint,
    FixedResponse,
    Forward,
    HeaderChanges,
    Listen,
    Listener,
    LoadBalancing,
    Origin,
    PathMatch,
    PathPrefix,
    Redirect,
    Retries,
    RetryBudget,
    Route,
    RouteClass,
    RouteMatch,
    Site,
    Timeouts,
    TlsVersion,
    TrustedProxies,
    UpstreamProtocol,
)
from seawall.secret import Secret

NO_CHANGES = HeaderChanges()
LIMITS = EdgeLimits(
    connections_max=1000,
    heap_size_bytes_max=limits.GIB,
    header_size_bytes_max=60 * limits.KIB,
    headers_max=100,
    header_timeout_s=10.0,
    request_timeout_s=0.0,
    idle_timeout_s=300.0,
    http2_streams_max=100,
)


def origin(name: str = "app", *ports: int, **changes: Any) -> Origin:
    """An origin on 127.0.0.1, an endpoint for each port (3000 when none is given)."""
    plain = Origin(
        name=OriginName(name),
        endpoints=tuple(Endpoint("127.0.0.1", port) for port in ports or (3000,)),
        protocol=UpstreamProtocol.HTTP1,
        tls=None,
        connect_timeout_s=2.0,
        idle_timeout_s=60.0,
        load_balancing=LoadBalancing(BalanceBy.ROUND_ROBIN),
        health_check=None,
        outlier_ejection=None,
        retry_budget=RetryBudget(0.2, 3),
        circuit_breaker=CircuitBreaker(1024, 1024, 4096),
        dns_refresh_s=30.0,
        own_connections=False,
    )
    return replace(plain, **changes)


def forward(to: str = "app", **changes: Any) -> Forward:
    """Forwarding with a 15 s bound and no retries."""
    plain = Forward(
        origin=OriginName(to), timeouts=Timeouts(15.0, 300.0, 0.0), retries=Retries(0, ())
    )
    return replace(plain, **changes)


def route(
    route_id: str = "shop/all",
    path: PathMatch | None = None,
    action: Forward | Redirect | FixedResponse | None = None,
    *,
    match: RouteMatch | None = None,
    **changes: Any,
) -> Route:
    """A route; everything to `app` unless told otherwise."""
    plain = Route(
        id=RouteId(route_id),
        match=match or RouteMatch(path or PathPrefix("/")),
        action=action or forward(),
        route_class=RouteClass.PAGE,
        request_headers=NO_CHANGES,
        response_headers=NO_CHANGES,
    )
    return replace(plain, **changes)


def site(name: str = "shop", *routes: Route, **changes: Any) -> Site:
    """A plain HTTP site at `shop.test` (after its name)."""
    plain = Site(
        name=SiteName(name),
        hosts=(f"{name}.test",),
        routes=routes or (route(f"{name}/all"),),
        certificate=None,
        redirect_to_https=False,
        hsts=None,
        compression=(),
        request_headers=NO_CHANGES,
        response_headers=NO_CHANGES,
        error_pages=(),
    )
    return replace(plain, **changes)


def certificate(
    name: str, chain: bytes, key: bytes, *hosts: str, serial: str = "01"
) -> Certificate:
    return Certificate(CertificateName(name), chain, Secret(key), hosts, 2_000_000_000.0, serial)


def edge(
    *sites: Site,
    origins: tuple[Origin, ...] | None = None,
    http: tuple[int | Listener, ...] = (8080,),
    https: tuple[int | Listener, ...] = (),
    **changes: Any,
) -> Edge:
    """An edge on 127.0.0.1 with `sites` (one ordinary site when none is given)."""
    plain = Edge(
        listen=Listen(_listeners(http), _listeners(https)),
        trusted_proxies=TrustedProxies(),
        tls_version_min=TlsVersion.TLS_1_2,
        certificates=(),
        origins=(origin(),) if origins is None else origins,
        sites=sites or (site(),),
        access_log=AccessLogPolicy(1.0),
        limits=LIMITS,
    )
    return replace(plain, **changes)


def _listeners(places: tuple[int | Listener, ...]) -> tuple[Listener, ...]:
    return tuple(Listener("127.0.0.1", p) if isinstance(p, int) else p for p in places)
