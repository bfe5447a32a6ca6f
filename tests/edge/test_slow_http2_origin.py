"""Clients that do not read hold up nobody else's answers over a shared connection to an origin."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import h2.config
import h2.connection
import h2.events

from compiler import build
from edge.serving import request, serving, standard_sites, wait_until
from envoy_harness import RawClient
from seawall.limits import CONNECTION_BUFFER_SIZE_BYTES_MAX, ORIGIN_HTTP2_STREAM_WINDOW_BYTES
from seawall.model import PathPrefix, UpstreamProtocol

SLOW_READERS = 10
FRAME = bytes(16 * 1024)
SHORT = b"/other/short"


class _Generous:
    """An HTTP/2 origin: sends as much as it may of answers without end, and one that is short."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._side = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._endless: set[int] = set()

    def run(self) -> None:
        self._side.initiate_connection()
        with self._connection, contextlib.suppress(OSError):
            self._connection.sendall(self._side.data_to_send())
            while data := self._connection.recv(65536):
                for event in self._side.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self._answer(event.stream_id, dict(event.headers)[b":path"])
                    elif isinstance(event, h2.events.StreamReset):
                        self._endless.discard(event.stream_id)
                self._send()

    def _answer(self, stream: int, path: bytes) -> None:
        self._side.send_headers(stream, [(":status", "200")])
        if path == SHORT:
            self._side.send_data(stream, b"short", end_stream=True)
        else:
            self._endless.add(stream)

    def _send(self) -> None:
        for stream in self._endless:
            while self._side.local_flow_control_window(stream) >= len(FRAME):
                self._side.send_data(stream, FRAME)
                self._connection.sendall(self._side.data_to_send())
        self._connection.sendall(self._side.data_to_send())


@contextlib.contextmanager
def _generous_origin() -> Iterator[int]:
    def run(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                serve = _Generous(listening.accept()[0]).run
                threading.Thread(target=serve, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=run, args=(listening,), daemon=True).start()
        yield int(listening.getsockname()[1])


def test_clients_that_do_not_read_hold_up_no_other_answer_of_an_http2_origin() -> None:
    shop, wild = standard_sites()
    other = build.route("shop/other", PathPrefix("/other"), build.forward("other"))
    shop = replace(shop, routes=(other, *shop.routes))
    with _generous_origin() as port, contextlib.ExitStack() as readers:
        origins = (build.origin("other", port, protocol=UpstreamProtocol.HTTP2),)
        with serving(shop, wild, more_origins=origins) as edge:
            name = "server.memory_allocated"
            before = edge.envoy.stats(name)[name]
            for _ in range(SLOW_READERS):
                client = readers.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", edge.port))
                client.sendall(request(b"/other"))
            full = SLOW_READERS * ORIGIN_HTTP2_STREAM_WINDOW_BYTES
            wait_until(lambda: edge.envoy.stats(name)[name] > before + full, what="buffers full")
            with RawClient(edge.port) as late:
                late.send(request(SHORT))
                assert late.response().body == b"short"
            held = (edge.envoy.stats(name)[name] - before) / SLOW_READERS
            assert held < ORIGIN_HTTP2_STREAM_WINDOW_BYTES + 3 * CONNECTION_BUFFER_SIZE_BYTES_MAX
