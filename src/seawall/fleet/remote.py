"""`ControlPort` to control on another machine: TLS both ways, several addresses, mirrors, patience.

It keeps one connection for polls and one for reports, comes back jittered after a failure, follows
a control process that says who leads, and renews this node's certificate in time. It decides
nothing about releases: a bundle from wherever is checked by signature before it is believed.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from seawall import limits
from seawall.api.codec import from_json
from seawall.api.record_desk import Asked
from seawall.clock import Clock
from seawall.errors import NotFoundError, SeawallError, UnreachableError
from seawall.exchange import Address, Answer, Line
from seawall.fleet.answerer import Answerer, Found
from seawall.fleet.away import Away
from seawall.fleet.client import (
    SMALL_ANSWER_SIZE_BYTES_MAX,
    TIMEOUT_S,
    ControlClient,
    Purpose,
    checked,
    json_body,
    refusal_of,
    unreachable,
)
from seawall.fleet.identity import Identity, renewal_due_s
from seawall.fleet.join import parse_control
from seawall.fleet.mirrors import Mirror, Mirrors
from seawall.fleet.pauses import Pauses
from seawall.fleet.questions import (
    KNOWS_HEADER,
    KNOWS_RECORDS,
    KNOWS_SAMPLES,
    KNOWS_SAMPLES_HEADER,
    QUESTIONS_HEADER,
    SAMPLES_HEADER,
    questions_in,
    samples_in,
)
from seawall.fleet.shapes import (
    NOW_HEADER,
    PROTOCOL,
    PROTOCOL_HEADER,
    RenewAnswer,
    RenewRequest,
    Reported,
)
from seawall.ids import Digest, Generation, NodeName
from seawall.phrases import minute
from seawall.rollout.ports import Assignment, Coming, NodeReport

_NOT_HERE: Final = 421
_BUSY: Final = frozenset({429, 503})
_REFUSED: Final = frozenset({401, 403})
_KNOWS: Final = {KNOWS_HEADER: KNOWS_RECORDS, KNOWS_SAMPLES_HEADER: KNOWS_SAMPLES}


class FleetControl(ControlClient):
    """Asks the control processes that this node's identity names.

    Args:
        trusted: file with the key that signs releases, to check what a mirror sends.
        answerer: searches this node's records; None on a node that answers no questions.
        tell: told what people should know, once each time it changes.
    """

    _fetch_timeout_s = limits.BUNDLE_DOWNLOAD_TIMEOUT_S

    def __init__(
        self,
        identity: Identity,
        clock: Clock,
        rng: Random,
        *,
        trusted: Path,
        mirrors: tuple[Mirror, ...] = (),
        answerer: Answerer | None = None,
        tell: Callable[[str, str], None] = lambda _event, _text: None,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._mirrors = Mirrors(
            mirrors,
            clock,
            rng,
            trusted=trusted,
            passed_over=lambda words: self._say("mirror-passed-over", words),
        )
        self._answerer = answerer
        self._tell = tell
        self._told: dict[str, str] = {}
        self._away = Away()
        self._lines: dict[Purpose, Line] = {}
        self._chosen: dict[Purpose, int] = {}
        self._failed: dict[Purpose, int] = {}
        self._leader: Address | None = None
        self._pauses = {purpose: Pauses(rng) for purpose in Purpose}
        self._stamp: object = None
        self._addresses: tuple[Address, ...] = ()
        self._said: NodeReport | None = None
        self._said_at_s = float("-inf")
        self._quiet_s = 0.0

    # --- The port --------------------------------------------------------------------------------

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """See `ControlPort.assignment`; a pause after a failure is part of the wait."""
        pause_s = self._pauses[Purpose.POLL].left_s(self._clock.monotonic_s())
        if pause_s:
            await self._clock.sleep(pause_s)
        return await super().assignment(node, known, wait_s)

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`: from a mirror if one has it, otherwise from control."""
        return await self._mirrors.bundle(digest, lambda: self._from_control(digest))

    async def _from_control(self, digest: Digest) -> bytes:
        deadline_s = self._clock.monotonic_s() + limits.BUNDLE_FETCH_TIMEOUT_S
        while True:
            try:
                return await super().bundle(digest)
            except NotFoundError:
                raise
            except UnreachableError:
                now_s = self._clock.monotonic_s()
                pause_s = self._pauses[Purpose.FETCH].left_s(now_s)
                if now_s + pause_s >= deadline_s:
                    raise
                await self._clock.sleep(pause_s)

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`.

        One with nothing new is held back as long as control wants: it was not delivered, so its
        windows are told again.
        """
        now_s = self._clock.monotonic_s()
        bare = _bare(report)
        if self._pauses[Purpose.REPORT].left_s(now_s):
            raise UnreachableError("report-waits", "Control could not be reached.")
        quiet = bare == self._said and report.trial is None
        if quiet and now_s - self._said_at_s < self._quiet_s:
            raise UnreachableError("report-waits", "Nothing new, and control is busy.")
        answer = await self._send(report)
        self._said, self._said_at_s = bare, now_s
        try:
            reported = from_json(Reported, json.loads(answer.body), strict=False)
        except (ValueError, SeawallError):
            return
        # A little less each time, so that a thousand nodes do not fall into step.
        bounded_s = min(max(0.0, reported.quiet_s), limits.NODE_SILENT_AFTER_S / 2)
        self._quiet_s = bounded_s * self._rng.uniform(0.8, 1.0)
        self._say("control-says", " ".join(reported.words)[: limits.LOG_VALUE_LENGTH_CHARS_MAX])

    # --- Certificates ----------------------------------------------------------------------------

    async def keep_certificate(self) -> None:
        """Renew this node's certificate in time, until cancelled."""
        while True:
            try:
                await self.renew_if_due()
            except SeawallError as error:
                self._say("certificate-not-renewed", error.message)
            else:
                self._say("certificate-not-renewed", "")
            share = self._rng.uniform(0.5, 1.0)
            await self._clock.sleep(limits.CERTIFICATE_RENEWAL_CHECK_S * share)

    async def renew_if_due(self) -> bool:
        """Renew the certificate when a third of its life is left; whether that was done.

        Raises:
            SeawallError: it is due, and was not renewed.
        """
        standing = await asyncio.to_thread(self._identity.load)
        now_s = self._clock.now_s()
        if now_s > standing.ends_s:
            self._say(
                "certificate-over",
                "The certificate of this node has expired, so control no longer accepts it. The "
                f"edge serves on. Let it join again: seawall token join --name {standing.node}. "
                f"If it is not {minute(now_s)} now, set this machine's clock instead.",
            )
        if now_s < renewal_due_s(standing, self._rng):
            return False
        request = await asyncio.to_thread(self._identity.renewal_request)
        body, _ = json_body(RenewRequest(request.decode()))
        answer = await self._ask(Purpose.REPORT, "POST", "/v1/renew", body=body)
        try:
            renewed = from_json(RenewAnswer, json.loads(answer.body), strict=False)
        except ValueError as error:
            raise unreachable(error) from error
        await asyncio.to_thread(self._identity.renewed, renewed.certificate)
        self._tell("certificate-renewed", "This node has a new certificate.")
        return True

    def close(self) -> None:
        """Close every connection."""
        for line in self._lines.values():
            line.end()
        self._lines.clear()

    # --- Connections -----------------------------------------------------------------------------

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
        asked_as: object = None
        where: object = None

        async def once() -> Answer:
            nonlocal asked_as, where
            line = await self._line(purpose)
            asked_as, where = self._stamp, line.where
            answer = await line.ask(
                method,
                target,
                timeout_s=timeout_s,
                size_bytes_max=size_bytes_max,
                body=body,
                headers=self._headers(body),
            )
            self._hear_questions(answer, line.where)
            return answer

        async def answered() -> Answer:
            """By a machine that joins again meanwhile once more: the first was for its old self."""
            try:
                answer = await once()
                if answer.status not in _REFUSED or asked_as == self._identity.stamp():
                    return answer
            except OSError:
                if asked_as == self._identity.stamp():
                    raise
            self._drop(purpose)
            return await once()

        try:
            answer = await answered()
            if answer.status == _NOT_HERE and self._follow(purpose, answer):
                answer = await once()
        except (OSError, ValueError) as error:
            self._say("control-away", self._away.failed(where, error, self._clock.now_s()))
            self._turn(purpose)
            raise unreachable(error) from error
        self._say("control-away", self._away.answered(where))
        self._heed(purpose, answer)
        return checked(answer)

    def _headers(self, body: bytes) -> dict[str, str]:
        return {
            PROTOCOL_HEADER: str(PROTOCOL),
            NOW_HEADER: repr(self._clock.now_s()),
            **({"Content-Type": "application/json"} if body else {}),
            **(_KNOWS if self._answerer is not None else {}),
        }

    def _hear_questions(self, answer: Answer, where: Path | Address) -> None:
        """Take up what control asks; whoever answers it waits for nothing here."""
        if self._answerer is None:
            return
        asked: list[Asked] = [*questions_in(answer.headers.get(QUESTIONS_HEADER, ""))]
        asked += samples_in(answer.headers.get(SAMPLES_HEADER, ""))
        for question in asked:
            self._answerer.ask(question, partial(self._bring, where))

    async def _bring(self, where: Path | Address, question: Asked, found: Found) -> None:
        """Bring an answer to the control process that asked; one that fails is not brought again.

        On the line of reports if that goes there: a thousand nodes make no new connections.
        """
        kept = self._lines.get(Purpose.REPORT)
        line = kept if kept is not None and kept.where == where else Line(where)
        body, _ = json_body(found)
        try:
            await line.ask(
                "POST",
                f"/v1/node/questions/{question.id}",
                timeout_s=limits.RECORD_ANSWER_TIMEOUT_S,
                size_bytes_max=SMALL_ANSWER_SIZE_BYTES_MAX,
                body=body,
                headers=self._headers(body),
            )
        except (OSError, ValueError) as error:
            self._say("answer-not-brought", str(error) or type(error).__name__)
        finally:
            if line is not kept:
                line.close()

    async def _line(self, purpose: Purpose) -> Line:
        stamp = self._identity.stamp()
        if stamp != self._stamp or not self._addresses:
            self.close()
            self._addresses = await asyncio.to_thread(self._identity.addresses)
            self._stamp = stamp
            self._leader = None
        polling = self._lines.get(Purpose.POLL)
        shared = purpose is Purpose.FETCH and not self._failed.get(purpose)
        if shared and polling is not None and not polling.busy:
            # A thousand nodes that fetch at once make no thousand new connections. Where that line
            # has failed, another control process may lead by now.
            return polling
        if purpose not in self._lines:
            index = self._chosen.setdefault(purpose, 0) % len(self._addresses)
            led = self._leader if purpose is not Purpose.POLL else None
            self._lines[purpose] = Line(
                led or self._addresses[index],
                connect_timeout_s=limits.NODE_HANDSHAKE_TIMEOUT_S,
            )
        return self._lines[purpose]

    def _follow(self, purpose: Purpose, answer: Answer) -> bool:
        """Turn to the control process that leads, if the answer names one."""
        leader = refusal_of(answer).leader
        try:
            there = parse_control(leader) if leader else None
        except SeawallError:
            there = None
        if there is None:
            return False
        self._leader = replace(self._addresses[0], host=there.host, port=there.port)
        self._drop(purpose)
        return True

    def _turn(self, purpose: Purpose) -> None:
        """Try another address next time, and pause when all of them have failed."""
        self._drop(purpose)
        self._failed[purpose] = self._failed.get(purpose, 0) + 1
        if self._failed[purpose] % max(1, len(self._addresses)) == 0:
            self._pauses[purpose].failed(self._clock.monotonic_s())
        if purpose is not Purpose.POLL and self._leader is not None:
            self._leader = None
        else:
            self._chosen[purpose] = self._chosen.get(purpose, 0) + 1

    def _drop(self, purpose: Purpose) -> None:
        line = self._lines.pop(purpose, None)
        if line is not None:
            line.end()

    def _heed(self, purpose: Purpose, answer: Answer) -> None:
        """Learn from the status of an answer when to ask again."""
        now_s, pauses = self._clock.monotonic_s(), self._pauses[purpose]
        if answer.status in _BUSY:
            after = answer.headers.get("retry-after", "")
            pauses.told(float(after) if after.isdecimal() else 1.0, now_s)
            if not after:  # it is not busy: it lacks something that another one may have
                self._turn(purpose)
        elif answer.status == _NOT_HERE:
            self._turn(purpose)
        elif answer.status in _REFUSED:
            pauses.long(now_s)
            self._drop(purpose)
            self._say("refused-by-control", refusal_of(answer).message)
        else:
            pauses.succeeded()
            self._failed[purpose] = 0
            self._say("refused-by-control", "")

    def _say(self, event: str, text: str) -> None:
        if self._told.get(event, "") != text:
            self._told[event] = text
            if text:
                self._tell(event, text)


def _bare(report: NodeReport) -> NodeReport:
    """A report without what changes all the time."""
    envoy = report.envoy
    if envoy is not None:
        envoy = replace(envoy, uptime_s=0.0, memory_bytes=0)
    return replace(report, windows=(), envoy=envoy, bots=None, names=None)
