"""The HTTP face of the service: requests in, views out, errors as JSON; it decides nothing.

Everything is driven by the table in `operations`: what is not in it is a 404. Nothing a caller
sends can end the process or show a traceback: sizes and times are bounded, shapes are read
strictly, and what nobody expected is logged and answered as `internal`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route

from seawall import limits
from seawall.api import refusals
from seawall.api.asked import AUTHOR_HEADER, Caller
from seawall.api.codec import from_json, to_json
from seawall.api.errors import UNEXPECTED, error_view, status_of
from seawall.api.handlers import HANDLERS, Call
from seawall.api.operation import NDJSON, Operation, Query
from seawall.api.operations import OPERATIONS
from seawall.api.service import Service
from seawall.api.strangers import introduce
from seawall.api.views import ErrorView
from seawall.errors import NotFoundError, RefusedError, SeawallError, UsageError
from seawall.strict_json import once

LogError = Callable[[str, BaseException], None]
_MOST: Final = 2.0**53
"""Of a number in a query, as of one in JSON; it also refuses what is none."""
LOCAL: Final = Caller("local", local=True)
"""Whoever may open the Unix socket owns the data directory: file permissions are the token."""


def build_app(service: Service, *, needs_token: bool, log_error: LogError) -> Starlette:
    """The app of one listening socket.

    Args:
        service: what does the work.
        needs_token: on for TCP; the Unix socket is protected by its file mode. Node operations
            exist only where no token is needed.
        log_error: told the operation and the exception when something unexpected happens.
    """
    places = asyncio.Semaphore(limits.API_CHECKS_AT_ONCE_MAX)
    routes = [
        Route(
            operation.path,
            _endpoint(service, operation, places, needs_token=needs_token, log_error=log_error),
            methods=[operation.method],
        )
        for operation in OPERATIONS
        if not (needs_token and operation.scope == "node")
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_operation})
    app.router.redirect_slashes = False
    return app


def _endpoint(
    service: Service,
    operation: Operation,
    places: asyncio.Semaphore,
    *,
    needs_token: bool,
    log_error: LogError,
) -> Callable[[Request], Any]:
    handler = HANDLERS[operation.name]
    # Whoever may only read could otherwise have control hold a large body for each connection.
    bounded = operation.scope == "read" and operation.request is not None

    async def endpoint(request: Request) -> Response:
        try:
            caller = await _caller(service, operation, request, needs_token=needs_token)
            author = unquote(request.headers.get(AUTHOR_HEADER, ""))
            caller = replace(caller, author=author) if author else caller
            query = _query(operation, request.query_params)
            async with places if bounded else contextlib.nullcontext():
                body = await _body(operation, request)
                call = Call(caller=caller, path=request.path_params, query=query, body=body)
                return _response(operation, await handler(service, call))
        except SeawallError as error:
            return _json(to_json(error_view(error)), status_of(error))
        except ClientDisconnect:
            return Response(status_code=400)
        except asyncio.CancelledError:  # the server ends, and waits no longer for this
            stopping = refusals.stopping()
            return _json(to_json(error_view(stopping)), status_of(stopping))
        except Exception as error:  # noqa: BLE001 - nothing unexpected may end the process
            log_error(operation.name, error)
            return _json(to_json(UNEXPECTED), 500)

    return endpoint


async def _caller(
    service: Service, operation: Operation, request: Request, *, needs_token: bool
) -> Caller:
    if not needs_token or operation.scope == "open":
        return LOCAL
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    caller = None
    if scheme.lower() == "bearer" and token:
        caller = await service.authenticate(token.strip())
    if caller is None:
        raise UsageError(
            "unauthorized",
            "This request needs a valid API token.",
            remedy="Send `Authorization: Bearer TOKEN`; make one with `seawall token create`.",
        )
    introduce(request)
    if operation.scope not in caller.scopes:
        raise UsageError(
            "forbidden",
            f"The token `{caller.name}` lacks the scope `{operation.scope}`.",
            remedy=f"Make a token with the scope `{operation.scope}`.",
        )
    return caller


def _query(operation: Operation, given: QueryParams) -> Mapping[str, Any]:
    known = {query.name: query for query in operation.query}
    for name in given:
        if name not in known:
            raise UsageError(
                "bad-request",
                f"Unknown query parameter `{name[:80]}`.",
                remedy="Known: " + (", ".join(known) or "none") + ".",
            )
        if len(given.getlist(name)) > 1:
            raise UsageError(
                "bad-request", f"`{name}` is given more than once.", remedy="Send it once."
            )
    return {name: _parameter(query, given.get(name)) for name, query in known.items()}


def _parameter(query: Query, text: str | None) -> int | float | str | None:
    if text is None and not query.required:
        return query.default
    try:
        value = query.kind(text or "")
    except ValueError:
        value = None
    if value is None or (isinstance(value, int | float) and not query.least <= value <= _MOST):
        raise UsageError(
            "bad-request",
            f"`{query.name}` is missing, or not a valid {query.kind.__name__}.",
            remedy=query.doc,
        )
    return value


async def _body(operation: Operation, request: Request) -> Any:
    if operation.request is None:
        return None
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise UsageError(
            "not-json", f"The body is {kind[:80]!r}, not JSON.", remedy="Send application/json."
        )
    raw = await _read_body(request, operation.body_size_bytes_max)
    try:
        value = json.loads(raw, parse_constant=_no_constant, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            "bad-request",
            f"The body is not valid JSON: {str(error)[:200]}.",
            remedy="Send one JSON object in UTF-8.",
        ) from error
    return from_json(operation.request, value)


async def _read_body(request: Request, size_bytes_max: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(limits.API_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > size_bytes_max:
                    raise RefusedError(
                        "body-too-large",
                        f"The body is larger than {size_bytes_max} bytes.",
                        remedy="Send less data, or split the configuration.",
                    )
    except TimeoutError as error:
        raise UsageError(
            "body-timeout",
            f"The body did not arrive within {limits.API_BODY_TIMEOUT_S:.0f} s.",
            remedy="Try again over a faster connection.",
        ) from error
    return bytes(body)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _response(operation: Operation, result: Any) -> Response:
    if isinstance(result, Response):
        return result
    if operation.media == NDJSON:
        return StreamingResponse(_lines(result), media_type=NDJSON)
    if isinstance(result, bytes):
        return Response(result, media_type=operation.media)
    if result is None:
        return Response(status_code=204)
    return _json(to_json(result), operation.status)


async def _lines(events: AsyncIterator[object]) -> AsyncIterator[bytes]:
    async for event in events:
        yield json.dumps(to_json(event)).encode() + b"\n"


def _json(value: Any, status: int) -> Response:
    # ASCII only: a lone surrogate that a caller sent and is told again cannot be UTF-8.
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if status == 401:  # noqa: PLR2004 - HTTP status
        headers["www-authenticate"] = "Bearer"
    return Response(json.dumps(value), status, headers, media_type="application/json")


def _methods_at(request: Request) -> set[str]:
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


async def _no_such_operation(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:  # noqa: PLR2004 - HTTP status
        view = ErrorView(
            "method-not-allowed",
            f"{request.method[:20]} is not possible on {request.url.path[:200]}.",
            "The operations are in /v1/openapi.json.",
        )
        answer = _json(to_json(view), status)
        answer.headers["allow"] = ", ".join(sorted(_methods_at(request)))
        return answer
    missing = NotFoundError(
        "no-such-operation",
        f"There is nothing at {request.url.path[:200]}.",
        remedy="The operations are in /v1/openapi.json.",
    )
    return _json(to_json(error_view(missing)), status)
