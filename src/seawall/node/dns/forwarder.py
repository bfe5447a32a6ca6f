"""Answers questions for addresses: from memory, or by asking the resolvers of the system.

The same question of several is asked once. Whoever asked is answered in time whatever the resolvers
do: `DNS_ANSWER_WITHIN_S` says why. What they say later is remembered for the next time.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from seawall.clock import Clock
from seawall.limits import DNS_ANSWER_WITHIN_S, DNS_ASKED_AT_ONCE_MAX, DNS_FLIGHTS_MAX
from seawall.node.dns import wire
from seawall.node.dns.memory import Kind, Memory, Outcome, Told
from seawall.node.dns.wire import Query, Question
from seawall.tasks import Background

_RCODES = {
    Kind.FOUND: wire.NO_ERROR,
    Kind.NO_RECORD: wire.NO_ERROR,
    Kind.NO_NAME: wire.NO_NAME,
    Kind.FAILED: wire.FORMAT_ERROR,
}


class Asks(Protocol):
    """Who is asked; `upstream.Upstream` is the real one."""

    async def ask(self, question: Question) -> Outcome:
        """What the resolvers say, in bounded time; never raises."""
        ...


@dataclass(slots=True)
class Counts:
    """Since the agent started.

    Attributes:
        questions: for addresses that were asked.
        forwarded: questions that went to the resolvers.
        stale: answers from memory in place of what the resolvers said, or did not say.
    """

    questions: int = 0
    forwarded: int = 0
    stale: int = 0


class Forwarder:
    """Decides answers; whoever listens hands it what came.

    Args:
        memory: of addresses.
        upstream: the resolvers.
        clock: for ages.
        background: owns the questions under way.
    """

    def __init__(
        self, memory: Memory, upstream: Asks, clock: Clock, background: Background
    ) -> None:
        self._memory, self._upstream, self._clock = memory, upstream, clock
        self._background = background
        self._flights: dict[Question, asyncio.Task[Told]] = {}
        self._room = asyncio.Semaphore(DNS_ASKED_AT_ONCE_MAX)
        self.counts = Counts()

    def at_once(self, query: Query) -> bytes | None:
        """The answer that needs nobody else; None when there is none."""
        self.counts.questions += 1
        told = self._memory.at_once(query.question, self._clock.monotonic_s())
        return None if told is None else self._written(query, told)

    def from_memory(self, query: Query) -> bytes | None:
        """The answer where there is no room to wait for a better one; None for silence."""
        told = self._memory.meanwhile(query.question, self._clock.monotonic_s())
        return None if told is None else self._written(query, told)

    async def answer(self, query: Query) -> bytes | None:
        """The answer, after the resolvers were asked; None for silence."""
        question = query.question
        flight = self._flights.get(question)
        if flight is None and len(self._flights) < DNS_FLIGHTS_MAX:
            flight = self._background.spawn(self._fly(question), name="dns question")
            self._flights[question] = flight
            flight.add_done_callback(lambda _: self._flights.pop(question, None))
        if flight is None:
            return self.from_memory(query)
        done, _ = await asyncio.wait((flight,), timeout=DNS_ANSWER_WITHIN_S)
        if not done and (answer := self.from_memory(query)) is not None:
            return answer
        # Nothing is known of it yet: better late than never. The one who asks may have gone.
        return self._written(query, await asyncio.shield(flight))

    async def _fly(self, question: Question) -> Told:
        outcome, sibling = await self._ask(question), None
        now_s = self._clock.monotonic_s()
        if self._memory.needs_sibling(question, outcome, now_s):
            sibling = await self._ask(question.sibling)
            now_s = self._clock.monotonic_s()
            if sibling.kind is Kind.FOUND:
                self._memory.settle(question.sibling, sibling, now_s)
        return self._memory.settle(question, outcome, now_s, sibling)

    async def _ask(self, question: Question) -> Outcome:
        async with self._room:
            self.counts.forwarded += 1
            return await self._upstream.ask(question)

    def _written(self, query: Query, told: Told) -> bytes:
        rcode, records = _RCODES[told.kind], told.records
        if records is None:
            return wire.reply(query, rcode)
        if told.ttl_s is None:
            body = records.aged(told.age_s)
        else:
            self.counts.stale += 1
            body = records.lasting(told.ttl_s)
        return wire.reply(query, rcode, body, len(records.ttl_places))
