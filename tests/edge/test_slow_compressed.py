"""Clients that read nothing of answers that the edge compresses: what each of them holds."""

import base64
import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from compiler import build
from edge.serving import request, serving, standard_sites, wait_until
from seawall.limits import KIB, MIB
from seawall.model import Compression, PathPrefix

SLOW_READERS = 10
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 99999999999\r\n\r\n"


@contextlib.contextmanager
def _origin_of_endless_text() -> Iterator[int]:
    """Text that does not repeat within a window of any coding, sent as fast as it is taken."""
    text = base64.b64encode(os.urandom(6 * MIB))

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(HEAD)
            while True:
                connection.sendall(text)

    def run(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listening.accept()[0]
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=run, args=(listening,), daemon=True).start()
        yield int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("coding", "each_max"),
    [
        (Compression.GZIP, 600 * KIB),
        (Compression.BROTLI, 3 * MIB),
        (Compression.ZSTD, 3 * MIB),
    ],
)
def test_a_client_that_does_not_read_holds_one_small_compressor(
    coding: Compression, each_max: int
) -> None:
    shop, wild = standard_sites()
    other = build.route("shop/other", PathPrefix("/other"), build.forward("other"))
    shop = replace(shop, routes=(other, *shop.routes), compression=(coding,))
    with (
        _origin_of_endless_text() as port,
        serving(shop, wild, more_origins=(build.origin("other", port),)) as edge,
        contextlib.ExitStack() as readers,
    ):
        name = "server.memory_allocated"
        before = edge.envoy.stats(name)[name]
        clients = [readers.enter_context(socket.socket()) for _ in range(SLOW_READERS)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", edge.port))
            asked = b"accept-encoding: " + coding.value.encode()
            client.sendall(request(b"/other", asked))
        full = before + SLOW_READERS * 256 * KIB
        wait_until(lambda: edge.envoy.stats(name)[name] > full, what="the compressors work")
        held = (edge.envoy.stats(name)[name] - before) / SLOW_READERS
        assert held < each_max
        assert b"content-encoding: " + coding.value.encode() in clients[0].recv(2048)
        edge.assert_serves()
