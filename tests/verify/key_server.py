"""A real https server on loopback that serves one path, well or badly."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from seawall.verify.agent_url import WELL_KNOWN
from seawall.verify.directory import MEDIA_TYPE
from tls_material import TlsAuthority


@dataclass
class KeyServer:
    """What is answered; changed by tests while it runs.

    Attributes:
        raw: bytes to answer instead of a proper response.
        hold: answers wait until it is set.
        heads: request heads as they came.
    """

    body: bytes = b'{"keys": []}'
    status: str = "200 OK"
    kind: str = MEDIA_TYPE
    headers: str = ""
    raw: bytes | None = None
    silent: bool = False
    hold: asyncio.Event | None = None
    heads: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def local(self) -> str:
        return f"keys.test:{self.port}"

    @property
    def origin(self) -> str:
        return f"https://{self.local}"

    @property
    def url(self) -> str:
        return self.origin + WELL_KNOWN

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            self.asked.set()
            if self.hold is not None:
                await self.hold.wait()
            if self.silent:
                await reader.read()
            writer.write(self.raw if self.raw is not None else self._response())
            await writer.drain()
        writer.close()

    def _response(self) -> bytes:
        head = (
            f"HTTP/1.1 {self.status}\r\ncontent-type: {self.kind}\r\n{self.headers}"
            f"content-length: {len(self.body)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + self.body


@contextlib.asynccontextmanager
async def serving(
    server: KeyServer,
    folder: Path,
    *,
    names: tuple[str, ...] = ("keys.test",),
) -> AsyncIterator[Callable[[], ssl.SSLContext]]:
    """Serve until left; gives what makes a client context that trusts the server."""
    made = TlsAuthority()
    chain, key = made.issue(*names)
    (folder / "leaf.pem").write_bytes(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield made.client
    finally:
        listening.close()
        await listening.wait_closed()
