"""A client that is slow on purpose is let go, and holds up nobody."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hyperframe.frame import HeadersFrame, RstStreamFrame, SettingsFrame

from compiler import build
from edge.h2_client import GET, H2Client
from edge.serving import Serving, request, serving, wait_until
from envoy_harness import OriginRequest, RawClient, ok
from seawall.model import Timeouts

HEADER_TIMEOUT_S = 0.5
IDLE_TIMEOUT_S = 1.0
REQUEST_TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
def _impatient() -> Iterator[Serving]:
    limits = replace(build.LIMITS, header_timeout_s=HEADER_TIMEOUT_S, idle_timeout_s=IDLE_TIMEOUT_S)
    patient_route = build.route(
        "shop/all", action=build.forward(timeouts=Timeouts(30.0, IDLE_TIMEOUT_S, 0.0))
    )
    with serving(build.site("shop", patient_route, certificate="shop"), limits=limits) as running:
        yield running


@pytest.fixture
def edge(_impatient: Serving) -> Iterator[Serving]:
    _impatient.forget()
    yield _impatient
    _impatient.assert_serves()


def trickled(client: RawClient) -> bytes:
    """What is answered to a client that sends a byte now and then, for 10 s at most."""
    client.socket.settimeout(HEADER_TIMEOUT_S / 10)
    end = time.monotonic() + 10
    answer = b""
    while not answer and time.monotonic() < end:
        client.send(b"a")
        with contextlib.suppress(TimeoutError):
            answer = client.socket.recv(4096)
    return answer


def test_half_a_head_is_answered_with_408(edge: Serving) -> None:
    with edge.client() as client:
        client.send(b"GET / HTTP/1.1\r\nhost: shop.test\r\nx-a: ")
        edge.assert_serves()
        assert client.response().status == 408
        assert client.rest() == b""


def test_a_byte_now_and_then_does_not_extend_the_header_timeout(edge: Serving) -> None:
    with edge.client() as client:
        client.send(b"GET / HTTP/1.1\r\nhost: shop.test\r\nx-a: ")
        assert trickled(client).startswith(b"HTTP/1.1 408")


def test_half_a_body_is_given_up(edge: Serving) -> None:
    with edge.client() as client:
        client.send(request(b"/", b"content-length: 10", method=b"POST") + b"12345")
        edge.assert_serves()
        assert client.response().status in {408, 504}
        assert client.rest() == b""


@pytest.fixture(scope="module")
def bounded() -> Iterator[Serving]:
    limits = replace(build.LIMITS, request_timeout_s=REQUEST_TIMEOUT_S)
    with serving(build.site("shop", certificate="shop"), limits=limits) as running:
        yield running
        running.assert_serves()


def test_the_bound_of_a_whole_request_is_for_its_body_and_not_for_the_answer(
    bounded: Serving,
) -> None:
    over = threading.Event()

    async def answered_late(_: OriginRequest) -> bytes:
        await asyncio.to_thread(over.wait, 30)
        return ok()

    ordinary, bounded.origin.answer = bounded.origin.answer, answered_late
    try:
        with bounded.client() as waiting, bounded.client() as trickling:
            waiting.send(request(b"/late"))
            wait_until(lambda: bounded.origin.requests, what="the origin is asked")
            trickling.send(request(b"/slow", b"content-length: 100000", method=b"POST"))
            assert trickled(trickling).startswith(b"HTTP/1.1 408")
            over.set()
            assert waiting.response().status == 200
    finally:
        over.set()
        bounded.origin.answer = ordinary
    wait_until(lambda: bounded.origin.aborted, what="the origin's connection is free")
    assert [seen.target for seen in bounded.origin.requests] == [b"/late"]
    bounded.forget()


def test_an_idle_connection_is_closed(edge: Serving) -> None:
    with edge.client() as client:
        client.send(request().replace(b"connection: close\r\n", b""))
        assert client.response().status == 200
        edge.assert_serves()
        assert client.rest() == b""


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x01\x00\x01"], ids=["nothing", "half"])
def test_a_tls_client_that_says_no_hello_is_closed(edge: Serving, hello: bytes) -> None:
    with RawClient(edge.tls_port) as client:
        client.send(hello)
        edge.assert_serves()
        assert client.rest() == b""


def test_a_tls_client_that_stops_in_the_handshake_is_closed(edge: Serving) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = edge.authority.client()
    handshake = context.wrap_bio(incoming, outgoing, server_hostname="shop.test")
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    with RawClient(edge.tls_port) as client:
        client.send(outgoing.read())
        assert client.socket.recv(1)
        edge.assert_serves()
        client.rest()


def test_an_http2_client_that_never_ends_its_headers_is_closed(edge: Serving) -> None:
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        client.send(HeadersFrame(1, client.block(GET)))
        edge.assert_serves()
        client.refusal()
        assert client.closed


def test_an_http2_client_that_never_takes_its_answer_is_reset(edge: Serving) -> None:
    context = edge.authority.client(alpn=("h2",))
    with H2Client(edge.tls_port, tls=context, receive_window=0) as client:
        client.read_until(lambda frame: isinstance(frame, SettingsFrame))
        assert client.get(1) == 200
        edge.assert_serves()
        reset = client.read_until(lambda frame: isinstance(frame, RstStreamFrame))
        assert reset is not None or client.closed


def test_a_client_that_reads_nothing_of_a_long_answer_is_let_go(edge: Serving) -> None:
    ordinary = edge.origin.answer
    edge.origin.answer = lambda _: ok(bytes(64 << 20))
    name = "http.http.downstream_cx_active"
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", edge.port))
            client.sendall(request())
            wait_until(lambda: edge.envoy.stats(name)[name] == 1, what="the connection is there")
            wait_until(lambda: edge.envoy.stats(name)[name] == 0, what="the connection is closed")
    finally:
        edge.origin.answer = ordinary
