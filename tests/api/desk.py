"""A desk of questions for a fleet whose nodes the test plays."""

import asyncio
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, TypeVar

from seawall.api.record_desk import RecordDesk
from seawall.clock import Clock
from seawall.ids import NodeName

ResultT = TypeVar("ResultT")


class Desk:
    """Nodes whose polls the test makes itself.

    Attributes:
        names: of all nodes.
        there: those that were heard lately.
        nudged: whose poll was ended early, in order.
        nudge_came: set at each of these.
        said: what was told to people.
    """

    def __init__(self, names: Sequence[NodeName], clock: Clock) -> None:
        self.names = names
        self.there = set(names)
        self.nudged: list[NodeName] = []
        self.nudge_came = asyncio.Event()
        self.said: list[tuple[str, str]] = []
        self.desk = RecordDesk(
            self._names,
            reachable=self.there.__contains__,
            nudge=self._nudge,
            clock=clock,
            rng=Random(3),
            log=lambda event, text: self.said.append((event, text)),
        )

    async def open(self, question: Coroutine[Any, Any, ResultT]) -> "asyncio.Task[ResultT]":
        """Ask; the question is open when this returns."""
        self.nudge_came.clear()
        task = asyncio.ensure_future(question)
        await self.nudge_came.wait()
        return task

    async def _names(self) -> Sequence[NodeName]:
        return self.names

    def _nudge(self, node: NodeName) -> None:
        self.nudged.append(node)
        self.nudge_came.set()
