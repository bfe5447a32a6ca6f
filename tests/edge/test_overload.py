"""Under more load than it may carry the edge refuses work, lives on, and recovers by itself."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from compiler import build
from edge.h2_client import GET, H2Client
from edge.serving import Serving, request, serving, standard_sites, wait_until
from envoy_harness import RawClient
from seawall.limits import CONNECTION_BUFFER_SIZE_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES, MIB
from seawall.model import EdgeLimits, PathPrefix

CONNECTIONS_MAX = 20
HEAP_MAX = 40 * MIB
"""Room above what an Envoy with nothing to do holds (9 MiB) and what its allocator keeps in parts
after a flood (up to 13 MiB): that counts as used, and of 24 MiB it would be over 90 %."""
UNPRESSED = 90
"""Percent of the heap bound below which no request is shed."""
SLOW_HEAP_MAX = 96 * MIB
SLOW_READERS = 100
STREAMS_MAX = 1_000
REFUSED_WANTED = 10


def test_connections_over_the_limit_are_refused_until_others_end() -> None:
    limits = replace(build.LIMITS, connections_max=CONNECTIONS_MAX)
    with serving(limits=limits) as edge:
        with contextlib.ExitStack() as connections:
            for _ in range(CONNECTIONS_MAX):
                client = connections.enter_context(edge.client())
                client.send(request().replace(b"connection: close\r\n", b""))
                assert client.response().status == 200
            for tls in (False, True):
                with RawClient(edge.tls_port if tls else edge.port) as refused:
                    refused.send(request())
                    assert refused.rest() == b""
            client.send(request())
            assert client.response().status == 200
        wait_until(lambda: _answers(edge), what="the edge serves again")
        edge.assert_serves()


def test_memory_over_the_limit_sheds_requests_and_frees_again() -> None:
    limits = replace(build.LIMITS, heap_size_bytes_max=HEAP_MAX, connections_max=2 * STREAMS_MAX)
    with (
        _deaf_origin() as port,
        contextlib.ExitStack() as uploads,
        _beside_another(port, limits) as edge,
    ):
        edge.assert_serves()
        refused = 0
        for _ in range(STREAMS_MAX):
            uploads.enter_context(_upload(edge.port))
            refused += not _answers(edge)
            if refused == REFUSED_WANTED:
                break
        assert refused == REFUSED_WANTED
        assert edge.envoy.alive
        uploads.close()
        wait_until(lambda: all(_answers(edge) for _ in range(5)), what="the edge serves again")
        wait_until(lambda: _pressure(edge) < UNPRESSED, what="the memory is free again")
        edge.assert_serves()


@pytest.mark.parametrize(
    ("http2", "each_max"),
    [
        pytest.param(False, 3 * CONNECTION_BUFFER_SIZE_BYTES_MAX, id="http1"),
        pytest.param(
            True, 3 * CONNECTION_BUFFER_SIZE_BYTES_MAX + HTTP2_STREAM_WINDOW_BYTES, id="http2"
        ),
    ],
)
def test_many_who_read_nothing_of_long_answers_hold_little_and_others_are_served(
    *, http2: bool, each_max: int
) -> None:
    limits = replace(build.LIMITS, heap_size_bytes_max=SLOW_HEAP_MAX)
    with (
        _endless_origin() as port,
        _beside_another(port, limits) as edge,
        contextlib.ExitStack() as readers,
    ):
        before = _allocated(edge)
        full = before + SLOW_READERS * CONNECTION_BUFFER_SIZE_BYTES_MAX
        for _ in range(SLOW_READERS):
            readers.enter_context(_slow_http2(edge) if http2 else _slow(edge.port))
        wait_until(lambda: _allocated(edge) > full, what="buffers are full")
        assert _active(edge) == SLOW_READERS
        assert (_allocated(edge) - before) / SLOW_READERS < each_max
        assert all(_answers(edge) for _ in range(20))


@contextlib.contextmanager
def _beside_another(port: int, limits: EdgeLimits) -> Iterator[Serving]:
    """An edge whose route `/other` leads to an origin of its own."""
    shop, wild = standard_sites()
    other = build.route("shop/other", PathPrefix("/other"), build.forward("other"))
    shop = replace(shop, routes=(other, *shop.routes))
    origins = (build.origin("other", port),)
    with serving(shop, wild, limits=limits, more_origins=origins) as edge:
        yield edge


@contextlib.contextmanager
def _endless_origin() -> Iterator[int]:
    """An origin whose answers have no end, sent as fast as they are taken."""
    stop, part = threading.Event(), bytes(MIB)

    def run(listening: socket.socket) -> None:
        with selectors.DefaultSelector() as ready, contextlib.ExitStack() as connections:
            ready.register(listening, selectors.EVENT_READ)
            while not stop.is_set():
                for key, _ in ready.select(0.1):
                    if key.fileobj is listening:
                        client = connections.enter_context(listening.accept()[0])
                        client.recv(65536)
                        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")
                        client.settimeout(0)
                        ready.register(client, selectors.EVENT_WRITE, client)
                        continue
                    try:
                        key.data.send(part)
                    except BlockingIOError:
                        continue
                    except ConnectionError:
                        ready.unregister(key.fileobj)

    with socket.create_server(("127.0.0.1", 0), backlog=SLOW_READERS) as listening:
        thread = threading.Thread(target=run, args=(listening,))
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            stop.set()
            thread.join(10)


def _active(edge: Serving) -> int:
    names = ("http.http.downstream_rq_active", "http.https.downstream_rq_active")
    return sum(edge.envoy.stats(name).get(name, 0) for name in names)


def _pressure(edge: Serving) -> int:
    name = "overload.envoy.resource_monitors.fixed_heap.pressure"
    return int(edge.envoy.stats(name)[name])


def _allocated(edge: Serving) -> int:
    name = "server.memory_allocated"
    return int(edge.envoy.stats(name)[name])


@contextlib.contextmanager
def _slow(port: int) -> Iterator[None]:
    """A client that asks and never reads."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(request(b"/other"))
        yield


@contextlib.contextmanager
def _slow_http2(edge: Serving) -> Iterator[None]:
    """The same over HTTP/2: a client whose window is zero."""
    context = edge.authority.client(alpn=("h2",))
    with H2Client(edge.tls_port, tls=context, receive_window=0) as client:
        client.send(client.headers(1, (*GET[:-1], (":path", "/other"))))
        yield


def _answers(edge: Serving) -> bool:
    """Whether a new client gets the origin's answer; refusals are 503 or a closed connection."""
    with RawClient(edge.port) as client:
        client.send(request())
        try:
            status = client.response().status
        except EOFError:
            return False
    assert status in {200, 503}
    return status == 200


@contextlib.contextmanager
def _deaf_origin() -> Iterator[int]:
    """An origin that takes connections and never reads."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen(STREAMS_MAX)
        yield int(listening.getsockname()[1])


@contextlib.contextmanager
def _upload(port: int) -> Iterator[None]:
    """A large body for the deaf origin: as much of it as the edge takes at once."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(request(b"/other", b"content-length: 100000000", method=b"POST"))
        client.settimeout(0)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(16):
                client.sendall(bytes(65536))
        yield
