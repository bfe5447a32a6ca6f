"""HTTP to one control process, for the commands: a connection for each request.

A command is over in half a second, and importing a full HTTP library would be a third of that; so
the standard library speaks here. It knows nothing of what is asked. What can go wrong is told apart
in three ways: nobody listens, no answer came in time, the connection broke.
"""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from urllib.parse import urlencode, urlsplit

_ERROR_STATUS_MIN: Final = 400
_HEADERS: Final = {"content-type": "application/json", "connection": "close"}


class NobodyListensError(Exception):
    """No connection could be made."""


class SilentError(Exception):
    """No answer came in time."""


class BrokenError(Exception):
    """The connection broke, or what came was no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body)


class Session:
    """Where requests go.

    Args:
        connection: not connected; it is, for the time of a request.
        prefix: before every path.
        headers: sent with every request.
    """

    def __init__(
        self, connection: http.client.HTTPConnection, prefix: str, headers: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._headers = dict(headers)

    def say_always(self, header: str, value: str) -> None:
        """Send this header, too, with every request from now on."""
        self._headers[header] = value

    @classmethod
    def over_unix_socket(cls, path: str) -> "Session":
        """To a Unix socket."""
        return cls(_UnixConnection(path), "", {})

    @classmethod
    def over_tcp(cls, url: str, headers: Mapping[str, str]) -> "Session":
        """To `http://HOST:PORT` or `https://HOST:PORT`, the certificate verified.

        Raises:
            ValueError: the URL makes no sense.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not _is_name(parts.hostname):
            raise ValueError(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            import ssl  # noqa: PLC0415 - most commands talk over a Unix socket

            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port)
        return cls(connection, parts.path.rstrip("/"), headers)

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request and its whole answer.

        Raises:
            NobodyListensError: no connection could be made.
            SilentError: no answer came in time.
            BrokenError: the connection broke.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        with self._asked(method, target, body, timeout_s) as response:
            return Answer(response.status, response.read())

    def begin(
        self, method: str, path: str, body: bytes, *, timeout_s: float, silence_s: float
    ) -> "Sent":
        """Send one request; its answer is read line by line, later.

        Raises:
            NobodyListensError: no connection could be made.
            SilentError: it was not taken in time.
            BrokenError: the connection broke.
        """
        with ExitStack() as stack:
            self._ask(stack, method, path, body, timeout_s=timeout_s, silence_s=silence_s)
            return Sent(self._connection, stack.pop_all())

    @contextmanager
    def _asked(
        self, method: str, target: str, body: bytes | None, timeout_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        with ExitStack() as stack:
            self._ask(stack, method, target, body, timeout_s=timeout_s, silence_s=timeout_s)
            with _told_apart():
                yield stack.enter_context(self._connection.getresponse())

    def _ask(
        self,
        stack: ExitStack,
        method: str,
        target: str,
        body: bytes | None,
        *,
        timeout_s: float,
        silence_s: float,
    ) -> None:
        """Connect and send a request; the connection is closed with `stack`."""
        connection = self._connection
        connection.timeout = timeout_s
        stack.callback(connection.close)
        with _told_apart():
            _connect(connection)
            connection.sock.settimeout(silence_s)
            headers = {**self._headers, **_HEADERS}
            connection.request(method, self._prefix + target, body=body, headers=headers)


class Sent:
    """A request that is on its way.

    Args:
        connection: that it was sent over.
        stack: holds the connection.
    """

    def __init__(self, connection: http.client.HTTPConnection, stack: ExitStack) -> None:
        self._connection = connection
        self._stack = stack

    @contextmanager
    def lines(self) -> Iterator[tuple[Answer, Iterator[str]]]:
        """The answer, whose body is empty unless it is an error, and its lines.

        Raises:
            SilentError: nothing came in the time that it was given.
            BrokenError: the connection broke.
        """
        with self._stack, _told_apart():
            response = self._stack.enter_context(self._connection.getresponse())
            failed = response.status >= _ERROR_STATUS_MIN
            answer = Answer(response.status, response.read() if failed else b"")
            yield answer, (line.decode("utf-8", "replace").rstrip("\r\n") for line in response)


@contextmanager
def _told_apart() -> Iterator[None]:
    """What goes wrong in the block, in our words."""
    try:
        yield
    except TimeoutError as error:
        raise SilentError from error
    except (OSError, http.client.HTTPException) as error:
        raise BrokenError(str(error)) from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("seawall")
        self._path = path

    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self.timeout)
            made.connect(self._path)
        except BaseException:
            made.close()
            raise
        self.sock = made


def _is_name(host: str | None) -> TypeGuard[str]:
    """Whether a host can be looked up at all: `getaddrinfo` raises no `OSError` for others."""
    try:
        return bool(host and host.encode("idna"))
    except UnicodeError:
        return False


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except TimeoutError:
        raise
    except OSError as error:
        raise NobodyListensError(str(error)) from error
