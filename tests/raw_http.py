"""HTTP/1 clients that send exactly the bytes a test says, and read with a deadline."""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Final, Self

READ_DEADLINE_S: Final = 30.0
RESPONSE_SIZE_BYTES_MAX: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Response:
    """One parsed response; header names are lower-case, in the order received."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


class RawClient:
    """One connection. `tls` is an `ssl.SSLContext`; `sni` the server name to ask for."""

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        sni: str | None = None,
        source: str | None = None,
    ) -> None:
        self.socket: socket.socket = socket.create_connection(
            ("127.0.0.1", port), READ_DEADLINE_S, (source, 0) if source else None
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname=sni)
            except BaseException:
                self.socket.close()
                raise
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it; a peer that has closed already is not an error here."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            forget_tls_errors()

    def response(self, *, to_head: bool = False) -> Response:
        """Read one response (1xx ones included). `to_head`: the request was HEAD, so no body."""
        while b"\r\n\r\n" not in self._pending:
            self._more()
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = tuple(
            (name.lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:])
        )
        named = dict(headers)
        if to_head or status < 200 or status in {204, 304}:
            body = b""
        elif "content-length" in named:
            body = self._exactly(int(named["content-length"]))
        elif named.get("transfer-encoding") == "chunked":
            body = self._chunks()
        else:
            body = self.rest()
        return Response(status, headers, body)

    def rest(self) -> bytes:
        """Everything until the other side closes or resets; fails when it stays open."""
        with contextlib.suppress(EOFError):
            while len(self._pending) < RESPONSE_SIZE_BYTES_MAX:
                self._more()
        data, self._pending = self._pending, b""
        return data

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._pending:
                self._more()
            size, _, self._pending = self._pending.partition(b"\r\n")
            chunk = self._exactly(int(size, 16) + 2)[:-2]
            if not chunk:
                return body
            body += chunk

    def _exactly(self, size: int) -> bytes:
        while len(self._pending) < size:
            self._more()
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            forget_tls_errors()
            data = b""
        except TimeoutError as error:
            raise AssertionError(f"no end of the answer; so far {self._pending!r}") from error
        if not data:
            raise EOFError(f"connection closed; unread: {self._pending!r}")
        self._pending += data


def forget_tls_errors() -> None:
    """After a connection failed, let no other one of this thread fail by it.

    CPython 3.13 with OpenSSL 3.5 leaves the failure in OpenSSL's queue of errors, where the next
    read of any connection finds it. A list of ciphers that is refused empties the queue.
    """
    with contextlib.suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers("none")


def fetch(
    port: int,
    request: bytes,
    *,
    tls: ssl.SSLContext | None = None,
    sni: str | None = None,
    source: str | None = None,
) -> Response:
    """One request on its own connection."""
    with RawClient(port, tls=tls, sni=sni, source=source) as client:
        client.send(request)
        return client.response()
