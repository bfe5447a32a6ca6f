"""Asks the nodes of a fleet for the record of a request, over connections that nodes make.

A node has no open port: a question waits here until the node polls or reports, and goes out with
the answer. Its poll is ended early for that. Everything is bounded: questions open at once, how
long they wait, how often one is handed out, and who may answer what. What a node says is checked
before it comes here; what it claims is told as its claim.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from seawall import limits
from seawall.api.inquiry import Finding, Inquiry, Said, Standing, outcome
from seawall.clock import Clock
from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import NodeName, RequestId
from seawall.tasks import set_within

_ID_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Question:
    """What a node is asked.

    Attributes:
        id: names the question; 16 hexadecimal digits.
        request_id: whose record is looked for.
        left_s: how long an answer is waited for.
    """

    id: str
    request_id: str
    left_s: float


class RecordDesk:
    """Questions out, answers in.

    Args:
        nodes: names of all nodes of the fleet.
        reachable: whether a node was heard lately, or waits in a poll now.
        nudge: ends the polls of a node, so that it hears of a question.
        clock: of the machine.
        rng: names questions, so that an answer to an earlier process's question is told from one to
            its own.
        log: told what nodes did that people should know.
    """

    def __init__(
        self,
        nodes: Callable[[], Awaitable[Sequence[NodeName]]],
        *,
        reachable: Callable[[NodeName], bool],
        nudge: Callable[[NodeName], None],
        clock: Clock,
        rng: Random,
        log: Callable[[str, str], None],
    ) -> None:
        self._nodes = nodes
        self._reachable = reachable
        self._nudge = nudge
        self._clock = clock
        self._rng = rng
        self._log = log
        self._open: dict[str, Inquiry] = {}
        self._over: OrderedDict[str, Inquiry] = OrderedDict()
        self._old: set[NodeName] = set()
        self._changed = asyncio.Event()

    # --- For people ------------------------------------------------------------------------------

    async def find(self, request_id: RequestId, only: str = "") -> Finding:
        """Ask the nodes, or `only` one, and wait as long as it is worth it.

        Raises:
            NotFoundError: there is no node of that name.
            UnreachableError: too many questions are open.
        """
        everybody = await self._nodes()
        self._old &= set(everybody)
        names = [name for name in everybody if only in ("", name)]
        if only and not names:
            raise NotFoundError(
                "node-unknown",
                f"There is no node {only[: limits.NODE_NAME_LENGTH_CHARS_MAX]!r} in this fleet.",
                remedy="See `seawall nodes list`.",
            )
        if len(self._open) >= limits.RECORD_QUESTIONS_OPEN_MAX:
            raise UnreachableError(
                "too-many-questions",
                f"Nodes are asked about {len(self._open)} requests already.",
                remedy="Ask again in a few seconds.",
            )
        name = f"{self._rng.getrandbits(_ID_BITS):016x}"
        standings = self._standings(names)
        inquiry = Inquiry(request_id, standings, self._clock.monotonic_s())
        self._open[name] = inquiry
        try:
            for node, standing in standings.items():
                if standing is Standing.ASKED:
                    self._nudge(node)
            await self._settled(inquiry)
        finally:
            finding = inquiry.end()
            del self._open[name]
            self._over[name] = inquiry
            while len(self._over) > limits.RECORD_QUESTIONS_KEPT_MAX:
                self._over.popitem(last=False)
        self._log("record-asked", outcome(finding))
        return finding

    # --- For nodes -------------------------------------------------------------------------------

    def heard(self, node: NodeName, *, knows: bool) -> None:
        """A node asked or said something; `knows` tells whether it knows such questions."""
        if knows:
            self._old.discard(node)
            return
        self._old.add(node)
        for inquiry in self._open.values():
            inquiry.cannot(node)
        self._wake()

    def waits_for(self, node: NodeName) -> tuple[Question, ...]:
        """What `node` is to be asked with the next answer to it; it counts as asked."""
        now_s = self._clock.monotonic_s()
        return tuple(
            Question(name, inquiry.request_id, inquiry.left_s(now_s))
            for name, inquiry in self._open.items()
            if node not in self._old and inquiry.hand(node)
        )

    def begin(self, node: NodeName, question: str) -> RequestId:
        """Before an answer is read: the id of the request that `node` was asked about.

        Raises:
            NotFoundError: it was not asked that, or has answered it.
        """
        inquiry = self._open.get(question) or self._over.get(question)
        if inquiry is not None and inquiry.begin(node):
            return inquiry.request_id
        self._log("answer-unasked", f"{node} answers what it was not asked, or answers it again")
        raise NotFoundError("question-unknown", f"Node {node} was not asked this.")

    def take(self, node: NodeName, question: str, said: Said) -> None:
        """Take an answer; one that comes late is looked at for what people should know."""
        inquiry = self._open.get(question) or self._over.get(question)
        if inquiry is None:
            return
        words = inquiry.take(node, said, self._clock.monotonic_s())
        if words:
            self._log("answer-doubted", words)
        self._wake()

    def _standings(self, names: Sequence[NodeName]) -> dict[NodeName, Standing]:
        found = {}
        for name in names:
            there = Standing.OLD if name in self._old else Standing.ASKED
            found[name] = there if self._reachable(name) else Standing.SILENT
        return found

    async def _settled(self, inquiry: Inquiry) -> None:
        while (left_s := inquiry.left_s(self._clock.monotonic_s())) > 0:
            if not await set_within(self._changed, left_s):
                return

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
