"""The challenge service over HTTP: a thin shell around `opening` and `passing`.

`challenge_routes` is mounted by the node's bot service. Envoy alone can reach its socket. The page
for a challenge is asked for inside (`/internal/challenge`, never routed from outside); everything
under `/.well-known/seawall/challenge/` is public. On both, Envoy says who asks in `x-seawall-*`
headers, which it takes off what clients send. A request without them is nobody's and gets 400.

A fault answers 500 and grants nothing.
"""

import re
import traceback
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from seawall.challenge.assets import Assets, load
from seawall.challenge.binding import Bound, bound_host
from seawall.challenge.desk import Client, Counter, Desk, Tools
from seawall.challenge.ladder import wanted_level
from seawall.challenge.opening import Asked, open_challenge
from seawall.challenge.page import PLACE
from seawall.challenge.passing import Return, refresh, solve
from seawall.challenge.reply import Reply, problem
from seawall.challenge.signed import style_proof
from seawall.limits import (
    CHALLENGE_ANSWER_SIZE_BYTES_MAX,
    CHALLENGE_FORM_SIZE_BYTES_MAX,
    CHALLENGE_QUERY_SIZE_BYTES_MAX,
)

INTERNAL: Final = "/internal/challenge"
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16}", re.ASCII)
_FRAMES_LOGGED: Final = 6
_log: Final = structlog.get_logger("seawall.challenge")

_Handler = Callable[[Counter, Request], Awaitable[Reply]]


def challenge_routes(tools: Tools) -> list[Route]:
    """The routes of the challenge service, for one process."""
    desk = Desk(tools)
    assets = load()
    routes = [
        Route(INTERNAL, _guarded(desk, _Opener(assets)), methods=["POST"]),
        Route(f"{PLACE}solve", _guarded(desk, _solve), methods=["POST"]),
        Route(f"{PLACE}refresh", _guarded(desk, _refresh), methods=["GET", "POST"]),
        Route(f"{PLACE}style.css", _guarded(desk, _Styler(assets)), methods=["GET"]),
    ]
    return routes + [
        Route(PLACE + name, _guarded(desk, _Sender(assets, name)), methods=["GET"])
        for name in ("script.js", "worker.js", "argon2.umd.min.js")
    ]


def client_of(request: Request) -> Client | None:
    """Who asks, by Envoy's headers; None when one is missing or makes no sense."""
    said = request.headers
    host = said.get("x-seawall-host", "")
    scheme = said.get("x-seawall-scheme", "")
    bound = Bound(
        host=bound_host(host),
        prefix=said.get("x-seawall-prefix", ""),
        ja4=said.get("x-seawall-ja4", ""),
    )
    if bound.text() is None or scheme not in {"http", "https"}:
        return None
    return Client(
        bound=bound,
        host=host,
        scheme=scheme,
        cookies="; ".join(said.getlist("cookie")),
        language=said.get("accept-language", ""),
    )


def _guarded(desk: Desk, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    """A handler for known clients only, whose faults grant nothing."""

    async def handle(request: Request) -> Response:
        try:
            client = client_of(request)
            if len(request.scope["query_string"]) > CHALLENGE_QUERY_SIZE_BYTES_MAX:
                # Before anything parses it: a long one holds up everybody else.
                reply = problem(414, "challenge-query-size", "The query is too large.")
            elif client is None:
                reply = problem(400, "challenge-unknown-client", "Envoy's headers are missing.")
            else:
                counter = desk.counter(client)
                if counter is None:
                    reply = _unknown_host(request)
                else:
                    reply = await handler(counter, request)
        except ClientDisconnect:
            reply = problem(400, "challenge-body", "The body did not arrive.")
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not grant
            # No local values: among them are visitors' cookies and fresh clearances.
            where = traceback.format_tb(error.__traceback__)[-_FRAMES_LOGGED:]
            _log.error("challenge-fault", kind=type(error).__name__, where="".join(where))
            reply = problem(500, "challenge-fault", "The challenge could not be decided.")
        return _response(reply)

    return handle


def _unknown_host(request: Request) -> Reply:
    # Inside it is a fault: Envoy shall do what the policy says of a service that is down.
    status = 503 if request.url.path == INTERNAL else 404
    return problem(status, "challenge-unknown-host", "No challenge for this host.")


class _Opener:
    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def __call__(self, counter: Counter, request: Request) -> Reply:
        said = request.headers
        body = await _body(request, CHALLENGE_FORM_SIZE_BYTES_MAX)
        if not body and said.get("content-type") and said.get("x-seawall-body") != "whole":
            body = None  # left out on the way: nothing may be sent again as if it were all
        asked = Asked(
            client=counter.client,
            method=said.get("x-seawall-method", "GET").upper(),
            path=_as_sent(said.get("x-seawall-path", "/")),
            wanted=wanted_level(said.get("x-seawall-level", "")),
            request_id=said.get("x-seawall-request-id", ""),
            content_type=said.get("content-type", ""),
            origin=said.get("origin", ""),
            fetch_site=said.get("sec-fetch-site", ""),
            body=body,
        )
        return open_challenge(counter, asked, self._assets)


async def _solve(counter: Counter, request: Request) -> Reply:
    # Another site's page cannot send this type without asking first (Fetch, CORS preflight).
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return problem(415, "challenge-answer-type", "An answer is application/json.")
    body = await _body(request, CHALLENGE_ANSWER_SIZE_BYTES_MAX)
    if body is None:
        return problem(413, "challenge-answer-size", "The answer is too large.")
    return solve(counter, body)


async def _refresh(counter: Counter, request: Request) -> Reply:
    said = request.headers
    back = Return(
        text=request.query_params.get("c", ""),
        method=request.method,
        content_type=said.get("content-type", ""),
        origin=said.get("origin", ""),
        fetch_site=said.get("sec-fetch-site", ""),
        body=await _body(request, CHALLENGE_FORM_SIZE_BYTES_MAX),
        request_id=said.get("x-request-id", ""),
    )
    return refresh(counter, back)


class _Styler:
    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def __call__(self, counter: Counter, request: Request) -> Reply:
        nonce = request.query_params.get("c", "")
        if not _NONCE.fullmatch(nonce):
            return problem(404, "challenge-style", "No style sheet without a challenge.")
        body = self._assets.style(style_proof(nonce, counter.policy.keys))
        headers = (
            ("content-type", "text/css; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-robots-tag", "noindex"),
            ("x-content-type-options", "nosniff"),
        )
        return Reply(200, headers, body)


class _Sender:
    def __init__(self, assets: Assets, name: str) -> None:
        self._asset = assets.files[name]

    async def __call__(self, counter: Counter, request: Request) -> Reply:  # noqa: ARG002 - one shape
        compressed = "gzip" in request.headers.get("accept-encoding", "").lower()
        body = self._asset.compressed if compressed else self._asset.body
        return Reply(200, tuple(self._asset.headers(compressed=compressed)), body)


async def _body(request: Request, size_bytes_max: int) -> bytes | None:
    """The whole body; None when it is larger. What is too large is read no further."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > size_bytes_max:
            return None
        parts.append(part)
    return b"".join(parts)


def _as_sent(value: str) -> str:
    """A header as UTF-8 where it is that: header bytes are read as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _response(reply: Reply) -> Response:
    response = Response(reply.body, status_code=reply.status)
    for name, value in reply.headers:
        response.headers.append(name, value)
    return response
