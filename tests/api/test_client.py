"""What the commands say of an address at which another server answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from seawall.api.client import Client
from seawall.api.hand_requests import KillRequest
from seawall.errors import UnreachableError


@contextmanager
def _another(status: int, body: bytes) -> Iterator[Client]:
    """Whoever is asked says this, whatever is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say()

        def do_POST(self) -> None:
            self._say()

        def _say(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Client.for_url(f"http://127.0.0.1:{server.server_port}", "swt_x") as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, b"<html>the shop itself</html>", id="a page"),
        pytest.param(200, b"\xff\xfe", id="bytes"),
        pytest.param(200, b"[1]", id="other JSON"),
        pytest.param(301, b"", id="a redirect to https"),
        pytest.param(404, b"<html>not found</html>", id="a page that is not there"),
    ],
)
def test_another_server_is_told_as_that(status: int, body: bytes) -> None:
    with _another(status, body) as client:
        with pytest.raises(UnreachableError, match="is not Seawall's control") as looked:
            client.status()
        assert looked.value.code == "bad-answer"
        with pytest.raises(UnreachableError, match="is not Seawall's control"):
            list(client.kill(KillRequest("compression")))
