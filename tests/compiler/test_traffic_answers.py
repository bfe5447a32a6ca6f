"""What the edge does to answers, and what it answers itself, by real traffic."""

import gzip
import json
import re
import socket
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest

from compiler.build import edge, forward, origin, route, site
from compiler.served import Served, served
from envoy_harness import Origin, OriginRequest, fetch, free_port, ok, wait_until
from seawall import limits
from seawall.compiler.access_log import FIELDS
from seawall.model import (
    AccessLogPolicy,
    Compression,
    Edge,
    ErrorPage,
    FixedResponse,
    PathExact,
    PathPrefix,
)

HTML = b"<p>hello world</p>" * 200
TYPES = {
    b"/html": b"text/html; charset=utf-8",
    b"/json": b"application/json",
    b"/events": b"text/event-stream",
    b"/grpc": b"application/grpc",
    b"/image": b"image/png",
}
FIRST_BYTES = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


def _answer(request: OriginRequest) -> bytes:
    if request.target == b"/origin-error":
        return ok(b"origin says no", status="503 Service Unavailable")
    if request.target == b"/small":
        return ok(b"small", headers=b"content-type: text/html\r\n")
    if request.target == b"/encoded":
        return ok(
            gzip.compress(HTML), headers=b"content-type: text/html\r\ncontent-encoding: gzip\r\n"
        )
    if request.target == b"/part":
        headers = b"content-type: text/html\r\ncontent-range: bytes 0-3599/9999\r\n"
        return ok(HTML, status="206 Partial Content", headers=headers)
    if request.target in {b"/etag", b"/kept"}:
        kept = b"cache-control: no-transform\r\n" if request.target == b"/kept" else b""
        return ok(HTML, headers=b'content-type: text/html\r\netag: "abc"\r\n' + kept)
    kind = TYPES.get(request.target.partition(b"?")[0], b"text/html")
    return ok(HTML, headers=b"content-type: " + kind + b"\r\n")


@pytest.fixture(scope="module")
def app() -> Iterator[Origin]:
    with Origin(_answer) as running:
        yield running


def _edge(app: Origin) -> Edge:
    dead = origin("dead", free_port())
    pages = (
        ErrorPage(503, 503, "text/html; charset=utf-8", "<h1>100% {status} {request_id}</h1>"),
        ErrorPage(400, 499, "application/json", '{"id": "{request_id}", "s": {status}}'),
    )
    compressed = site(
        "shop",
        route("shop/dead", PathPrefix("/dead"), forward("dead")),
        route("shop/own", PathExact("/own"), FixedResponse(503, "my own words")),
        route("shop/limited", PathPrefix("/limited"), forward(body_size_bytes_max=10)),
        route("shop/grpc", PathPrefix("/grpc"), forward(grpc=True)),
        route(),
        compression=tuple(Compression),
        error_pages=pages,
    )
    plain = site(
        "plain",
        route("plain/dead", PathPrefix("/dead"), forward("dead")),
        route("plain/limited", PathPrefix("/limited"), forward(body_size_bytes_max=10)),
        route("plain/only", PathPrefix("/only")),
    )
    only_gzip = site("packed", compression=(Compression.GZIP,))
    modern = site("modern", compression=(Compression.ZSTD, Compression.GZIP, Compression.BROTLI))
    usual_size = limits.USUAL_BODY_SIZE_BYTES_MAX
    usual = site(
        "usual",
        route("usual/lower", PathPrefix("/lower"), forward(body_size_bytes_max=10)),
        route("usual/free", PathPrefix("/free"), forward(body_size_bytes_max=0)),
        route("usual/grpc", PathPrefix("/grpc"), forward(grpc=True, body_size_bytes_max=10)),
        route("usual/more", PathPrefix("/more"), forward(body_size_bytes_max=usual_size)),
        route("usual/all", action=forward(body_size_bytes_max=usual_size)),
        compression=tuple(Compression),
    )
    wild = site("wild", hosts=("*.wild.test",))
    return edge(
        compressed,
        plain,
        only_gzip,
        modern,
        usual,
        wild,
        http=(free_port(),),
        origins=(origin("app", app.port), dead),
        access_log=AccessLogPolicy(1.0, ("referer",), ("content-type",)),
    )


@pytest.fixture(scope="module")
def running(app: Origin) -> Iterator[Served]:
    with served(_edge(app)) as serving:
        yield serving


@pytest.mark.parametrize(
    ("accepted", "host", "coding"),
    [
        ("gzip, deflate, br, zstd", "shop.test", "br"),
        ("zstd, gzip", "shop.test", "gzip"),
        ("deflate, zstd", "shop.test", "zstd"),
        ("br;q=0.1, zstd", "shop.test", "br"),
        ("br;q=0, zstd", "shop.test", "zstd"),
        ("gzip, br; q=0.000 , zstd;q=0", "shop.test", "gzip"),
        ("br;q=0, gzip;q=0", "shop.test", None),
        ("brotli, vibrant, x-gzip", "shop.test", None),
        ("gzip", "shop.test", "gzip"),
        ("gzip;q=1, br;q=0.5", "shop.test", "br"),
        ("identity", "shop.test", None),
        ("gzip, br", "packed.test", "gzip"),
        ("br", "packed.test", None),
        ("gzip, deflate, br, zstd", "modern.test", "zstd"),
        ("gzip, br", "plain.test", None),
    ],
)
def test_the_coding_is_negotiated(
    running: Served, accepted: str, host: str, coding: str | None
) -> None:
    response = running.get("/only/html", host, headers=(f"accept-encoding: {accepted}",))
    assert response.header("content-encoding") == coding
    if coding == "gzip":
        assert gzip.decompress(response.body) == HTML
    elif coding is None:
        assert response.body == HTML
    else:
        assert response.body.startswith(FIRST_BYTES.get(coding, b""))
        assert len(response.body) < len(HTML)


@pytest.mark.parametrize("target", ["/html", "/json"])
def test_vary_is_there_for_every_client_that_names_codings(running: Served, target: str) -> None:
    for accepted in ("gzip", "identity", "br;q=0", "*"):
        response = running.get(target, headers=(f"accept-encoding: {accepted}",))
        assert response.header("vary") == "Accept-Encoding"


def test_without_accept_encoding_an_answer_is_as_the_origin_sent_it(running: Served) -> None:
    response = running.get("/html")
    assert (response.header("content-encoding"), response.header("vary")) == (None, None)
    assert response.body == HTML


@pytest.mark.parametrize("target", ["/events", "/grpc", "/image", "/small", "/encoded", "/part"])
def test_some_answers_are_never_compressed(running: Served, target: str) -> None:
    response = running.get(target, headers=("accept-encoding: br",))
    assert response.header("content-encoding") == ("gzip" if target == "/encoded" else None)


def test_a_compressed_answer_has_a_weak_etag(running: Served) -> None:
    assert running.get("/etag", headers=("accept-encoding: br",)).header("etag") == 'W/"abc"'
    assert running.get("/etag").header("etag") == '"abc"'


def test_no_transform_keeps_an_answer_and_its_etag_as_they_are(running: Served) -> None:
    response = running.get("/kept", headers=("accept-encoding: br",))
    assert (response.body, response.header("etag")) == (HTML, '"abc"')


def test_a_body_at_the_limit_passes_and_a_longer_one_is_refused(
    running: Served, app: Origin
) -> None:
    def send(length: int) -> int:
        headers = (f"content-length: {length}",)
        return running.get(
            "/limited", "plain.test", method="POST", headers=headers, body=b"x" * length
        ).status

    assert send(10) == 200
    assert app.requests[-1].body == b"x" * 10
    assert send(11) == 413


@pytest.mark.parametrize("accepted", ["", "br", "identity"])
def test_the_usual_limit_holds_with_and_without_compression(running: Served, accepted: str) -> None:
    headers = (f"content-length: {limits.USUAL_BODY_SIZE_BYTES_MAX + 1}", "connection: close")
    more = (f"accept-encoding: {accepted}",) if accepted else ()
    assert running.get("/", "usual.test", method="POST", headers=headers + more).status == 413
    small = running.get(
        "/html",
        "usual.test",
        method="POST",
        headers=("content-length: 3", *more),
        body=b"abc",
    )
    assert small.status == 200
    assert small.header("content-encoding") == ("br" if accepted == "br" else None)


@pytest.mark.parametrize(
    ("target", "status", "coding"),
    [("/lower", 413, "br"), ("/free", 200, "br"), ("/grpc", 413, None)],
)
def test_routes_of_a_usual_site_have_rules_of_their_own(
    running: Served, target: str, status: int, coding: str | None
) -> None:
    headers = ("content-length: 11", "accept-encoding: br")
    sent = running.get(target, "usual.test", method="POST", headers=headers, body=b"x" * 11)
    assert sent.status == status
    got = running.get(f"{target}/html", "usual.test", headers=("accept-encoding: br",))
    assert got.header("content-encoding") == coding


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_a_chunked_body_over_the_limit_is_refused(running: Served, method: str) -> None:
    response = running.get(
        "/limited",
        "plain.test",
        method=method,
        headers=("transfer-encoding: chunked",),
        body=b"8\r\nxxxxxxxx\r\n8\r\nxxxxxxxx\r\n0\r\n\r\n",
    )
    assert response.status == 413


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("length", [(), (("content-length", "20"),)])
def test_a_body_over_the_limit_is_refused_over_http2(
    running: Served, method: str, length: tuple[tuple[str, str], ...]
) -> None:
    pseudo = ((":method", method), (":scheme", "http"), (":path", "/limited"))
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    client.send_headers(1, [*pseudo, (":authority", "plain.test"), *length])
    client.send_data(1, b"x" * 20, end_stream=True)
    with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
        connection.sendall(client.data_to_send())
        answers: list[h2.events.ResponseReceived] = []
        while not answers:
            received = client.receive_data(connection.recv(65536))
            answers = [e for e in received if isinstance(e, h2.events.ResponseReceived)]
    assert dict(answers[0].headers)[b":status"] == b"413"


def test_other_routes_of_the_site_keep_their_own_limit(running: Served) -> None:
    headers = ("content-length: 100",)
    response = running.get("/", method="POST", headers=headers, body=b"x" * 100)
    assert response.status == 200


def test_a_site_shows_its_error_page_with_the_request_id(running: Served) -> None:
    response = running.get("/dead")
    request_id = response.header("x-request-id")
    assert (response.status, response.header("content-type")) == (503, "text/html; charset=utf-8")
    assert response.body.decode() == f"<h1>100% 503 {request_id}</h1>"


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto"])
def test_a_grpc_client_is_told_in_a_line_and_not_by_a_page(
    running: Served, content_type: str
) -> None:
    response = running.get("/dead", headers=(f"content-type: {content_type}",))
    request_id = response.header("x-request-id")
    assert (response.status, response.header("grpc-status")) == (200, "14")
    assert response.header("grpc-message") == f"Error 503. Request id: {request_id}%0A"


def test_pages_follow_the_status(running: Served) -> None:
    response = running.get("/limited", method="POST", headers=("content-length: 11",))
    assert response.status == 413
    assert response.header("content-type") == "application/json"
    assert json.loads(response.body) == {"id": response.header("x-request-id"), "s": 413}


def test_errors_of_the_origin_and_fixed_responses_pass_unchanged(running: Served) -> None:
    assert running.get("/origin-error").body == b"origin says no"
    assert running.get("/own").body == b"my own words"


def test_without_pages_errors_are_short_and_tell_nothing(running: Served) -> None:
    response = running.get("/dead", "plain.test")
    request_id = response.header("x-request-id")
    assert response.body.decode() == f"Error 503. Request id: {request_id}\n"
    asked = running.get("/dead", "plain.test", headers=("accept: application/json",))
    told = json.loads(asked.body)
    assert told.pop("time").endswith("Z")
    assert told == {"request_id": asked.header("x-request-id"), "status": 503}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"no request at all\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 426),
        (b"GET / HTTP/1.1\r\nhost: plain.test\r\nx: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /a%2fb HTTP/1.1\r\nhost: plain.test\r\n\r\n", 400),
    ],
)
def test_what_is_refused_without_an_id_is_told_the_time_of_its_record(
    running: Served, sent: bytes, status: int
) -> None:
    response = fetch(running.port, sent)
    assert (response.status, response.header("x-request-id")) == (status, None)
    error, _, rest = response.body.decode().partition(" at ")
    time, _, why = rest.partition(". ")
    assert (error, why) == (f"Error {status}", "The request was refused before it had an id.\n")

    def recorded() -> bool:
        return any(one["time"] == time and one["status"] == status for one in running.records(0))

    wait_until(recorded, what=f"the record of {time}")


@pytest.mark.parametrize("claimed", ["", "x-request-id: <b>\r\n"])
def test_a_page_for_what_is_refused_without_an_id_tells_the_time(
    running: Served, claimed: str
) -> None:
    sent = f"GET /a%2fb HTTP/1.1\r\nhost: shop.test\r\n{claimed}\r\n"
    response = fetch(running.port, sent.encode())
    told = json.loads(response.body)
    assert (response.status, told["s"]) == (400, 400)
    millisecond = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d*Z", told["id"])
    assert millisecond, told

    def recorded() -> bool:
        return any(one["time"] == f"{millisecond[1]}Z" for one in running.records(0))

    wait_until(recorded, what=f"the record of {told['id']}")


def test_a_path_without_a_route_is_not_found(running: Served) -> None:
    assert running.get("/nowhere", "plain.test").status == 404


def test_an_unknown_host_is_misdirected(running: Served) -> None:
    response = running.get("/", "other.test")
    assert (response.status, response.body) == (421, b"Unknown host.\n")
    assert running.get("/", "wild.test").status == 421


@pytest.mark.parametrize("host", ["a.wild.test", "a.b.wild.test", "shop.test:8080", "SHOP.test"])
def test_known_hosts_are_served(running: Served, host: str) -> None:
    assert running.get("/", host).status == 200


@pytest.mark.parametrize("host", ["x,a.wild.test", "shop.test,shop.test"])
def test_a_host_with_a_comma_is_refused(running: Served, host: str) -> None:
    assert running.get("/", host).status == 400


def test_an_access_record_holds_the_promised_keys(running: Served, app: Origin) -> None:
    response = running.get("/html?token=secret", headers=("referer: x", "user-agent: tester"))
    record = running.record_of(response)
    absent = {"ja4", "tls", "grpc_status", "release"}  # plain HTTP; the node stamps the release
    assert set(FIELDS) - absent <= set(record)
    assert "secret" not in json.dumps(record)
    expected = {
        "route": "shop/all",
        "method": "GET",
        "host": "shop.test",
        "path": "/html",
        "protocol": "HTTP/1.1",
        "status": 200,
        "details": "via_upstream",
        "bytes_out": len(HTML),
        "client": "127.0.0.1",
        "peer": "127.0.0.1",
        "origin": "app",
        "endpoint": f"127.0.0.1:{app.port}",
        "attempts": 1,
        "user_agent": "tester",
        "req_headers": {"referer": "x"},
        "resp_headers": {"content-type": "text/html; charset=utf-8"},
    }
    assert {key: record[key] for key in expected} == expected


def test_a_sample_of_nothing_still_records_errors(app: Origin) -> None:
    quiet = edge(
        http=(free_port(),),
        origins=(origin("app", app.port),),
        access_log=AccessLogPolicy(0.0),
    )
    with served(quiet) as serving:
        for _ in range(5):
            serving.get("/html")
        serving.get("/", "other.test")
        assert [r["status"] for r in serving.records(1)] == [421]
