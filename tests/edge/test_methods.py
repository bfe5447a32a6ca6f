"""Methods and upgrades that are no part of a website end at the edge."""

import pytest

from edge.h2_client import GET, H2Client
from edge.serving import Serving, request


@pytest.mark.parametrize("method", [b"FOO", b"get", b"TRACK", b"DEBUG", b"PRI", b"GET\x00", b"@"])
def test_unknown_methods_are_refused(edge: Serving, method: bytes) -> None:
    assert edge.send(request(method=method)).status == 400
    edge.assert_origin_untouched()


@pytest.mark.parametrize(
    "method", ["post", "Post", "get", "trace", "TRACE", "TRACK", "connect", "M-X"]
)
def test_what_is_written_like_no_method_is_refused_over_http2(edge: Serving, method: str) -> None:
    fields = [(name, method if name == ":method" else value) for name, value in GET]
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        assert client.get(1, fields) == 405
        assert client.get(3) == 200
    assert [seen.method for seen in edge.origin.requests] == [b"GET"]


def test_trace_is_refused_because_it_would_show_what_the_edge_adds(edge: Serving) -> None:
    for host in (b"shop.test", b"a.wild.test"):
        assert edge.send(request(method=b"TRACE", host=host)).status == 405
    edge.assert_origin_untouched()


@pytest.mark.parametrize("target", [b"shop.test:443", b"127.0.0.1:22", b"/x"])
def test_connect_opens_no_tunnel(edge: Serving, target: bytes) -> None:
    data = b"CONNECT " + target + b" HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n"
    assert edge.send(data).status in {400, 404}
    edge.assert_origin_untouched()


def test_options_for_the_whole_server_reaches_no_origin(edge: Serving) -> None:
    assert edge.send(request(b"*", method=b"OPTIONS")).status in {400, 404}
    edge.assert_origin_untouched()


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"PROPFIND"])
def test_ordinary_methods_pass(edge: Serving, method: bytes) -> None:
    assert edge.send(request(method=method)).status == 200
    assert edge.origin.requests[0].method == method


@pytest.mark.parametrize("protocol", [b"h2c", b"H2C", b"h2c, websocket"])
def test_an_upgrade_to_cleartext_http2_opens_no_tunnel(edge: Serving, protocol: bytes) -> None:
    with edge.client() as client:
        client.send(
            b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: Upgrade, HTTP2-Settings\r\n"
            b"upgrade: " + protocol + b"\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        )
        assert client.response().status in {200, 400, 403}
    for seen in edge.origin.requests:
        assert {"upgrade", "http2-settings", "connection"}.isdisjoint(seen.names)


@pytest.mark.parametrize("protocol", [b"websocket", b"TLS/1.2", b"anything"])
def test_upgrades_are_refused_where_no_route_allows_them(edge: Serving, protocol: bytes) -> None:
    data = b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: Upgrade\r\nupgrade: "
    assert edge.send(data + protocol + b"\r\n\r\n").status == 403
    edge.assert_origin_untouched()


def test_expect_continue_is_answered_by_the_edge_and_not_passed_on(edge: Serving) -> None:
    with edge.client() as client:
        client.send(request(b"/", b"expect: 100-continue", b"content-length: 2", method=b"POST"))
        assert client.response().status == 100
        client.send(b"hi")
        assert client.response().status == 200
    assert edge.origin.requests[0].body == b"hi"
    assert "expect" not in edge.origin.requests[0].names


def test_early_hints_of_an_origin_are_not_passed_on(edge: Serving) -> None:
    ordinary = edge.origin.answer
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
    edge.origin.answer = lambda seen: hints + ordinary(seen)
    try:
        answer = edge.get()
    finally:
        edge.origin.answer = ordinary
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("link") is None


@pytest.mark.parametrize("more", [b"", b"upgrade: websocket\r\nconnection: upgrade\r\n"])
def test_a_switch_of_protocols_that_nobody_asked_for_opens_no_tunnel(
    edge: Serving, more: bytes
) -> None:
    ordinary = edge.origin.answer
    switched = b"HTTP/1.1 101 Switching Protocols\r\n" + more + b"\r\n"
    edge.origin.answer = lambda _: switched + ordinary(_)
    try:
        with edge.client() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n")
            first = client.response()
            edge.origin.answer = ordinary
            client.send(request(b"/next"))
            second = client.response()
            assert client.rest() == b""
    finally:
        edge.origin.answer = ordinary
    assert first.status == 101
    assert (second.status, second.body) == (200, b"ok")
    assert edge.origin.requests[-1].target == b"/next"
