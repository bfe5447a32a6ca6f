"""uvicorn as Seawall runs it: on sockets given to it, without its signal handlers, and bounded.

uvicorn has no bound on how slowly a request head may arrive; `BoundedProtocol` adds it. One server
stands on one socket, so that the Unix socket (no token), TCP (token) and the nodes' port
(certificates) can never be confused.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from seawall import limits
from seawall.api.crowded import Crowded
from seawall.api.views import ErrorView
from seawall.tasks import set_within

_TICK_S: Final = 1.0
"""Of the clock that answers are dated by: a date has whole seconds."""


def _no_http() -> bytes:
    view = ErrorView(
        "bad-request",
        "The request is not valid HTTP/1.1, or its head is too large.",
        "Send it with an HTTP library, or with `curl`.",
    )
    body = json.dumps(asdict(view)).encode()
    head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
    return f"HTTP/1.1 400 Bad Request\r\n{head}\r\n\r\n".encode() + body


_NO_HTTP: Final = _no_http()


class ApiServer(uvicorn.Server):
    """One listening socket and one app.

    Args:
        app: what answers.
        protocol: what speaks HTTP on each connection.
        tls: makes every connection TLS.
        connections_max: more are answered 503.
        orders_max: of what is urgent, this many at once are answered all the same (see `crowded`).
        counted: how many connections count towards `connections_max`; all of them if not given.
            Looked at only with `orders_max`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        protocol: type[asyncio.Protocol] | None = None,
        tls: ssl.SSLContext | None = None,
        connections_max: int = limits.API_CONNECTIONS_MAX,
        orders_max: int = 0,
        counted: Callable[[], int] | None = None,
    ) -> None:
        if orders_max:
            app = Crowded(
                app,
                counted or (lambda: len(self.server_state.connections)),
                connections_max=connections_max,
                orders_max=orders_max,
            )
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol or BoundedProtocol,
                ssl_context_factory=None if tls is None else (lambda _config, _default: tls),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=limits.API_KEEP_ALIVE_S,
                timeout_graceful_shutdown=limits.API_SHUTDOWN_TIMEOUT_S,
                limit_concurrency=None if orders_max else connections_max,
            )
        )
        self._told_to_end = asyncio.Event()

    async def main_loop(self) -> None:
        """Tick until told to end; uvicorn's own looks ten times a second whether it was told."""
        while not await self.on_tick(0):
            await set_within(self._told_to_end, _TICK_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process that runs this server, not to the server."""
        yield

    async def run_on(self, listener: socket.socket) -> None:
        """Serve on `listener` until cancelled; then end requests in flight and close it."""
        serving = asyncio.ensure_future(self.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            self._told_to_end.set()
            await serving
            raise


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with a deadline on the request head."""

    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        was_idle = self._awaits_head() and self._head_deadline is None
        super().data_received(data)
        if not self._awaits_head():
            self._head_came()
        elif was_idle:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._head_came()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        """What is no HTTP is told so as JSON too, and the connection ends."""
        if self._awaits_head():  # otherwise it would stand in the middle of an answer
            self.transport.write(_NO_HTTP)
        self.transport.close()

    def tell(self, key: str, value: object) -> None:
        """Let the app find `value` under `key` in the scope of every request."""
        app = cast("ASGIApp", self.app)

        async def told(scope: Scope, receive: Receive, send: Send) -> None:
            scope[key] = value
            await app(scope, receive, send)

        self.app = told

    def _awaits_head(self) -> bool:
        cycle = cast("Any", self.cycle)
        return cycle is None or bool(cycle.response_complete)

    def _expect_head(self) -> None:
        self._head_deadline = self.loop.call_later(
            limits.API_HEADER_TIMEOUT_S, self.transport.abort
        )

    def _head_came(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
