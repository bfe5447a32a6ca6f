"""Under more load than it may carry the edge refuses work, lives on, and recovers by itself."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

from compiler import build
from edge.serving import Serving, request, serving, standard_sites, wait_until
from envoy_harness import RawClient
from seawall.limits import MIB
from seawall.model import PathPrefix

CONNECTIONS_MAX = 20
HEAP_MAX = 20 * MIB
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
    limits = replace(build.LIMITS, heap_size_bytes_max=HEAP_MAX)
    shop, wild = standard_sites()
    deaf_route = build.route("shop/deaf", PathPrefix("/deaf"), build.forward("deaf"))
    shop = replace(shop, routes=(deaf_route, *shop.routes))
    with _deaf_origin() as port, contextlib.ExitStack() as uploads:
        origins = (build.origin("deaf", port),)
        with serving(shop, wild, limits=limits, more_origins=origins) as edge:
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
            edge.assert_serves()


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
        client.sendall(request(b"/deaf", b"content-length: 100000000", method=b"POST"))
        client.settimeout(0)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(16):
                client.sendall(bytes(65536))
        yield
