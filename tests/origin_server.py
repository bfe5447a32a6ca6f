"""A scriptable HTTP/1.1 origin that keeps the exact bytes it was sent.

It reads strictly by RFC 9112: only CRLF ends a line, a bare LF or a lone CR in a head is noted in
`malformed`, and so is anything left over that is no request. A request smuggled past the edge
thus shows up either as an extra entry of `requests` or as an entry of `malformed`. A request whose
body ended early with the connection is in `aborted`: nothing was served, so nothing was smuggled.
It runs in a thread of its own, so plain tests can use it beside blocking clients.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

Answer = Callable[["OriginRequest"], "bytes | Awaitable[bytes]"]
HEAD_SIZE_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True)
class OriginRequest:
    """One request as it came in; header names as sent, values stripped."""

    head: bytes
    body: bytes

    @property
    def method(self) -> bytes:
        return self.head.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]

    def values(self, name: str) -> list[bytes]:
        """All values of the header `name`."""
        found = []
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                found.append(value.strip())
        return found

    @property
    def names(self) -> set[str]:
        """Lower-case names of all headers."""
        lines = self.head.split(b"\r\n")[1:]
        return {line.partition(b":")[0].decode("latin-1").lower() for line in lines if line}


def ok(body: bytes = b"ok", *, status: str = "200 OK", headers: bytes = b"") -> bytes:
    """A complete answer. `headers` are whole lines, each with its CRLF."""
    head = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n" % (status.encode(), len(body))
    return head + headers + b"\r\n" + body


class Origin:
    """The server. Set `answer` to change what it says; it may be a coroutine function.

    An answer of `b""` closes the connection without a word.
    """

    def __init__(self, answer: Answer | None = None, *, port: int = 0) -> None:
        self.answer: Answer = answer or (lambda _: ok())
        self.requests: list[OriginRequest] = []
        self.connections: list[bytearray] = []
        self.malformed: list[bytes] = []
        self.aborted: list[bytes] = []
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10), "the origin did not start"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        handlers: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            handlers.add(task)
            try:
                await self._connection(reader, writer)
            except asyncio.CancelledError:
                pass  # the end of the test; asyncio.streams would report it as an error
            finally:
                handlers.discard(task)
                writer.close()

        server = await asyncio.start_server(
            accept, "127.0.0.1", self.port, limit=HEAD_SIZE_BYTES_MAX
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*list(handlers), return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = bytearray()
        self.connections.append(seen)
        with contextlib.suppress(ConnectionError):
            while (request := await self._request(reader, seen)) is not None:
                self.requests.append(request)
                answer = self.answer(request)
                data = answer if isinstance(answer, bytes) else await answer
                if not data:
                    return
                writer.write(data)
                await writer.drain()

    async def _request(self, reader: asyncio.StreamReader, seen: bytearray) -> OriginRequest | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            seen += error.partial
            if error.partial:
                self.malformed.append(error.partial)
            return None
        seen += head
        lines = head[:-4].split(b"\r\n")
        if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
            self.malformed.append(head)
        request = OriginRequest(head[:-4], b"")
        lengths, codings = request.values("content-length"), request.values("transfer-encoding")
        if len(lengths) + len(codings) > 1 or len(lines[0].split(b" ")) != 3:
            self.malformed.append(head)
        try:
            body = await self._body(reader, seen, lengths, codings)
        except asyncio.IncompleteReadError:
            self.aborted.append(head)
            return None
        except ValueError as error:
            self.malformed.append(head + b" body: " + repr(error).encode())
            return None
        return OriginRequest(head[:-4], body)

    @staticmethod
    async def _body(
        reader: asyncio.StreamReader,
        seen: bytearray,
        lengths: list[bytes],
        codings: list[bytes],
    ) -> bytes:
        if lengths:
            body = await reader.readexactly(int(lengths[0]))
            seen += body
            return body
        body = b""
        while codings:
            line = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(line[:-2], 16) + 2)
            seen += line + chunk
            if chunk[-2:] != b"\r\n":
                raise ValueError("chunk without CRLF")
            body += chunk[:-2]
            if len(chunk) == 2:
                break
        return body
