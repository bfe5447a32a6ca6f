"""A small front that stands for Envoy: real sockets, `token.check`, and the service behind it.

It takes `x-seawall-*` off what clients send, sets its own, relays the reserved prefix to the
service's Unix socket, serves a protected page to whoever has a clearance, and asks for a challenge
for all others.
"""

import asyncio
import html
import os
import queue
import threading
from collections import Counter as Tally
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from challenge.lua_clearance import KEYS
from seawall.challenge.app import INTERNAL, challenge_routes
from seawall.challenge.binding import Bound
from seawall.challenge.cookies import Jar, values
from seawall.challenge.desk import Tools
from seawall.challenge.policy import ChallengePolicy
from seawall.challenge.pool import Allowance, KernelPool
from seawall.challenge.puzzle import make_kernel
from seawall.challenge.reply import Outcome
from seawall.challenge.spent import SpentSet
from seawall.challenge.token import Clearance, check
from seawall.clock import SystemClock

POLICY = ChallengePolicy(KEYS, epoch=7, contact="mailto:help@shop.example")
PREFIX = "127.0.0.0/24"
JA4 = "t13d15h2_8daaf6152771"


@dataclass(frozen=True)
class Served:
    """One answer of the front."""

    method: str
    path: str
    status: int
    body: bytes = b""


class _Server(uvicorn.Server):
    """A server that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class HeldClock(SystemClock):
    """The machine's clock, which a test can hold: then nobody has waited long enough."""

    held_s: float | None = None

    def now_s(self) -> float:
        return super().now_s() if self.held_s is None else self.held_s


@dataclass
class Front:
    """The front and the service, each a real server, in one thread with a loop of its own."""

    directory: Path
    wanted: int = 1
    tls: tuple[str, str] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    served: "queue.Queue[Served]" = field(default_factory=queue.Queue)
    clock: HeldClock = field(default_factory=HeldClock)
    counts: Tally[str] = field(default_factory=Tally)

    def __enter__(self) -> Self:
        self.pool = KernelPool(lambda: make_kernel(os.urandom), size=8)
        self.pool.start()
        self.tools = Tools(
            clock=self.clock,
            random_bytes=os.urandom,
            policy_of=lambda _: POLICY,
            kernels=self.pool,
            spent=SpentSet(1_000),
            allowance=Allowance(SystemClock()),
            observer=self.outcomes.append,
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.should_exit = True
        self._thread.join()
        self.pool.stop()

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    def url(self, path: str = "/") -> str:
        return f"{self.scheme}://localhost:{self.port}{path}"

    def wait_for(self, path: str, status: int) -> Served:
        """The next answer for `path` with `status`; fails when it does not come."""
        while True:
            found = self.served.get(timeout=40)
            if found.path.partition("?")[0] == path and found.status == status:
                return found

    async def _run(self) -> None:
        socket = self.directory / "bots.sock"
        self._service = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)),
            base_url="http://bots",
            # A proxy keeps no cookies of its own.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        service = Starlette(routes=challenge_routes(self.tools))
        everything = ["GET", "POST", "HEAD"]
        front = Starlette(routes=[Route("/{path:path}", self._serve, methods=everything)])
        quiet: dict[str, Any] = {"log_config": None, "lifespan": "off"}
        tls = dict(zip(("ssl_certfile", "ssl_keyfile"), self.tls, strict=True)) if self.tls else {}
        self._servers = [
            _Server(uvicorn.Config(service, uds=str(socket), **quiet)),
            _Server(uvicorn.Config(front, host="127.0.0.1", port=0, **quiet, **tls)),
        ]
        async with asyncio.TaskGroup() as group:
            for server in self._servers:
                group.create_task(server._serve())
            for server in self._servers:
                await server.up.wait()
            self.port = self._servers[1].servers[0].sockets[0].getsockname()[1]
            self._ready.set()
        await self._service.aclose()

    async def _serve(self, request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = await request.body()
        mine = {
            "x-seawall-host": request.headers["host"],
            "x-seawall-scheme": self.scheme,
            "x-seawall-prefix": PREFIX,
            "x-seawall-ja4": JA4 if self.tls else "-",
        }
        if path.startswith("/.well-known/seawall/"):
            response = await self._relay(request, request.method, path, body, mine)
        elif self._level(request) >= self.wanted:
            said = f"{request.method} {path}\n{body.decode()}"
            shown = f"<h1>Protected</h1><pre>{html.escape(said)}</pre>"
            response = HTMLResponse(f"<!doctype html><title>Protected</title>{shown}")
        else:
            self.counts["challenged"] += 1
            asked = {
                "x-seawall-method": request.method,
                "x-seawall-path": path,
                "x-seawall-body": "whole",
                "x-seawall-level": str(self.wanted),
                "x-seawall-request-id": f"3f1c2a70-0000-4000-8000-{self.counts['challenged']:012d}",
            }
            response = await self._relay(request, "POST", INTERNAL, body, mine | asked)
        self.served.put(Served(request.method, path, response.status_code, body))
        return response

    def _level(self, request: Request) -> int:
        bound = Bound(request.headers["host"], PREFIX, JA4 if self.tls else "-")
        name = Jar(secure=self.tls is not None).clearance
        for text in values(request.headers.get("cookie", ""), name):
            found = check(text, KEYS, bound, epoch=POLICY.epoch, now_s=SystemClock().now_s())
            if isinstance(found, Clearance):
                return found.level
        return 0

    async def _relay(
        self, request: Request, method: str, path: str, body: bytes, extra: dict[str, str]
    ) -> Response:
        kept = {
            name: value
            for name, value in request.headers.items()
            if not name.startswith("x-seawall-") and name not in {"host", "content-length"}
        }
        answer = await self._service.send(
            self._service.build_request(method, path, headers=kept | extra, content=body),
            stream=True,
        )
        raw = b"".join([part async for part in answer.aiter_raw()])
        await answer.aclose()
        response = Response(raw, status_code=answer.status_code)
        for name, value in answer.headers.multi_items():
            if name not in {"content-length", "date", "server"}:
                response.headers.append(name, value)
        return response
