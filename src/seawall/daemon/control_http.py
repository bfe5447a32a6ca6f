"""`ControlPort` over HTTP: how the node process reaches control, through control's Unix socket.

Control may be away, starting, hung or half written to disk: every such case is an
`UnreachableError`, and the node serves on. Answers are bounded and read leniently, because the
control process may be newer than the node.
"""

import json
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from seawall import limits
from seawall.api.codec import from_json, to_json
from seawall.api.views import ErrorView
from seawall.errors import NotFoundError, SeawallError, UnreachableError, UsageError
from seawall.exchange import exchange
from seawall.ids import Digest, Generation, NodeName
from seawall.rollout.ports import Assignment, NodeReport

_TIMEOUT_S: Final = 10.0
"""Of an answer that control has at hand; a bundle comes well within it."""
_POLL_SLACK_S: Final = 5.0
"""On top of a long poll's own wait: control answers within milliseconds of its end."""
_SMALL_ANSWER_SIZE_BYTES_MAX: Final = 64 * limits.KIB
_HEAD_SIZE_BYTES_MAX: Final = 8 * limits.KIB
_OK: Final = range(200, 300)
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404


class HttpControl:
    """Asks the control process that owns `control_socket`; each request connects anew."""

    def __init__(self, control_socket: Path) -> None:
        self._socket = control_socket

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | None:
        """See `ControlPort.assignment`."""
        query = urlencode({"known": known, "wait_s": wait_s})
        target = f"/v1/node/{quote(node, safe='')}/assignment?{query}"
        status, body = await self._ask("GET", target, timeout_s=wait_s + _POLL_SLACK_S)
        if status == _NO_CONTENT:
            return None
        try:
            return from_json(Assignment, json.loads(body), strict=False)
        except (ValueError, UsageError) as error:
            raise _unreachable(error) from error

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`."""
        size_bytes_max = limits.ENVELOPE_SIZE_BYTES_MAX
        target = f"/v1/node/bundles/{quote(digest, safe='')}"
        return (await self._ask("GET", target, size_bytes_max=size_bytes_max))[1]

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`."""
        await self._ask("POST", "/v1/node/report", body=json.dumps(to_json(report)).encode())

    async def _ask(
        self,
        method: str,
        target: str,
        *,
        timeout_s: float = _TIMEOUT_S,
        size_bytes_max: int = _SMALL_ANSWER_SIZE_BYTES_MAX,
        body: bytes = b"",
    ) -> tuple[int, bytes]:
        try:
            status, answer = await exchange(
                self._socket,
                method,
                target,
                timeout_s=timeout_s,
                size_bytes_max=size_bytes_max + _HEAD_SIZE_BYTES_MAX,
                body=body,
                headers={"Content-Type": "application/json"} if body else {},
            )
        except (OSError, ValueError) as error:
            raise _unreachable(error) from error
        if status not in _OK:
            raise _failure(status, answer)
        return status, answer


def _unreachable(error: Exception) -> UnreachableError:
    return UnreachableError(
        "control-unreachable",
        "The control process does not answer; the edge serves on.",
        remedy="It is started again by itself under `seawall up`.",
        detail=f"{type(error).__name__}: {error}",
    )


def _failure(status: int, answer: bytes) -> SeawallError:
    """What control has not got, it has not got; anything else it says against us means: not now."""
    try:
        view = from_json(ErrorView, json.loads(answer), strict=False)
    except (ValueError, SeawallError):
        view = ErrorView("bad-answer", f"Control answered with HTTP {status}.")
    kind = NotFoundError if status == _NOT_FOUND else UnreachableError
    return kind(view.code, view.message, remedy=view.remedy)
