"""What a client may say about itself, and how much."""

import uuid

import pytest

from compiler import build
from edge.bot_records import record
from edge.serving import Serving, request, serving
from envoy_harness import RawClient
from seawall.model import TrustedProxies
from seawall.telemetry.why import story

STEERING = (
    "x-envoy-fault-delay-request",
    "x-envoy-fault-abort-request",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal",
    "x-envoy-force-trace",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-ip-tags",
    "x-seawall-score",
    "X-SeaWall-Release",
    "X-ENVOY-Attempt-Count",
)
FORWARDING = (
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-forwarded-client-cert",
)


@pytest.mark.parametrize("name", STEERING + FORWARDING)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_client_cannot_send_headers_that_only_the_edge_may_set(
    edge: Serving, name: str, tls: bool
) -> None:
    line = f"{name}: 1".encode()
    assert edge.get(b"/", line, line, tls=tls).status == 200
    assert name.lower() not in edge.origin.requests[0].names


def test_a_client_cannot_give_itself_a_short_timeout_or_a_delay(edge: Serving) -> None:
    lines = (b"x-envoy-upstream-rq-timeout-ms: 1", b"x-envoy-fault-delay-request: 60000")
    assert edge.get(b"/", *lines).status == 200


@pytest.mark.parametrize(("tls", "proto"), [(False, b"http"), (True, b"https")])
def test_forwarded_proto_says_how_the_client_really_came(
    edge: Serving, tls: bool, proto: bytes
) -> None:
    lie = b"x-forwarded-proto: " + (b"http" if tls else b"https")
    assert edge.get(b"/", lie, tls=tls).status == 200
    assert edge.origin.requests[0].values("x-forwarded-proto") == [proto]


def test_the_address_a_client_claims_stays_left_of_the_one_it_has(edge: Serving) -> None:
    assert edge.get(b"/", b"x-forwarded-for: 1.2.3.4", b"x-forwarded-for: 5.6.7.8").status == 200
    (seen,) = edge.origin.requests
    (value,) = seen.values("x-forwarded-for")
    assert value.split(b",")[-1] not in {b"1.2.3.4", b"5.6.7.8"}
    assert not any(name.startswith("x-envoy-") for name in seen.names)


def test_a_request_id_is_ours_and_told_to_client_and_origin(edge: Serving) -> None:
    answer = edge.get(b"/", b"x-request-id: chosen-by-client")
    (seen,) = edge.origin.requests[0].values("x-request-id")
    assert answer.header("x-request-id") == seen.decode()
    assert uuid.UUID(seen.decode()).version == 4


@pytest.mark.parametrize(
    ("start", "host"),
    [
        (b"GET /a%2fb HTTP/1.1", b"host: shop.test"),
        (b"OPTIONS * HTTP/1.1", b"host: shop.test"),
        (b"GET / HTTP/1.1", b"accept: */*"),
    ],
    ids=["path", "asterisk", "no-host"],
)
def test_what_is_refused_before_it_has_an_id_hides_no_request_whose_id_it_claims(
    edge: Serving, start: bytes, host: bytes
) -> None:
    genuine = edge.get(b"/genuine").header("x-request-id") or ""
    for claimed in (genuine, unused := str(uuid.uuid4())):
        refused = b"\r\n".join((start, host, b"x-request-id: " + claimed.encode(), b"\r\n"))
        assert edge.send(refused).status in {400, 404}
    assert [seen.target for seen in edge.origin.requests] == [b"/genuine"]
    told = record(edge, unused)
    assert told.id_is_claimed
    assert "The client chose this request id itself" in " ".join(story(told).sentences)
    assert record(edge, genuine).path == "/genuine"


OWN, NONE, CLAIMED = "own", "none", "claimed"
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "escaped slash": (b"GET /a%2fb HTTP/1.1\r\nhost: shop.test\r\n", 400, CLAIMED),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nhost: shop.test\r\n", 404, CLAIMED),
    "no host": (b"GET / HTTP/1.1\r\naccept: */*\r\n", 400, CLAIMED),
    "unknown host": (b"GET / HTTP/1.1\r\nhost: nobody.test\r\n", 421, OWN),
    "foreign upgrade": (
        b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: upgrade\r\nupgrade: foo\r\n", 403, OWN,
    ),
    "tunnel": (b"CONNECT shop.test:80 HTTP/1.1\r\nhost: shop.test\r\n", 404, OWN),
    "old version": (b"GET / HTTP/1.0\r\nhost: shop.test\r\n", 426, NONE),
    "too large": (b"GET / HTTP/1.1\r\nhost: shop.test\r\nx: " + b"a" * 70_000 + b"\r\n", 431, NONE),
    "underscore": (b"GET / HTTP/1.1\r\nhost: shop.test\r\na_b: 1\r\n", 400, NONE),
    "two lengths": (
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n",
        400, NONE,
    ),
    "coding": (
        b"POST / HTTP/1.1\r\nhost: shop.test\r\ntransfer-encoding: nonsense\r\n", 501, NONE,
    ),
    "scheme": (b"GET ftp://x/a HTTP/1.1\r\nhost: shop.test\r\n", 400, NONE),
    "bad host": (b"GET / HTTP/1.1\r\nhost: a b\r\n", 400, NONE),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_an_id_that_a_client_chose_is_known_for_one_wherever_envoy_keeps_it(
    edge: Serving, kind: str
) -> None:
    """What keeps it is listed in `records`: a newer Envoy may add to it, or mend it."""
    head, status, whose = REFUSED[kind]
    chosen = str(uuid.uuid4())
    answer = edge.send(head + b"x-request-id: " + chosen.encode() + b"\r\n\r\n")
    assert answer.status == status
    told = answer.header("x-request-id")
    if whose == NONE:
        assert told is None
        return
    assert (told == chosen) == (whose == CLAIMED)
    assert record(edge, told).id_is_claimed == (whose == CLAIMED)


def test_a_trusted_proxy_is_believed_and_nobody_else() -> None:
    trusted = TrustedProxies(cidrs=("127.0.0.2/32",), hops=0)
    lines = (
        b"x-forwarded-for: 203.0.113.7",
        b"x-forwarded-proto: https",
        b"x-forwarded-host: outside.test",
        b"x-envoy-retry-on: 5xx",
        b"x-seawall-score: 99",
        b"x-request-id: chosen-by-client",
    )
    with serving(trusted_proxies=trusted) as edge:
        for source in ("127.0.0.2", "127.0.0.3"):
            with RawClient(edge.port, source=source) as client:
                client.send(request(b"/" + source.encode(), *lines))
                assert client.response().status == 200
        proxied, direct = edge.origin.requests
        assert proxied.values("x-forwarded-proto") == [b"https"]
        assert proxied.values("x-forwarded-host") == [b"outside.test"]
        assert direct.values("x-forwarded-proto") == [b"http"]
        assert direct.values("x-forwarded-host") == []
        for seen in (proxied, direct):
            assert {"x-envoy-retry-on", "x-seawall-score"}.isdisjoint(seen.names)
            assert seen.values("x-request-id") != [b"chosen-by-client"]
        edge.assert_serves()


@pytest.mark.parametrize(
    "connection", [b"x-forwarded-for", b"x-request-id", b"x-forwarded-proto", b"content-length"]
)
def test_connection_cannot_make_the_edge_drop_what_the_edge_adds(
    edge: Serving, connection: bytes
) -> None:
    answer = edge.send(
        b"POST / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 2\r\n"
        b"connection: close, " + connection + b"\r\n\r\nhi"
    )
    assert answer.status in {200, 400}
    for seen in edge.origin.requests:
        assert {"x-forwarded-for", "x-forwarded-proto", "x-request-id"} <= seen.names
        assert "connection" not in seen.names
        assert seen.body == b"hi"
    assert edge.origin.malformed == []


def test_hop_by_hop_headers_end_at_the_edge(edge: Serving) -> None:
    lines = (b"keep-alive: 5", b"proxy-connection: keep-alive", b"te: trailers, gzip")
    assert edge.get(b"/", *lines).status == 200
    (seen,) = edge.origin.requests
    assert {"keep-alive", "proxy-connection", "connection"}.isdisjoint(seen.names)
    assert seen.values("te") in ([], [b"trailers"])


@pytest.mark.parametrize("name", [b"x_a", b"content_length", b"x-forwarded_for", b"_"])
def test_header_names_with_underscores_are_refused(edge: Serving, name: bytes) -> None:
    assert edge.get(b"/", name + b": 1").status == 400
    edge.assert_origin_untouched()


def test_too_large_headers_are_refused(edge: Serving) -> None:
    limit = build.LIMITS.header_size_bytes_max
    assert edge.get(b"/", b"x-a: " + b"a" * (limit - 1_000)).status == 200
    edge.forget()
    assert edge.get(b"/", b"x-a: " + b"a" * (limit + 1_000)).status == 431
    assert edge.get(b"/", *(b"x-a: " + b"a" * 1_000 for _ in range(70))).status == 431
    edge.assert_origin_untouched()


def test_too_many_headers_are_refused(edge: Serving) -> None:
    limit = build.LIMITS.headers_max
    assert edge.get(b"/", *(b"x-%d: a" % n for n in range(limit - 10))).status == 200
    edge.forget()
    assert edge.get(b"/", *(b"x-%d: a" % n for n in range(limit + 10))).status == 431
    edge.assert_origin_untouched()


def test_an_origin_tells_clients_neither_what_it_is_nor_where_else_to_go(edge: Serving) -> None:
    edge.origin.answer, ordinary = (
        lambda _: (
            b"HTTP/1.1 200 OK\r\nserver: old/1.0\r\nx-envoy-upstream-service-time: 5\r\n"
            b'alt-svc: h3=":8443"\r\ncontent-length: 2\r\n\r\nok'
        ),
        edge.origin.answer,
    )
    try:
        answer = edge.get()
    finally:
        edge.origin.answer = ordinary
    assert answer.header("server") == "seawall"
    assert answer.header("alt-svc") is None
    assert edge.get(host=b"unknown.test").header("server") == "seawall"
