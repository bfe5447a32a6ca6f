"""Asks one sacrificial Envoy, one request after another, over its Unix sockets.

One at a time on purpose: then the processor time that passes in that Envoy between question and
answer is that request's own. Connections are kept by host, since a TLS handshake costs more than a
request. Answers are bounded in time and size; whatever comes back is data, never an exception.
"""

import asyncio
import ipaddress
import ssl
import zlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.compiler.domains import server_name
from seawall.gate.probes import Probe
from seawall.gate.rewrite import MARK
from seawall.sockets import short_path

_CONNECTIONS_MAX: Final = 64
_BODILESS: Final = frozenset({204, 304})
_INFORMATIONAL_MAX: Final = 199
_VOLATILE: Final = frozenset(
    {"date", "x-request-id", "x-envoy-upstream-service-time", "content-length", "server-timing"}
)
"""Response headers that differ between two answers to one request."""


class Failure(StrEnum):
    """Why there is no answer."""

    NONE = ""
    NOT_ASKED = "not asked"
    NOT_SERVED = "nothing listens for it"
    TIMED_OUT = "no answer in time"
    CLOSED = "the connection was closed without an answer"
    NO_TLS = "the TLS handshake was refused"
    GARBLED = "the reply is not valid HTTP"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        headers: sorted, without those that differ each time.
        contains: the body holds what the probe wants; true when it wants nothing.
        cpu_s: processor time of the Envoy meanwhile.
        route: the route that decided; empty when none did, or it is not known.
        cluster: the origin chosen.
        arrived: method, host and path as the origin saw them; empty when it saw nothing.
        bots: what the bot filter decided; empty when it did not look.
    """

    failure: Failure = Failure.NONE
    status: int = 0
    location: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    contains: bool = True
    cpu_s: float = 0.0
    route: str = ""
    cluster: str = ""
    arrived: str = ""
    bots: str = ""


class _NoTlsError(Exception):
    """What listens closed the connection in the handshake: it has no certificate for the name."""


class Asker:
    """A client of one sacrificial Envoy. Use `close` at the end.

    Args:
        directory: of the Envoy.
        sockets: names of its sockets by scheme.
        timeout_s: for one answer.

    Attributes:
        timeout_s: as given.
        met: whether a connection was ever opened; a stranger may be refused in its handshake.
    """

    def __init__(self, directory: Path, sockets: dict[str, str], timeout_s: float) -> None:
        self._directory = directory
        self._sockets = sockets
        self.timeout_s = timeout_s
        self.met = False
        self._open: OrderedDict[tuple[bool, str, str], _Connection] = OrderedDict()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._tls.set_alpn_protocols(["http/1.1"])

    @property
    def schemes(self) -> tuple[str, ...]:
        """What the Envoy is served over."""
        return tuple(self._sockets)

    @property
    def may_answer(self) -> bool:
        """Whether the Envoy has begun to listen; costs far less than to ask."""
        return any((self._directory / name).exists() for name in self._sockets.values())

    async def ask(self, probe: Probe, mark: str) -> Answer:
        """Ask once; a kept connection that was closed meanwhile is opened anew."""
        scheme = "https" if probe.https else "http"
        if scheme not in self._sockets:
            return Answer(Failure.NOT_SERVED)
        key = (probe.https, probe.host if probe.https else "", probe.client)
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = self._open.pop(key, None)
                if connection is not None and connection.reader.at_eof():
                    connection.close()
                    connection = None
                if connection is None:
                    connection = await self._connect(scheme, probe)
                self._open[key] = connection  # the newest stands last
                answer, keep = await connection.ask(probe, mark)
        except TimeoutError:
            self._drop(key)
            return Answer(Failure.TIMED_OUT)
        except (ValueError, zlib.error):
            self._drop(key)
            return Answer(Failure.GARBLED)
        except _NoTlsError:
            return Answer(Failure.NO_TLS)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self._drop(key)
            return Answer(Failure.CLOSED)
        if not keep:
            self._drop(key)
        while len(self._open) > _CONNECTIONS_MAX:
            self._open.popitem(last=False)[1].close()
        return answer

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _drop(self, key: tuple[bool, str, str]) -> None:
        if (connection := self._open.pop(key, None)) is not None:
            connection.close()

    async def _connect(self, scheme: str, probe: Probe) -> "_Connection":
        with short_path(self._directory / self._sockets[scheme]) as path:
            reader, writer = await asyncio.open_unix_connection(
                path, limit=limits.TASTER_ANSWER_SIZE_BYTES_MAX
            )
        self.met = True
        connection = _Connection(reader, writer)
        try:
            writer.write(_proxy_line(probe.client))
            if probe.https:
                await writer.start_tls(self._tls, server_hostname=server_name(probe.host))
        except OSError as error:
            connection.close()
            raise _NoTlsError from error
        except BaseException:
            connection.close()
            raise
        return connection


def _proxy_line(client: str) -> bytes:
    if not client:
        return b"PROXY UNKNOWN\r\n"
    try:
        version = ipaddress.ip_address(client).version
    except ValueError:
        client, version = "127.0.0.1", 4
    local, family = ("127.0.0.1", "TCP4") if version == 4 else ("::1", "TCP6")  # noqa: PLR2004 - IPv4
    return f"PROXY {family} {client} {local} 1 1\r\n".encode()


class _Connection:
    """One HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    def close(self) -> None:
        with suppress(RuntimeError):  # the loop is already closed
            self._writer.transport.abort()

    async def ask(self, probe: Probe, mark: str) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be used again."""
        head = {"host": probe.host, MARK: mark, "accept": "*/*", **dict(probe.headers)}
        lines = [f"{probe.method} {probe.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        self._writer.write("\r\n".join((*lines, "", "")).encode("utf-8"))
        status, headers = await self._head()
        while status <= _INFORMATIONAL_MAX:
            status, headers = await self._head()
        found = dict(headers)
        body, keep = b"", True
        if probe.method != "HEAD" and status not in _BODILESS:
            body, keep = await self._body(found)
        text = _plain(body, found.get("content-encoding", ""))
        answer = Answer(
            status=status,
            location=found.get("location", ""),
            headers=tuple(sorted(pair for pair in headers if pair[0] not in _VOLATILE)),
            contains=probe.contains.encode() in text,
        )
        return answer, keep and found.get("connection", "").lower() != "close"

    async def _head(self) -> tuple[int, list[tuple[str, str]]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        status = int(first.split(" ", 2)[1])
        pairs = (line.partition(":") for line in lines)
        return status, [(name.strip().lower(), value.strip()) for name, _, value in pairs]

    async def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks(), True
        if (length := headers.get("content-length")) is not None:
            size = int(length)
            if not 0 <= size <= limits.TASTER_ANSWER_SIZE_BYTES_MAX:
                return await self.reader.read(limits.TASTER_ANSWER_SIZE_BYTES_MAX), False
            return await self.reader.readexactly(size), True
        return await self.reader.read(limits.TASTER_ANSWER_SIZE_BYTES_MAX), False

    async def _chunks(self) -> bytes:
        body = b""
        while size := int((await self.reader.readline()).partition(b";")[0], 16):
            if len(body) + size > limits.TASTER_ANSWER_SIZE_BYTES_MAX:
                raise ValueError
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body


def _plain(body: bytes, coding: str) -> bytes:
    """The body without gzip; other codings are only used by clients that ask for them."""
    if coding != "gzip" or not body:
        return body
    return zlib.decompressobj(wbits=31).decompress(body, limits.TASTER_ANSWER_SIZE_BYTES_MAX)
