"""`ControlPort` over HTTP: how the node process reaches control, through control's Unix socket.

Control may be away, starting, hung or half written to disk: every such case is an
`UnreachableError`, and the node serves on. Answers are bounded and read leniently, because the
control process may be newer than the node.
"""

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from seawall import limits
from seawall.api.codec import from_json, to_json
from seawall.api.views import ErrorView
from seawall.errors import NotFoundError, SeawallError, UnreachableError
from seawall.ids import Digest, Generation, NodeName
from seawall.rollout.ports import Assignment, NodeReport
from seawall.sockets import short_path

_TIMEOUT_S: Final = 10.0
_POLL_SLACK_S: Final = 5.0
"""On top of a long poll's own wait: control answers within milliseconds of its end."""
_SMALL_ANSWER_SIZE_BYTES_MAX: Final = 64 * limits.KIB
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404


class HttpControl:
    """Asks the control process that owns `control_socket`; connects anew when it must.

    Use as an async context manager, or close it with `aclose`.
    """

    def __init__(self, control_socket: Path) -> None:
        self._socket = control_socket
        self._stack = ExitStack()
        self._http: httpx.AsyncClient | None = None

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | None:
        """See `ControlPort.assignment`."""
        query: dict[str, str | int | float] = {"known": known, "wait_s": wait_s}
        path = f"/v1/node/{node}/assignment"
        async with self._answer("GET", path, params=query, read_s=wait_s + _POLL_SLACK_S) as answer:
            if answer.status_code == _NO_CONTENT:
                return None
            return from_json(Assignment, await _json(answer), strict=False)

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`."""
        async with self._answer("GET", f"/v1/node/bundles/{digest}") as answer:
            return await _read(answer, limits.ENVELOPE_SIZE_BYTES_MAX)

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`."""
        content = json.dumps(to_json(report)).encode()
        headers = {"content-type": "application/json"}
        async with self._answer("POST", "/v1/node/report", content=content, headers=headers):
            return

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        self._stack.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            address = self._stack.enter_context(short_path(self._socket))
            self._http = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=address),
                base_url="http://control",
                timeout=_TIMEOUT_S,
            )
        return self._http

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, *, read_s: float = _TIMEOUT_S, **request: Any
    ) -> AsyncIterator[httpx.Response]:
        timeout = httpx.Timeout(_TIMEOUT_S, read=read_s)
        try:
            async with self._client().stream(method, path, timeout=timeout, **request) as answer:
                if answer.is_error:
                    raise await _failure(answer)
                yield answer
        except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise UnreachableError(
                "control-unreachable",
                "The control process does not answer; the edge serves on.",
                remedy="It is started again by itself under `seawall up`.",
                detail=f"{type(error).__name__}: {error}",
            ) from error


async def _read(answer: httpx.Response, size_bytes_max: int) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > size_bytes_max:
            raise UnreachableError(
                "control-answer-too-large",
                f"The control process sent more than {size_bytes_max} bytes.",
                remedy="Check that control and node are of the same version.",
            )
    return bytes(content)


async def _json(answer: httpx.Response) -> Any:
    return json.loads(await _read(answer, _SMALL_ANSWER_SIZE_BYTES_MAX))


async def _failure(answer: httpx.Response) -> SeawallError:
    """What control has not got, it has not got; anything else it says against us means: not now."""
    try:
        view = from_json(ErrorView, await _json(answer), strict=False)
    except (ValueError, SeawallError):
        view = ErrorView("bad-answer", f"Control answered with HTTP {answer.status_code}.")
    kind = NotFoundError if answer.status_code == _NOT_FOUND else UnreachableError
    return kind(view.code, view.message, remedy=view.remedy)
