"""An HTTP/2 client that sends the frames a test builds, also those no library would send."""

import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Final, Self

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from raw_http import forget_tls_errors

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEADLINE_S: Final = 30.0
Fields = Iterable[tuple[str, str]]
GET: Final = (
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "shop.test"),
    (":path", "/"),
)


class H2Client:
    """One connection, preface and SETTINGS sent; received frames are kept in `frames`."""

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        receive_window: int = 1 << 20,
    ) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="shop.test")
        self.frames: list[Frame] = []
        self.closed = False
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._pending = b""
        self.raw(PREFACE)
        self.send(SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: receive_window}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def raw(self, data: bytes) -> None:
        """Send bytes; a closed connection is noted in `closed`."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            forget_tls_errors()
            self.closed = True

    def send(self, *frames: Frame) -> None:
        self.raw(b"".join(frame.serialize() for frame in frames))

    def block(self, fields: Fields) -> bytes:
        """A header block for `fields`, in the order given."""
        return bytes(self._encoder.encode(list(fields)))

    def headers(self, stream: int, fields: Fields = GET, *, end: bool = True) -> HeadersFrame:
        """A HEADERS frame that holds the whole block."""
        frame = HeadersFrame(stream, self.block(fields))
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def status(self, stream: int) -> int | None:
        """Status of the answer on `stream`; None when it was reset or the connection ended."""
        found = self.read_until(
            lambda f: f.stream_id == stream and isinstance(f, HeadersFrame | RstStreamFrame)
        )
        if not isinstance(found, HeadersFrame):
            return None
        return int(dict(self._decoder.decode(found.data))[":status"])

    def get(self, stream: int, fields: Fields = GET) -> int | None:
        """Send one request without a body and read its status."""
        self.send(self.headers(stream, fields))
        return self.status(stream)

    def read_until(self, wanted: Callable[[Frame], bool]) -> Frame | None:
        """Read frames until one is `wanted`; None when the connection ends before."""
        seen = 0
        while True:
            for frame in self.frames[seen:]:
                if wanted(frame):
                    return frame
            seen = len(self.frames)
            if not self._read():
                return None

    def refusal(self) -> int | None:
        """Read to the end of the connection; the GOAWAY's error code when there was one."""
        self.read_until(lambda _: False)
        codes = [frame.error_code for frame in self.frames if isinstance(frame, GoAwayFrame)]
        return codes[-1] if codes else None

    def _read(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as error:
            if isinstance(error, ssl.SSLWantReadError):
                raise
            forget_tls_errors()
            data = b""
        except TimeoutError as error:
            raise AssertionError(f"no answer; frames so far {self.frames[-5:]}") from error
        if not data:
            self.closed = True
            return False
        self._pending += data
        while len(self._pending) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._pending[:9]))
            if len(self._pending) < 9 + length:
                break
            frame.parse_body(memoryview(self._pending[9 : 9 + length]))
            self._pending = self._pending[9 + length :]
            self.frames.append(frame)
            self._acknowledge(frame)
        return True

    def _acknowledge(self, frame: Frame) -> None:
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(SettingsFrame(flags=["ACK"]))
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.send(PingFrame(opaque_data=frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, DataFrame) and frame.flow_controlled_length:
            self.send(WindowUpdateFrame(0, window_increment=frame.flow_controlled_length))


def flood(
    client: H2Client,
    burst: Callable[[H2Client, int], bytes],
    *,
    bursts: int,
    between: Callable[[], None],
) -> None:
    """Send `burst(client, number)` until the other side ends it, or `bursts` times.

    `between` is called after every twentieth burst: the place for an innocent client's request.
    """
    for number in range(bursts):
        client.raw(burst(client, number))
        if number % 20 == 0:
            between()
        if client.closed:
            return
