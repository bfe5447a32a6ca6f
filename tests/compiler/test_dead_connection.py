"""A connection to an HTTP/2 origin that died without a word is given up, and others serve."""

import contextlib
import ctypes
import socket
import struct
import threading
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest

from compiler.build import edge, forward, origin, route, site
from compiler.served import served
from envoy_harness import free_port, wait_until
from seawall import limits
from seawall.compiler.clusters import compile_origin
from seawall.model import Timeouts, UpstreamProtocol

LOCAL = "127.0.0.1"
SO_ATTACH_FILTER = 26
NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A packet filter of one word: none passes."""


class Http2Origin:
    """Answers `ok`; of a connection that is lost it hears, and acknowledges, nothing any more."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._filter = ctypes.create_string_buffer(NOTHING)
        self.connections: list[socket.socket] = []

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(self._listening.accept()[0])
                serve, connection = self._serve, self.connections[-1]
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def lose(self, connection: socket.socket) -> None:
        program = struct.pack("HL", 1, ctypes.addressof(self._filter))
        connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def _serve(self, connection: socket.socket) -> None:
        side = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        side.initiate_connection()
        with connection, contextlib.suppress(OSError):
            connection.sendall(side.data_to_send())
            while data := connection.recv(65536):
                for event in side.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        side.send_headers(event.stream_id, [(":status", "200")])
                        side.send_data(event.stream_id, b"ok", end_stream=True)
                connection.sendall(side.data_to_send())


@contextlib.contextmanager
def _http2_origin() -> Iterator[tuple[Http2Origin, int]]:
    with socket.create_server((LOCAL, 0)) as listening:
        running = Http2Origin(listening)
        threading.Thread(target=running.run, daemon=True).start()
        yield running, int(listening.getsockname()[1])


def test_a_connection_that_is_lost_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ORIGIN_UNACKNOWLEDGED_S_MAX", 2)
    compile_origin.cache_clear()
    shop = site("shop", route("shop/all", action=forward(timeouts=Timeouts(0.5, 60, 0))))
    with _http2_origin() as (running_origin, port):
        app = origin("app", port, protocol=UpstreamProtocol.HTTP2)
        with served(edge(shop, http=(free_port(),), origins=(app,))) as running:
            assert running.get("/").body == b"ok"
            running_origin.lose(running_origin.connections[0])
            assert running.get("/").status == 504
            wait_until(lambda: running.get("/").status == 200, what="another connection serves")
        assert len(running_origin.connections) == 2
    compile_origin.cache_clear()
