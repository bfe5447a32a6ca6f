"""One request through the edge, sent to its own listener whatever the host name resolves to."""

import http.client
import socket
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def probe(url: str, listeners: Sequence[str]) -> int:
    """The status of the answer to a GET of `url`, asked of the listener with the URL's port.

    The certificate is not verified: asked is only whether this edge answers, on an address that
    it opened itself.

    Raises:
        OSError: no answer.
    """
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    name = parts.hostname or "localhost"
    with socket.create_connection((_address(listeners, port), port), _TIMEOUT_S) as plain:
        stream = plain
        if parts.scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            stream = context.wrap_socket(plain, server_hostname=name)
        with stream:
            request = f"GET {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
            request += "user-agent: seawall-up\r\nconnection: close\r\n\r\n"
            stream.sendall(request.encode())
            answer = http.client.HTTPResponse(stream, method="GET")
            try:
                answer.begin()
            except http.client.HTTPException as error:
                raise OSError(f"no HTTP answer: {error!r}") from error
            return answer.status


def _address(listeners: Sequence[str], port: int) -> str:
    for listener in listeners:
        host, _, number = listener.rpartition(":")
        if number == str(port):
            host = host.strip("[]")
            return _LOOPBACK.get(host, host)
    return "127.0.0.1"
