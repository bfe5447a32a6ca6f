"""The demo website: a page, an API, an event stream, a slow download and a WebSocket echo.

Standard library only, for loopback only: it stands in for whatever the reader's own website is.
"""

import base64
import hashlib
import http.server
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import resources
from typing import Final

_ACCEPT_KEY: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""
_DOWNLOAD_PARTS: Final = 30
_PART: Final = b"seawall " * 8192
_FRAME_SIZE_BYTES_MAX: Final = 65_535
_OPCODE_TEXT: Final = 1
_OPCODE_CLOSE: Final = 8
_OPCODE_PING: Final = 9
_OPCODE_PONG: Final = 10
_EXTENDED_LENGTH: Final = 126
_TICK_S: Final = 1.0


@contextmanager
def running_website() -> Iterator[int]:
    """Serve on loopback while inside the block; gives the port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="demo website")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type["_Handler"]) -> None:
        self.closing = threading.Event()
        self.page = resources.files("seawall.demo").joinpath("page.html").read_bytes()
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news on the operator's terminal."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        routes = {
            "/": self._page,
            "/api/time": self._time,
            "/api/fail": self._fail,
            "/events": self._events,
            "/download": self._download,
            "/echo": self._echo,
        }
        routes.get(path, self._nothing)()

    def do_HEAD(self) -> None:
        (self._page if self.path == "/" else self._nothing)()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """The access log is Seawall's."""

    def _page(self) -> None:
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)

    def _time(self) -> None:
        now = datetime.now(UTC).strftime("%H:%M:%S")  # noqa: TID251 - a demo page shows the time
        self._answer(HTTPStatus.OK, "application/json", json.dumps({"time": now}).encode())

    def _fail(self) -> None:
        body = b'{"error": "on purpose"}'
        self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "application/json", body)

    def _nothing(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n")

    def _events(self) -> None:
        self._begin("text/event-stream")
        number = 0
        while not self.server.closing.wait(_TICK_S if number else 0):
            number += 1
            self._chunk(f"data: event {number}\n\n".encode())
        self._chunk(b"")

    def _download(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("content-length", str(_DOWNLOAD_PARTS * len(_PART)))
        self.end_headers()
        for _ in range(_DOWNLOAD_PARTS):
            self.wfile.write(_PART)
            if self.server.closing.wait(_TICK_S):
                break

    def _echo(self) -> None:
        key = self.headers.get("sec-websocket-key")
        if key is None or "websocket" not in self.headers.get("upgrade", "").lower():
            self._answer(HTTPStatus.UPGRADE_REQUIRED, "text/plain", b"This is a WebSocket.\n")
            return
        accept = hashlib.sha1((key + _ACCEPT_KEY).encode(), usedforsecurity=False).digest()
        self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        self.connection.settimeout(None)
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            self._send_frame(_OPCODE_PONG if opcode == _OPCODE_PING else opcode, payload)
            if opcode == _OPCODE_CLOSE:
                return

    def _frame(self) -> tuple[int, bytes] | None:
        """The next frame's opcode and unmasked payload; None when there is no more."""
        head = self.rfile.read(2)
        if len(head) < 2:  # noqa: PLR2004 - the two bytes just asked for
            return None
        size = head[1] & 0x7F
        if size == _EXTENDED_LENGTH:
            (size,) = struct.unpack("!H", self.rfile.read(2))
        if size > _FRAME_SIZE_BYTES_MAX or not head[1] & 0x80:
            return None
        mask = self.rfile.read(4)
        payload = self.rfile.read(size)
        unmasked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        return head[0] & 0x0F or _OPCODE_TEXT, unmasked

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        length = (
            struct.pack("!B", len(payload))
            if len(payload) < _EXTENDED_LENGTH
            else struct.pack("!BH", _EXTENDED_LENGTH, len(payload))
        )
        self.wfile.write(bytes([0x80 | opcode]) + length + payload)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("content-type", kind)
        self.send_header("cache-control", "no-store")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
