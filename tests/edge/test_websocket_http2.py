"""A WebSocket over HTTP/2 (RFC 8441), from a browser's frames to an ordinary WebSocket server."""

import threading
from collections.abc import Iterator

import pytest
from hyperframe.frame import DataFrame, SettingsFrame
from websockets.sync.server import ServerConnection, serve

from compiler import build
from edge.bot_records import record_of_path
from edge.h2_client import H2Client
from edge.serving import Serving, serving
from seawall.model import PathPrefix
from seawall.telemetry.why import story

ENABLE_CONNECT_PROTOCOL = 0x8
HELLO = b"\x81\x85\0\0\0\0hello"
"""A text frame, masked with zeros, and its echo, which no mask has."""
CLOSE = b"\x88\x80\0\0\0\0"
ECHOED = b"\x81\x05hello"


@pytest.fixture
def edge() -> Iterator[Serving]:
    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        action = build.forward("chat", websocket=True, body_size_bytes_max=len(HELLO) - 1)
        chat = build.route("shop/chat", PathPrefix("/chat"), action)
        shop = build.site("shop", chat, build.route("shop/all"), certificate="shop")
        origin = build.origin("chat", server.socket.getsockname()[1])
        with serving(shop, more_origins=(origin,)) as running:
            yield running
        server.shutdown()
        thread.join(10)


def _opened(client: H2Client, path: str, stream: int = 1) -> int | None:
    fields = (
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "shop.test"),
        (":path", path),
        ("sec-websocket-version", "13"),
    )
    client.send(client.headers(stream, fields, end=False))
    return client.status(stream)


def test_a_websocket_over_http2_echoes(edge: Serving) -> None:
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        settings = client.read_until(lambda frame: isinstance(frame, SettingsFrame))
        assert isinstance(settings, SettingsFrame)
        assert settings.settings.get(ENABLE_CONNECT_PROTOCOL) == 1
        assert _opened(client, "/chat") == 200
        client.send(DataFrame(1, HELLO))
        echoed = client.read_until(lambda frame: isinstance(frame, DataFrame))
        assert isinstance(echoed, DataFrame)
        assert echoed.data == ECHOED


def test_a_route_without_websockets_opens_none(edge: Serving) -> None:
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        assert _opened(client, "/other") == 403


def test_a_websocket_that_was_closed_is_not_told_as_one_that_broke(edge: Serving) -> None:
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        assert _opened(client, "/chat/closed") == 200
        client.send(DataFrame(1, CLOSE))
        told = story(record_of_path(edge, "/chat/closed"))
        assert _opened(client, "/chat/left", stream=3) == 200
    left = story(record_of_path(edge, "/chat/left"))
    assert any("The origin closed the upgraded connection" in words for words in told.sentences)
    assert any("The client closed the upgraded connection" in words for words in left.sentences)
    words = " ".join((*told.sentences, *left.sentences))
    assert "complete" not in words
    assert "only a part" not in words
    assert (told.remedy, left.remedy) == ("", "")
