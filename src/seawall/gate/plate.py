"""One sacrificial Envoy on the table: asked everything, one question after the other.

It decides when such an Envoy counts as serving, when a question is asked again, and when asking
stops; what the answers mean is decided elsewhere.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.clock import Clock
from seawall.gate.ask import Answer, Asker, Failure
from seawall.gate.probes import Probe, Source
from seawall.gate.rewrite import DECISIONS
from seawall.gate.sacrifice import End, Sacrifice
from seawall.gate.stub import Stub, Wanted

_UNANSWERED_MAX: Final = 2
"""Requests without an answer in time after which no more are asked: it hangs."""
_PAUSE_S: Final = 0.004
_AGAIN_S: Final = 0.01
"""Before a request is asked again: an Envoy that has died of it has been noticed then."""
_CPU_RETRIES: Final = 3
_ROOM: Final = "room"
_ROOM_BYTES: Final = 16 * limits.KIB
"""More than the decisions of one tasting that fit into what is left of a block."""


@dataclass(frozen=True, slots=True)
class Tasting:
    """One snapshot and its answers, as many as there were until it ended.

    Attributes:
        start_s: until its first answer; None when there was none in time.
    """

    end: End
    words: str
    signal: str
    answers: tuple[Answer, ...]
    memory_bytes: int
    start_s: float | None


class Plate:
    """One sacrificial Envoy and who asks it."""

    def __init__(
        self,
        envoy: Sacrifice,
        asker: Asker,
        stub: Stub,
        *,
        clock: Clock,
    ) -> None:
        self._envoy = envoy
        self._asker = asker
        self._stub = stub
        self._clock = clock
        self._begin_s = clock.monotonic_s()
        self._told_late = False

    @property
    def end(self) -> End:
        """How its Envoy ended, if it has."""
        return self._envoy.end

    @property
    def directory(self) -> Path:
        """Of its Envoy."""
        return self._envoy.directory

    def told_now(self) -> None:
        """Only now it was told what it shall meet; what it says from here on may be a refusal."""
        self._begin_s = self._clock.monotonic_s()
        self._told_late = True

    async def tasting(self, probes: Sequence[Probe]) -> Tasting:
        """Wait until it serves, ask everything once, and read what it decided.

        Raises:
            OSError: it could not write what it decided, so nothing can be said of its answers.
        """
        self._stub.wanted = {
            str(index): Wanted(probe.status[0] if probe.status else 200, probe.contains)
            for index, probe in enumerate(probes)
            if probe.source is Source.GOLDEN
        }
        served = await self._serves()
        start_s = self._clock.monotonic_s() - self._begin_s if served else None
        answers: list[Answer] = []
        unanswered = 0 if served else _UNANSWERED_MAX
        for index, probe in enumerate(probes):
            if self._envoy.end is not End.RUNNING or unanswered >= _UNANSWERED_MAX:
                break
            answer = await self._ask(index, probe)
            unanswered += answer.failure is Failure.TIMED_OUT
            answers.append(answer)
        answered = sum(answer.failure is Failure.NONE for answer in answers)
        decided = await self._decisions(answered)
        if len(decided) < answered and self._envoy.end is End.RUNNING:
            await asyncio.to_thread(_require_room, self._envoy.directory)
        told = [self._told(index, answer, decided) for index, answer in enumerate(answers)]
        await self._envoy.look()
        return Tasting(
            end=self._envoy.end,
            words=self._envoy.words,
            signal=self._envoy.signal_name,
            answers=tuple(told),
            memory_bytes=self._envoy.memory_bytes,
            start_s=start_s,
        )

    async def again(self, tasting: Tasting, index: int, probe: Probe) -> Tasting:
        """The same with the least processor time of several answers to one request."""
        least_s = tasting.answers[index].cpu_s
        for _ in range(_CPU_RETRIES):
            answer = await self._ask_once(index, probe)
            if answer.failure is Failure.NONE:
                least_s = min(least_s, answer.cpu_s)
        answers = list(tasting.answers)
        answers[index] = replace(answers[index], cpu_s=least_s)
        return replace(tasting, answers=tuple(answers))

    async def _serves(self) -> bool:
        """Wait until it answers anything, ends, or takes too long; whether it answered."""
        https = "http" not in self._asker.schemes
        probe = Probe(Source.MADE, https, "seawall-taste.invalid", "GET", "/")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.TASTER_START_TIMEOUT_S):
                while self._envoy.end is End.RUNNING and not self._objects:
                    if self._asker.may_answer:  # else asking would take its Envoy's time
                        answer = await self._asker.ask(probe, "start")
                        if answer.failure is Failure.NONE or (https and self._asker.met):
                            return True  # a stranger may be shown no certificate
                    await asyncio.sleep(_PAUSE_S)
        return False

    @property
    def _objects(self) -> bool:
        return self._told_late and bool(self._envoy.words)

    async def _ask(self, index: int, probe: Probe) -> Answer:
        """Ask, and once more when there is no answer."""
        answer = await self._ask_once(index, probe)
        if answer.failure in (Failure.NONE, Failure.NOT_SERVED):
            return answer
        await asyncio.sleep(_AGAIN_S)
        if self._envoy.end is not End.RUNNING:
            return answer
        return await self._ask_once(index, probe)

    async def _ask_once(self, index: int, probe: Probe) -> Answer:
        before_s = self._envoy.cpu_s()
        answer = await self._asker.ask(probe, str(index))
        return replace(answer, cpu_s=max(0.0, self._envoy.cpu_s() - before_s))

    def _told(self, index: int, answer: Answer, decided: Mapping[str, Mapping[str, str]]) -> Answer:
        decision = decided.get(str(index), {})
        arrived = self._stub.arrived.get(str(index))
        return replace(
            answer,
            route=decision.get("route", ""),
            cluster=decision.get("cluster", ""),
            bots=decision.get("bots", ""),
            arrived=f"{arrived.method} {arrived.host}{arrived.path}" if arrived else "",
        )

    async def _decisions(self, count: int) -> dict[str, Mapping[str, str]]:
        """What the Envoy wrote of its decisions; it writes a moment later than it answers.

        A decision that is not there yet looks like another one, so a busy machine has as long for
        it as for an answer.
        """
        path = self._envoy.directory / DECISIONS
        until_s = self._clock.monotonic_s() + self._asker.timeout_s
        while True:
            # Before the look: however long the machine stood still, the last look is after the end.
            over = self._clock.monotonic_s() > until_s or self._envoy.end is not End.RUNNING
            found = await asyncio.to_thread(_read_decisions, path)
            if len(found) >= count or over:
                return found
            await asyncio.sleep(_PAUSE_S)


def _require_room(directory: Path) -> None:
    """A filter that failed and a full disk look the same; only writing tells them apart."""
    path = directory / _ROOM
    try:
        path.write_bytes(bytes(_ROOM_BYTES))
    finally:
        path.unlink(missing_ok=True)


def _read_decisions(path: Path) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    try:
        with path.open("rb") as file:
            text = file.read(limits.TASTER_FILE_SIZE_BYTES_MAX)
    except OSError:
        return found
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and str(record.get("mark", "")).isdigit():
                found[str(record["mark"])] = {k: str(v) for k, v in record.items()}
    return found
