"""What a node asks of control, whatever lies between them: one client, over two ways.

`HttpControl` in `daemon` goes through the Unix socket of this machine, `remote.FleetControl`
through TLS to another one. Control may be away, starting, hung or half written to disk: every such
case is an `UnreachableError`, and the node serves on. Answers are bounded and read leniently,
because control may be newer than the node.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlencode

from seawall import limits
from seawall.api.codec import from_json, to_json
from seawall.errors import NotFoundError, SeawallError, UnreachableError, UsageError
from seawall.exchange import Answer
from seawall.fleet.shapes import Refusal
from seawall.ids import Digest, Generation, NodeName
from seawall.rollout.ports import COMING_HEADER, Assignment, Coming, NodeReport

TIMEOUT_S: Final = 10.0
"""Of an answer that control has at hand."""
_POLL_SLACK_S: Final = 5.0
"""On top of a long poll's own wait: control answers within milliseconds of its end."""
SMALL_ANSWER_SIZE_BYTES_MAX: Final = 64 * limits.KIB
_OK: Final = range(200, 300)
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404


class Purpose(StrEnum):
    """What a connection is for: a poll that waits must not hold up a report."""

    POLL = "poll"
    REPORT = "report"
    FETCH = "fetch"


class ControlClient(ABC):
    """`ControlPort` over HTTP."""

    @abstractmethod
    async def _ask(
        self,
        purpose: Purpose,
        method: str,
        target: str,
        *,
        timeout_s: float = TIMEOUT_S,
        size_bytes_max: int = SMALL_ANSWER_SIZE_BYTES_MAX,
        body: bytes = b"",
    ) -> Answer:
        """One request and its good answer.

        Raises:
            UnreachableError: no answer, or one that means: not now.
            NotFoundError: control has not got it.
        """

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """See `ControlPort.assignment`."""
        query = urlencode({"known": known, "wait_s": wait_s})
        target = f"/v1/node/{quote(node, safe='')}/assignment?{query}"
        answer = await self._ask(Purpose.POLL, "GET", target, timeout_s=wait_s + _POLL_SLACK_S)
        if answer.status == _NO_CONTENT:
            return Coming() if COMING_HEADER in answer.headers else None
        try:
            return from_json(Assignment, json.loads(answer.body), strict=False)
        except (ValueError, UsageError) as error:
            raise unreachable(error) from error

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`."""
        answer = await self._ask(
            Purpose.FETCH,
            "GET",
            f"/v1/node/bundles/{quote(digest, safe='')}",
            timeout_s=self._fetch_timeout_s,
            size_bytes_max=limits.ENVELOPE_SIZE_BYTES_MAX,
        )
        return answer.body

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`."""
        await self._send(report)

    _fetch_timeout_s: float = TIMEOUT_S
    """A bundle comes well within it on one machine."""

    async def _send(self, report: NodeReport) -> Answer:
        body = json.dumps(to_json(report)).encode()
        return await self._ask(Purpose.REPORT, "POST", "/v1/node/report", body=body)


def unreachable(error: Exception) -> UnreachableError:
    """Control did not answer, or not in a way that can be read."""
    return UnreachableError(
        "control-unreachable",
        "The control process does not answer; the edge serves on.",
        remedy="The node keeps trying. `seawall up` and `seawall control` restart it.",
        detail=f"{type(error).__name__}: {error}",
    )


def checked(answer: Answer) -> Answer:
    """A good answer.

    Raises:
        UnreachableError: anything that control says against us means: not now.
        NotFoundError: what control has not got, it has not got.
    """
    if answer.status in _OK:
        return answer
    refusal = refusal_of(answer)
    kind = NotFoundError if answer.status == _NOT_FOUND else UnreachableError
    raise kind(refusal.code, refusal.message, remedy=refusal.remedy)


def refusal_of(answer: Answer) -> Refusal:
    """Control's words of refusal."""
    try:
        return from_json(Refusal, json.loads(answer.body), strict=False)
    except (ValueError, SeawallError):
        return Refusal("bad-answer", f"Control answered with HTTP {answer.status}.")


def json_body(value: object) -> tuple[bytes, Mapping[str, str]]:
    """A body and the header that goes with it."""
    return json.dumps(to_json(value)).encode(), {"Content-Type": "application/json"}
