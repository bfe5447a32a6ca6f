"""An answer that is sent bit by bit reaches its client so, compressed or not."""

import contextlib
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest

from compiler.build import edge, forward, origin, route, site
from compiler.served import served
from envoy_harness import free_port
from seawall.model import Compression, Timeouts

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
_FIRST = b"5\r\nfirst\r\n"
_LAST = b"4\r\nlast\r\n0\r\n\r\n"
_DEADLINE_S = 10.0


@contextlib.contextmanager
def _streaming(go_on: threading.Event) -> Iterator[int]:
    """An origin that sends the first part of its one answer, and the last when `go_on` is set."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(_HEAD + _FIRST)
            go_on.wait()
            with contextlib.suppress(OSError):  # the client has seen enough
                connection.sendall(_LAST)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            go_on.set()
            thread.join(_DEADLINE_S)


@pytest.mark.parametrize("accepted", ["identity", "gzip, deflate, zstd"])
def test_the_first_part_comes_before_the_last_is_there(accepted: str) -> None:
    go_on = threading.Event()
    with _streaming(go_on) as port:
        usual = site("shop", route(), compression=tuple(Compression))
        with (
            served(edge(usual, http=(free_port(),), origins=(origin("app", port),))) as running,
            socket.create_connection(("127.0.0.1", running.port), _DEADLINE_S) as client,
        ):
            lines = ("GET / HTTP/1.1", "host: shop.test", f"accept-encoding: {accepted}", "", "")
            client.sendall("\r\n".join(lines).encode())
            seen = b""
            while b"first" not in _plain(seen):
                part = client.recv(65_536)
                assert part, seen
                seen += part


@pytest.mark.parametrize("answer_s", [0.0, 0.4])
def test_a_grpc_call_ends_with_its_bound(answer_s: float) -> None:
    times = Timeouts(answer_s, 300.0, 0.0, total_s=0.5)
    with _streaming(threading.Event()) as port:
        rpc = site("shop", route(action=forward(timeouts=times, grpc=True)))
        one = edge(rpc, http=(free_port(),), origins=(origin("app", port),))
        with served(one) as running, pytest.raises(EOFError):  # and no answer that is whole
            running.get("/")


def _plain(answer: bytes) -> bytes:
    """What can be read of the body so far."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    if b"content-encoding: gzip" in head:
        return zlib.decompressobj(wbits=31).decompress(body)
    return body
