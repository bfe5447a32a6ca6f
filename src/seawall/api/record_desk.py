"""Asks the nodes of a fleet for the record of a request, or what they have seen of late.

A node has no open port: a question waits here until the node polls or reports, and goes out with
the answer on the connection that the node made. Its poll is ended early for that. Everything is
bounded: questions open at once, how long they wait, how often one is handed out, and who may answer
what. What a node says is checked before it is believed; what it claims is told as its claim.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from seawall import limits
from seawall.api.asking import Round, Standing
from seawall.api.inquiry import Finding, Inquiry, Said, outcome
from seawall.api.sampling import Sampled, Sampling, Seen, spread
from seawall.api.sampling import outcome as sampled
from seawall.clock import Clock
from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import NodeName, RequestId
from seawall.tasks import set_within
from seawall.telemetry.samples import Wanted

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


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """What a node is asked for.

    Attributes:
        id: names the question; 16 hexadecimal digits.
        wanted: of what it has seen.
        left_s: how long an answer is waited for.
    """

    id: str
    wanted: Wanted
    left_s: float


Asked = Question | SampleQuestion
Open = Inquiry | Sampling


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
        groups: of a node.
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
        groups: Callable[[NodeName], Sequence[str]] = lambda _: (),
    ) -> None:
        self._nodes = nodes
        self._reachable = reachable
        self._nudge = nudge
        self._clock = clock
        self._rng = rng
        self._log = log
        self._groups = groups
        self._began_s = clock.monotonic_s()
        self._open: dict[str, Open] = {}
        self._over: OrderedDict[str, Open] = OrderedDict()
        self._old: dict[type[Round], set[NodeName]] = {Inquiry: set(), Sampling: set()}
        self._changed = asyncio.Event()

    # --- For people ------------------------------------------------------------------------------

    async def find(self, request_id: RequestId, only: str = "") -> Finding:
        """Ask the nodes, or `only` one, and wait as long as it is worth it.

        Raises:
            NotFoundError: there is no node of that name.
            UnreachableError: too many questions are open.
        """
        everybody = await self._everybody()
        names = [name for name in everybody if only in ("", name)]
        if only and not names:
            raise NotFoundError(
                "node-unknown",
                f"There is no node {only[: limits.NODE_NAME_LENGTH_CHARS_MAX]!r} in this fleet.",
                remedy="See `seawall nodes list`.",
            )
        about = sum(isinstance(asked, Inquiry) for asked in self._open.values())
        if about >= limits.RECORD_QUESTIONS_OPEN_MAX:
            raise UnreachableError(
                "too-many-questions",
                f"Nodes are already being asked about {about} requests.",
                remedy="Try again in a few seconds.",
            )
        standings = self._standings(Inquiry, names)
        inquiry = Inquiry(request_id, standings, self._clock.monotonic_s())
        try:
            await self._carry_out(inquiry)
        finally:
            finding = inquiry.end()
        self._log("record-asked", outcome(finding))
        return finding

    async def sample(self, wanted: Wanted) -> Sampled:
        """Ask nodes for what they have seen: all, or a part of a large fleet.

        It is not counted with the questions about requests: a release does not wait for people.
        """
        everybody = await self._everybody()
        standings = self._standings(Sampling, everybody)
        if self._clock.monotonic_s() - self._began_s < limits.NODE_SILENT_AFTER_S:
            # After a restart of control its nodes come back one by one: none of them is silent yet.
            for name, standing in standings.items():
                if standing is Standing.SILENT:
                    standings[name] = Standing.ASKED
        able = [name for name, standing in standings.items() if standing is Standing.ASKED]
        chosen = spread(able, self._groups, limits.REHEARSAL_NODES_ASKED_MAX)
        for name in set(able) - set(chosen):
            del standings[name]
        sampling = Sampling(wanted, standings, len(everybody), self._clock.monotonic_s())
        try:
            await self._carry_out(sampling)
        finally:
            found = sampling.end()
        self._log("clients-asked", sampled(found.asked))
        return found

    # --- For nodes -------------------------------------------------------------------------------

    def heard(self, node: NodeName, *, knows: bool, samples: bool = False) -> None:
        """A node asked or said something.

        Args:
            node: its name.
            knows: whether it knows questions about requests.
            samples: whether it knows those for what it has seen.
        """
        for kind, able in ((Inquiry, knows), (Sampling, samples)):
            if able:
                self._old[kind].discard(node)
                continue
            self._old[kind].add(node)
            for asked in self._open.values():
                if isinstance(asked, kind):
                    asked.cannot(node)
                    self._wake()

    def waits_for(self, node: NodeName) -> tuple[Asked, ...]:
        """What `node` is to be asked with the next answer to it; it counts as asked."""
        now_s = self._clock.monotonic_s()
        return tuple(
            _question(name, asked, asked.left_s(now_s))
            for name, asked in self._open.items()
            if node not in self._old[type(asked)] and asked.hand(node)
        )

    def begin(self, node: NodeName, question: str) -> RequestId | None:
        """Before an answer is read: the id of the request that `node` was asked about.

        None when it was asked for what it has seen.

        Raises:
            NotFoundError: it was not asked that, or has answered it.
        """
        asked = self._open.get(question) or self._over.get(question)
        if asked is not None and asked.begin(node):
            return asked.request_id if isinstance(asked, Inquiry) else None
        self._log(
            "answer-unasked", f"{node} sent an answer that was not asked for, or sent it twice"
        )
        raise NotFoundError("question-unknown", f"Node {node} was not asked this.")

    def doubt(self, node: NodeName, question: str, why: str) -> None:
        """An answer makes no sense."""
        asked = self._open.get(question) or self._over.get(question)
        if asked is not None:
            self._log("answer-doubted", asked.doubt(node, why))
            self._wake()

    def take(self, node: NodeName, question: str, said: Said | Seen) -> None:
        """Take an answer; one that comes late is looked at for what people should know."""
        asked = self._open.get(question) or self._over.get(question)
        words = ""
        if isinstance(asked, Inquiry) and isinstance(said, Said):
            words = asked.take(node, said, self._clock.monotonic_s())
        elif isinstance(asked, Sampling) and isinstance(said, Seen):
            asked.take(node, said)
        if words:
            self._log("answer-doubted", words)
        self._wake()

    # --- What both kinds share -------------------------------------------------------------------

    async def _everybody(self) -> Sequence[NodeName]:
        everybody = await self._nodes()
        for old in self._old.values():
            old &= set(everybody)
        return everybody

    def _standings(self, kind: type[Round], names: Sequence[NodeName]) -> dict[NodeName, Standing]:
        found = {}
        for name in names:
            there = Standing.OLD if name in self._old[kind] else Standing.ASKED
            found[name] = there if self._reachable(name) else Standing.SILENT
        return found

    async def _carry_out(self, asked: Open) -> None:
        name = f"{self._rng.getrandbits(_ID_BITS):016x}"
        self._open[name] = asked
        try:
            for node in asked.waited_for:
                self._nudge(node)
            await self._settled(asked)
        finally:
            del self._open[name]
            self._over[name] = asked
            while len(self._over) > limits.RECORD_QUESTIONS_KEPT_MAX:
                self._over.popitem(last=False)

    async def _settled(self, asked: Open) -> None:
        while (left_s := asked.left_s(self._clock.monotonic_s())) > 0:
            if not await set_within(self._changed, left_s):
                return

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _question(name: str, asked: Open, left_s: float) -> Asked:
    if isinstance(asked, Sampling):
        return SampleQuestion(name, asked.wanted, left_s)
    return Question(name, asked.request_id, left_s)
