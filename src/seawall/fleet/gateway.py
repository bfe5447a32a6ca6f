"""The nodes' port of control, as an app: join, poll, fetch, report, answer; it decides nothing.

Each request is believed as far as its certificate reaches: a node asks and reports for itself
only. Everything is bounded: bodies, rates, downloads at once. A control process that does not lead
answers polls and bundles, and says who leads to whoever brings something that changes the store.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from seawall import limits
from seawall.api.codec import from_json, to_json
from seawall.api.errors import UNEXPECTED, status_of
from seawall.api.fleet import ElsewhereError
from seawall.api.record_desk import Asked, RecordDesk
from seawall.clock import Clock
from seawall.errors import ConflictError, RefusedError, SeawallError, UsageError
from seawall.fleet import intake, questions
from seawall.fleet.ca import Authority, request_key_sha256
from seawall.fleet.incoming import declared_size, loads, number, read
from seawall.fleet.members import Members
from seawall.fleet.peer import SCOPE_KEY
from seawall.fleet.shapes import (
    NOW_HEADER,
    PROTOCOL,
    PROTOCOL_HEADER,
    JoinAnswer,
    JoinRequest,
    Refusal,
    RenewAnswer,
    RenewRequest,
    Reported,
)
from seawall.fleet.shed import Bundles, BusyError, Gate, Rates, quiet_s
from seawall.ids import Digest, Generation, NodeName
from seawall.release.registry import FleetNode, Registry
from seawall.release.signing import PublicKey
from seawall.rollout.ports import Assignment, ControlPort, NodeReport

_CHUNK_SIZE_BYTES: Final = 64 * limits.KIB
_NOT_HERE: Final = 421
_BUSY: Final = 503
_REFUSED: Final = {"certificate-needed": 401, "certificate-over": 401, "node-removed": 403}


class BehindError(ConflictError):
    """This control process cannot say what nodes shall run."""

    def __init__(self) -> None:
        super().__init__(
            "store-behind",
            "This control process has not reached its store for a while, so its state is out of "
            "date.",
            remedy="Nodes ask another one meanwhile. Restore its connection to the database.",
        )


@dataclass(frozen=True)
class Parts:
    """What the gateway is made of.

    Attributes:
        control: answers polls and bundles, takes reports.
        elsewhere: None while this process leads; otherwise why a write is refused.
        behind: whether what this process knows of the fleet may be old; then a node that it kept
            would hear neither of a release nor of its withdrawal.
        records: what nodes are asked about requests, and of what they have seen.
        log: told what nodes did that people should know.
    """

    control: ControlPort
    records: RecordDesk
    registry: Registry
    members: Members
    authority: Authority
    signing_key: PublicKey
    clock: Clock
    rng: Random
    elsewhere: Callable[[], ElsewhereError | None]
    behind: Callable[[], bool]
    log: Callable[[str, str], None]
    log_error: Callable[[str, BaseException], None]


class Gateway:
    """The operations of the nodes' port."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._bundles = Bundles(parts.control.bundle)
        self._downloads = Gate(
            limits.BUNDLE_DOWNLOADS_MAX,
            "sends many bundles",
            parts.rng,
            each=limits.BUNDLE_DOWNLOADS_EACH_MAX,
        )
        self._bodies = Gate(
            limits.REPORT_BYTES_IN_FLIGHT_MAX,
            "reads many reports",
            parts.rng,
            each=limits.REPORT_BYTES_IN_FLIGHT_EACH_MAX,
        )
        self._rates = Rates(per_s=limits.REPORTS_PER_S_MAX, burst=limits.REPORTS_BURST_MAX)
        most = limits.RECORD_ANSWER_BYTES_IN_FLIGHT_MAX
        self._answers = Gate(most, "reads many answers", parts.rng, each=most)
        self._answer_rates = Rates(
            per_s=limits.RECORD_ANSWERS_PER_S_MAX,
            burst=limits.RECORD_ANSWERS_BURST_MAX,
            what="answers",
        )
        self._joining = asyncio.Lock()
        self._heard: dict[NodeName, intake.Heard] = {}
        self._skewed: set[NodeName] = set()

    def app(self) -> Starlette:
        """Serve it with `peer.peer_protocol`."""
        table = (
            ("GET", "/v1/ca", self._authority),
            ("POST", "/v1/join", self._join),
            ("POST", "/v1/renew", self._renew),
            ("GET", "/v1/node/{node}/assignment", self._assignment),
            ("GET", "/v1/node/bundles/{digest}", self._bundle),
            ("POST", "/v1/node/report", self._report),
            ("POST", "/v1/node/questions/{question}", self._answer),
        )
        app = Starlette(
            routes=[Route(path, self._guarded(call), methods=[m]) for m, path, call in table]
        )
        app.router.redirect_slashes = False
        return app

    # --- Operations ------------------------------------------------------------------------------

    async def _authority(self, _: Request) -> Response:
        return Response(self._parts.authority.pem, media_type="application/x-pem-file")

    async def _join(self, request: Request) -> Response:
        self._require_lead()
        asked = from_json(JoinRequest, await self._small_json(request))
        parts, now_s = self._parts, self._parts.clock.now_s()
        csr = asked.request.encode(errors="replace")
        key = request_key_sha256(csr)
        # Strangers may ask too: however many do, reports and downloads keep the other threads.
        async with self._joining:
            node = await asyncio.to_thread(
                parts.registry.admit,
                asked.token,
                name=asked.name,
                key_sha256=key,
                ends_s=now_s + limits.NODE_CERTIFICATE_LIFETIME_S,
            )
        await parts.members.refresh()
        self._heard.pop(node.name, None)
        parts.log("node-joined", f"{node.name}, groups: {' '.join(node.groups) or 'none'}")
        answer = JoinAnswer(
            node=node.name,
            groups=node.groups,
            certificate=parts.authority.sign_node(csr, node.name, now_s).pem.decode(),
            authority=parts.authority.pem.decode(),
            signing_key=parts.signing_key.pem.decode(),
            now_s=now_s,
        )
        return _json(answer)

    async def _renew(self, request: Request) -> Response:
        node = await self._node(request)
        self._require_lead()
        asked = from_json(RenewRequest, await self._small_json(request))
        csr = asked.request.encode(errors="replace")
        if request_key_sha256(csr) != node.key_sha256:
            raise RefusedError(
                "key-changed",
                f"Node {node.name} asks for a certificate with another key than it joined with.",
                remedy=f"Let it join again: seawall token join --name {node.name}.",
            )
        issued = self._parts.authority.sign_node(csr, node.name, self._parts.clock.now_s())
        await asyncio.to_thread(self._parts.registry.renewed, node.name, issued.ends_s)
        return _json(RenewAnswer(issued.pem.decode()))

    async def _assignment(self, request: Request) -> Response:
        node = await self._node(request)
        if request.path_params["node"] != node.name:
            raise RefusedError("not-your-name", f"Node {node.name} may not ask for another node.")
        known = Generation(int(number(request.query_params.get("known", ""), "known")))
        wait_s = number(request.query_params.get("wait_s", "0"), "wait_s")
        wait_s = min(wait_s, limits.ASSIGNMENT_POLL_WAIT_S)
        if self._parts.behind():
            raise BehindError
        before = self._questions(request, node)
        if before:
            wait_s = 0.0
        assignment = await self._parts.control.assignment(node.name, known, wait_s)
        await self._node(request)  # it may have been removed meanwhile
        news = isinstance(assignment, Assignment)
        answer = _json(assignment) if news else Response(status_code=204)
        return _asking(answer, before or self._questions(request, node))

    async def _bundle(self, request: Request) -> Response:
        node = await self._node(request)
        digest = Digest(request.path_params["digest"])
        place = partial(self._downloads.pass_, node.name)
        return _Download(place, lambda: self._bundles.get(digest))

    async def _report(self, request: Request) -> Response:
        node = await self._node(request)
        self._require_lead()
        parts = self._parts
        self._rates.take(node.name, parts.clock.monotonic_s())
        size_bytes = declared_size(request, limits.NODE_REPORT_SIZE_BYTES_MAX)
        sent_s = number(request.headers.get(NOW_HEADER, str(parts.clock.now_s())), NOW_HEADER)
        skew_s = parts.clock.now_s() - sent_s
        with self._bodies.pass_(node.name, size_bytes):
            body = await read(request, size_bytes)
            report = await _parsed(body)
        await self._node(request)  # it may have been removed meanwhile
        heard = self._heard.get(node.name, {})
        cleaned = intake.clean(report, node.name, node.groups, heard, sent_s=sent_s)
        await parts.control.report(intake.shifted(cleaned.report, skew_s))
        # Only now: what was not taken may be told again.
        self._heard[node.name] = cleaned.heard
        words = (*cleaned.words, *self._skew(node.name, skew_s))
        for text in cleaned.words:
            parts.log("report-doubted", f"{node.name}: {text}")
        answer = _json(Reported(quiet_s(parts.members.count), words))
        return _asking(answer, self._questions(request, node))

    async def _answer(self, request: Request) -> Response:
        """Take what a node says to a question; it may be slow, huge, garbled, or a lie."""
        node, question = await self._node(request), request.path_params["question"]
        self._answer_rates.take(node.name, self._parts.clock.monotonic_s())
        records = self._parts.records
        request_id = records.begin(node.name, question)
        try:
            size_bytes = declared_size(request, limits.RECORD_ANSWER_SIZE_BYTES_MAX)
            with self._answers.pass_(node.name, size_bytes):
                body = await read(request, size_bytes, limits.RECORD_ANSWER_TIMEOUT_S)
                said = (
                    questions.believed(loads(body), request_id)
                    if request_id is not None
                    else questions.seen(loads(body))
                )
        except (UsageError, RefusedError) as error:
            records.doubt(node.name, question, error.message)
            raise
        await self._node(request)  # it may have been removed meanwhile
        records.take(node.name, question, said)
        return Response(status_code=204)

    # --- What operations share -------------------------------------------------------------------

    async def _node(self, request: Request) -> FleetNode:
        spoken = request.headers.get(PROTOCOL_HEADER, "")
        if spoken != str(PROTOCOL):
            raise RefusedError(
                "protocol-unknown",
                f"The node speaks version {spoken[:20]!r} of the protocol; this control process "
                f"speaks {PROTOCOL}.",
                remedy="Update the older of the two; the node serves on meanwhile.",
            )
        return await self._parts.members.require(request.scope.get(SCOPE_KEY))

    def _questions(self, request: Request, node: FleetNode) -> tuple[Asked, ...]:
        """What to ask a node with the answer to its request."""
        said = request.headers.get
        self._parts.records.heard(
            node.name,
            knows=said(questions.KNOWS_HEADER) == questions.KNOWS_RECORDS,
            samples=said(questions.KNOWS_SAMPLES_HEADER) == questions.KNOWS_SAMPLES,
        )
        return self._parts.records.waits_for(node.name)

    def _require_lead(self) -> None:
        elsewhere = self._parts.elsewhere()
        if elsewhere is not None:
            raise elsewhere

    async def _small_json(self, request: Request) -> Any:
        size_bytes = declared_size(request, limits.API_SMALL_BODY_SIZE_BYTES_MAX)
        return loads(await read(request, size_bytes))

    def _skew(self, node: NodeName, skew_s: float) -> tuple[str, ...]:
        if abs(skew_s) <= limits.CLOCK_SKEW_S_TOLD:
            self._skewed.discard(node)
            return ()
        words = f"This machine's clock is {abs(skew_s):.0f} s "
        words += "behind control's." if skew_s > 0 else "ahead of control's."
        if node not in self._skewed:
            self._skewed.add(node)
            self._parts.log("clock-skew", f"{node}: {words}")
        return (words,)

    def _guarded(
        self, call: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await call(request)
            except SeawallError as error:
                return _failure(error)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:  # noqa: BLE001 - nothing unexpected may end the process
                self._parts.log_error(request.url.path, error)
                return _json(Refusal(UNEXPECTED.code, UNEXPECTED.message, UNEXPECTED.remedy), 500)

        return endpoint


def _failure(error: SeawallError) -> Response:
    refusal = Refusal(error.code, error.message, error.remedy)
    if isinstance(error, ElsewhereError):
        return _json(replace(refusal, leader=error.leader), _NOT_HERE)
    if isinstance(error, BehindError):
        return _json(refusal, _NOT_HERE)
    if isinstance(error, BusyError):
        answer = _json(refusal, _BUSY)
        answer.headers["retry-after"] = str(error.retry_after_s)
        return answer
    return _json(refusal, _REFUSED.get(error.code, status_of(error)))


def _asking(answer: Response, asked: tuple[Asked, ...]) -> Response:
    for name, value in questions.headers_of(asked):
        answer.headers[name] = value
    return answer


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(to_json(value)), status, media_type="application/json")


async def _parsed(body: bytes) -> NodeReport:
    def parse() -> NodeReport:
        # Leniently: a newer node may say more.
        return from_json(NodeReport, loads(body), strict=False)

    if len(body) > limits.REPORT_PARSE_SIZE_BYTES:
        return await asyncio.to_thread(parse)
    return parse()


class _Download(Response):
    """A bundle on its way to a node; holds a place among the downloads until it is there."""

    def __init__(
        self,
        place: Callable[[], AbstractContextManager[None]],
        read: Callable[[], Awaitable[bytes]],
    ) -> None:
        super().__init__(media_type="application/octet-stream")
        self._place = place
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # Read once for all who wait, before any of them takes a place.
            bundle = await self._read()
            with self._place():
                async with asyncio.timeout(limits.BUNDLE_DOWNLOAD_TIMEOUT_S):
                    await self._send(bundle, send)
        except SeawallError as error:
            await _failure(error)(scope, receive, send)
        except TimeoutError:
            return  # the connection is closed with half an answer, which no node takes for a whole

    async def _send(self, bundle: bytes, send: Send) -> None:
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(len(bundle)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, len(bundle), _CHUNK_SIZE_BYTES):
            chunk = bundle[start : start + _CHUNK_SIZE_BYTES]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
