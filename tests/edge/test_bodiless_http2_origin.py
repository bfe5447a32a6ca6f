"""An HTTP/2 origin may say only after the headers that there is no body: nothing is made of it."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest

from compiler import build
from edge.serving import Serving, request, serving
from seawall.model import Compression, UpstreamProtocol


def _answer(connection: socket.socket) -> None:
    """The status that the path names, without a body; the stream ends in a frame of its own."""
    side = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    side.initiate_connection()
    with connection, contextlib.suppress(OSError):
        connection.sendall(side.data_to_send())
        while data := connection.recv(65536):
            for event in side.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    status = dict(event.headers)[b":path"][1:].decode()
                    headers = [(":status", status), ("content-type", "text/html")]
                    side.send_headers(event.stream_id, headers)
                    connection.sendall(side.data_to_send())
                    side.end_stream(event.stream_id)
            connection.sendall(side.data_to_send())


@pytest.fixture(scope="module")
def edge() -> Iterator[Serving]:
    def run(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=_answer, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=run, args=(listening,), daemon=True).start()
        port = int(listening.getsockname()[1])
        action = build.forward("late")
        shop = build.site(
            "shop", build.route("shop/all", action=action), compression=tuple(Compression)
        )
        other = build.site(
            "other", build.route("other/all", action=action), compression=(Compression.GZIP,)
        )
        origin = build.origin("late", port, protocol=UpstreamProtocol.HTTP2)
        with serving(shop, other, more_origins=(origin,)) as running:
            yield running


@pytest.mark.parametrize("host", [b"shop.test", b"other.test"])
@pytest.mark.parametrize(
    ("method", "status"), [(b"GET", b"204"), (b"GET", b"304"), (b"HEAD", b"200"), (b"HEAD", b"404")]
)
def test_an_answer_without_a_body_gets_no_end_of_a_compressed_one(
    edge: Serving, host: bytes, method: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), 30) as client:
        client.sendall(
            request(b"/" + status, b"accept-encoding: gzip, br", method=method, host=host)
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.endswith(b"\r\n\r\n"), answer[-40:]
