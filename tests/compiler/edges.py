"""Hypothesis strategies for whole edges: every field of the model takes several values."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from bot_policies import policies
from compiler.build import LIMITS, edge, origin, route, site
from seawall.ids import CertificateName, OriginName
from seawall.model import (
    OBSERVING,
    AccessLogPolicy,
    BalanceBy,
    Certificate,
    CircuitBreaker,
    Compression,
    Edge,
    Endpoint,
    ErrorPage,
    FixedResponse,
    Forward,
    HeaderChanges,
    HealthCheck,
    Hsts,
    LoadBalancing,
    Origin,
    OriginTls,
    OutlierEjection,
    PathExact,
    PathPrefix,
    PathRegex,
    Redirect,
    Retries,
    RetryBudget,
    Rewrite,
    Route,
    RouteClass,
    RouteMatch,
    Site,
    StringMatch,
    StringMatchKind,
    Timeouts,
    TlsVersion,
    TrustedProxies,
    UpstreamProtocol,
)
from seawall.secret import Secret

NAMES = st.sampled_from(["shop", "blog", "api", "docs"])
WORDS = st.sampled_from(["a", "b%", "c d", "{request_id}", "é"])
HEADERS = st.sampled_from(["x-a", "x-b", "authorization"])
TIMES = st.sampled_from([0.0, 0.25, 15.0, 120.0])
POSITIVE = st.integers(1, 5)
PATHS = st.one_of(
    st.sampled_from(["/", "/a", "/b/c"]).map(PathExact),
    st.sampled_from(["/", "/a", "/b/"]).map(PathPrefix),
    st.sampled_from(["/[0-9]+", "/x.*"]).map(PathRegex),
)
PAIRS = st.lists(st.tuples(HEADERS, WORDS), max_size=2).map(tuple)
CHANGES = st.builds(
    HeaderChanges,
    set=PAIRS,
    add=PAIRS,
    remove=st.lists(HEADERS, max_size=1).map(tuple),
    set_if_absent=PAIRS,
)
CONDITIONS = st.lists(
    st.builds(StringMatch, HEADERS, st.sampled_from(StringMatchKind), st.sampled_from("xy")),
    max_size=2,
).map(tuple)
MATCHES = st.builds(
    RouteMatch,
    PATHS,
    st.sampled_from([(), ("GET",), ("GET", "POST")]),
    CONDITIONS,
    CONDITIONS,
)
TIMEOUTS = st.builds(Timeouts, TIMES, TIMES, TIMES)
REWRITES = st.one_of(
    st.none(),
    st.builds(Rewrite, prefix=st.sampled_from(["/", "/new", "/x/"])),
    st.builds(Rewrite, regex=st.just("^/(.*)$"), substitution=st.just("/n/\\1")),
)
ANSWERS = st.builds(FixedResponse, st.sampled_from([200, 404, 503]), WORDS)
REDIRECTS = st.builds(
    Redirect,
    st.sampled_from([301, 302, 303, 307, 308]),
    scheme=st.sampled_from(["", "https"]),
    host=st.sampled_from(["", "other.test"]),
    port=st.sampled_from([0, 8443]),
    path=st.sampled_from(["", "/to"]),
    strip_query=st.booleans(),
)


def forwards(origins: tuple[Origin, ...]) -> st.SearchStrategy[Forward]:
    return st.builds(
        Forward,
        origin=st.sampled_from([o.name for o in origins]),
        timeouts=TIMEOUTS,
        retries=st.builds(Retries, st.integers(0, 2), st.just(("connect-failure",))),
        rewrite=REWRITES,
        host_rewrite=st.sampled_from(["", "inner.test"]),
        websocket=st.booleans(),
        grpc=st.booleans(),
        body_size_bytes_max=st.sampled_from([0, 10, 1 << 20]),
    )


@st.composite
def origins(draw: st.DrawFn) -> tuple[Origin, ...]:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    return tuple(draw(_origin(OriginName(name))) for name in names)


def _origin(name: OriginName) -> st.SearchStrategy[Origin]:
    hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "app.test"])
    endpoints = st.builds(Endpoint, hosts, st.integers(1, 3), POSITIVE, st.booleans())
    tls = st.builds(OriginTls, st.sampled_from(["in.test", "10.0.0.1"]), st.booleans())
    plain = origin(name)
    return st.builds(
        replace,
        st.just(plain),
        endpoints=st.lists(endpoints, min_size=1, max_size=3, unique_by=_address).map(tuple),
        protocol=st.sampled_from(UpstreamProtocol),
        tls=st.none() | tls,
        connect_timeout_s=st.sampled_from([1.0, 2.0]),
        idle_timeout_s=st.sampled_from([30.0, 60.0]),
        load_balancing=st.builds(LoadBalancing, st.sampled_from(BalanceBy), st.just("x-key")),
        health_check=st.none()
        | st.builds(
            HealthCheck,
            st.just("/h"),
            st.just("h.test"),
            st.sampled_from([1.0, 5.0]),
            st.just(1.0),
            POSITIVE,
            POSITIVE,
            st.just(200),
            st.sampled_from([200, 299]),
        ),
        outlier_ejection=st.none()
        | st.builds(OutlierEjection, POSITIVE, st.just(10.0), st.just(30.0), st.just(0.5)),
        retry_budget=st.builds(RetryBudget, st.sampled_from([0.1, 0.2]), POSITIVE),
        circuit_breaker=st.builds(CircuitBreaker, POSITIVE, POSITIVE, POSITIVE),
        dns_refresh_s=st.sampled_from([5.0, 30.0]),
        own_connections=st.booleans(),
    )


def _address(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint.host, endpoint.port


@st.composite
def sites(draw: st.DrawFn, known: tuple[Origin, ...], name: str) -> Site:
    routes: list[Route] = []
    for index in range(draw(st.integers(1, 3))):
        action = draw(st.one_of(forwards(known), REDIRECTS, ANSWERS))
        routes.append(
            route(
                f"{name}/r{index}",
                match=draw(MATCHES),
                action=action,
                route_class=draw(st.sampled_from(RouteClass)),
                request_headers=draw(CHANGES),
                response_headers=draw(CHANGES),
                bots=draw(st.booleans()),
            )
        )
    page = st.builds(ErrorPage, st.sampled_from([400, 500]), st.just(599), st.just("a/b"), WORDS)
    return site(
        name,
        *draw(st.permutations(routes)),
        hosts=(f"{name}.test", *draw(st.sampled_from([(), (f"*.{name}.test",)]))),
        certificate=draw(st.sampled_from([None, CertificateName(name)])),
        redirect_to_https=draw(st.booleans()),
        hsts=draw(st.none() | st.builds(Hsts, POSITIVE, st.booleans(), st.booleans())),
        compression=tuple(draw(st.lists(st.sampled_from(Compression), unique=True))),
        request_headers=draw(CHANGES),
        response_headers=draw(CHANGES),
        error_pages=draw(st.lists(page, max_size=2).map(tuple)),
        bots=draw(st.just(OBSERVING) | policies),
    )


@st.composite
def edges(draw: st.DrawFn) -> Edge:
    known = draw(origins())
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    written: list[Any] = [draw(sites(known, name)) for name in names]
    return edge(
        *written,
        origins=known,
        http=draw(st.sampled_from([(80,), (8080, 8081)])),
        https=draw(st.sampled_from([(), (443,), (8443,)])),
        certificates=tuple(
            Certificate(CertificateName(n), b"chain", Secret(b"key"), (n,), 0.0, "1") for n in names
        ),
        trusted_proxies=draw(
            st.sampled_from([TrustedProxies(), TrustedProxies(("10.0.0.0/8",), 1)])
        ),
        tls_version_min=draw(st.sampled_from(TlsVersion)),
        access_log=draw(
            st.builds(AccessLogPolicy, st.sampled_from([0.0, 0.5]), st.sampled_from([(), ("x",)]))
        ),
        limits=draw(st.sampled_from([LIMITS, replace(LIMITS, connections_max=7)])),
    )
