"""What the commands say of an address at which another server answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from seawall.api.client import Client
from seawall.api.errors import error_from, error_view, status_of
from seawall.api.fleet import ElsewhereError
from seawall.api.hand_requests import KillRequest
from seawall.errors import ConflictError, UnreachableError, UsageError


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
        with pytest.raises(UnreachableError, match="is not a Seawall control process") as looked:
            client.status()
        assert looked.value.code == "bad-answer"
        with pytest.raises(UnreachableError, match="is not a Seawall control process"):
            list(client.kill(KillRequest("compression")))


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9180", "localhost", "ftp://a", "http://[::1", "http://"]
)
def test_what_is_no_url_is_told_with_one_that_is(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Client.for_url(url, "swt_x")
    assert refused.value.code == "bad-api-url"
    assert "http://HOST:PORT" in refused.value.remedy


@pytest.mark.parametrize("token", ["swt_sec\nret", "swt_sec\u20acret", "swt_sec\x00ret"])
def test_a_token_that_is_none_is_not_shown(token: str) -> None:
    with pytest.raises(UsageError) as refused:
        Client.for_url("http://127.0.0.1:9180", token)
    assert refused.value.code == "bad-token"
    assert "sec" not in str(refused.value)


def test_the_end_of_a_line_belongs_to_no_token() -> None:
    with Client.for_url("http://127.0.0.1:1", "swt_x\n") as client, pytest.raises(UnreachableError):
        client.status()


def test_a_control_process_that_stands_by_is_no_defect_of_seawall() -> None:
    refusal = ElsewhereError("control-1.example.com:7443")
    status = status_of(refusal)
    assert status == 409
    told = error_from(error_view(refusal), status)
    assert isinstance(told, ConflictError)
    assert told.code == "not-the-leader"
