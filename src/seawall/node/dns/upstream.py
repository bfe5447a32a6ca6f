"""Asks the resolvers: one question, one outcome, in bounded time.

Each question goes out from a socket of its own, so from another port each time, with a number that
cannot be guessed; only the resolver that was asked is heard (RFC 5452). A long answer is asked for
again over TCP. The resolver that answered last is asked first, so a dead one costs one wait.
"""

import asyncio
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final, cast

from seawall.limits import (
    DNS_ATTEMPT_TIMEOUT_S,
    DNS_MESSAGE_SIZE_BYTES_MAX,
    DNS_QUESTION_TIMEOUT_S,
)
from seawall.node.dns.memory import Kind, Outcome
from seawall.node.dns.resolvers import Resolver, Resolvers
from seawall.node.dns.wire import (
    LENGTH_BYTES,
    NO_ERROR,
    NO_NAME,
    Answer,
    Question,
    ask,
    over_tcp,
    read_answer,
)

_NUMBER_BYTES: Final = 2
_ROUNDS: Final = 2


class Upstream:
    """The resolvers of the system.

    Args:
        resolvers: who they are now.
        own: never asked: it would be asking oneself.
    """

    def __init__(self, resolvers: Resolvers, own: Collection[Resolver] = ()) -> None:
        self._resolvers = resolvers
        self._own = own
        self._good: Resolver | None = None

    async def ask(self, question: Question) -> Outcome:
        """What they say; never raises."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DNS_QUESTION_TIMEOUT_S):
                for resolver in self._order():
                    outcome = await self._ask_one(resolver, question)
                    if outcome is not None:
                        self._good = resolver
                        return outcome
        return Outcome(Kind.FAILED)

    def _order(self) -> Iterator[Resolver]:
        known = [resolver for resolver in self._resolvers.now() if resolver not in self._own]
        known.sort(key=lambda resolver: resolver != self._good)
        for _ in range(_ROUNDS):
            yield from known

    async def _ask_one(self, resolver: Resolver, question: Question) -> Outcome | None:
        """What one of them says; None when it has nothing to say."""
        number = int.from_bytes(os.urandom(_NUMBER_BYTES), "big")
        try:
            async with asyncio.timeout(DNS_ATTEMPT_TIMEOUT_S):
                answer = await _over_udp(resolver, question, number)
                if answer.truncated:
                    answer = await _over_tcp(resolver, question, number)
        except (OSError, EOFError, ValueError):  # TimeoutError is an OSError
            return None
        return outcome_of(answer, question)


def outcome_of(answer: Answer, question: Question) -> Outcome | None:
    """What an answer means; None for one that another resolver may better."""
    if answer.rcode == NO_NAME:
        return Outcome(Kind.NO_NAME)
    if answer.rcode != NO_ERROR or answer.truncated:
        return None
    if question.kind in answer.records.kinds:
        return Outcome(Kind.FOUND, answer.records)
    return Outcome(Kind.NO_RECORD)


class _Asking(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers; others are not heard."""

    def __init__(self, question: Question, number: int) -> None:
        self._question, self._number = question, number
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast("asyncio.DatagramTransport", transport).sendto(ask(self._question, self._number))

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Take it if it is the answer."""
        try:
            answer = read_answer(data, self._question, self._number)
        except ValueError:
            return
        if not self.answer.done():
            self.answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there."""
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(resolver: Resolver, question: Question, number: int) -> Answer:
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Asking(question, number), remote_addr=(resolver.host, resolver.port)
    )
    try:
        return await asking.answer
    finally:
        transport.close()


async def _over_tcp(resolver: Resolver, question: Question, number: int) -> Answer:
    reader, writer = await asyncio.open_connection(
        resolver.host, resolver.port, limit=DNS_MESSAGE_SIZE_BYTES_MAX
    )
    try:
        writer.write(over_tcp(ask(question, number)))
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        return read_answer(await reader.readexactly(length), question, number)
    finally:
        writer.close()
