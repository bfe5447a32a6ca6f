"""One question to the nodes of a fleet, of whatever kind: who is asked, waited for, and may answer.

Pure. A node is handed a question a few times at most, and answers it once.
"""

from collections.abc import Mapping
from enum import StrEnum

from seawall import limits
from seawall.ids import NodeName


class Standing(StrEnum):
    """How far one node is with a question."""

    SILENT = "silent"
    """It was not heard lately, so it is not waited for."""
    OLD = "old"
    """Its version does not know the question."""
    ASKED = "asked"
    """It did not answer yet, or did not in time."""
    NOTHING = "nothing"
    """It searched all its records and has none."""
    IN_PART = "in-part"
    """It has none among those that it had time to search."""
    GARBLED = "garbled"
    """What it answered makes no sense."""
    FOUND = "found"
    TOLD = "told"
    """It told what it has seen."""


class Round:
    """What questions of all kinds have in common.

    Args:
        standings: of every node to ask, at the beginning; those `ASKED` are waited for.
        end_s: nobody is waited for after that, monotonic seconds.
    """

    def __init__(self, standings: Mapping[NodeName, Standing], end_s: float) -> None:
        self._standings = dict(standings)
        self._handed: dict[NodeName, int] = {}
        self._answering: set[NodeName] = set()
        self._end_s = end_s

    @property
    def waited_for(self) -> tuple[NodeName, ...]:
        """Nodes that are asked and did not answer yet."""
        return tuple(n for n, standing in self._standings.items() if standing is Standing.ASKED)

    def hand(self, node: NodeName) -> bool:
        """Whether `node` is to be asked now, with the answer to whatever it just asked itself."""
        standing, times = self._standings.get(node), self._handed.get(node, 0)
        if standing not in {Standing.ASKED, Standing.SILENT, Standing.OLD}:
            return False
        if times >= limits.RECORD_QUESTION_HANDED_MAX:
            return False
        self._handed[node] = times + 1
        self._standings[node] = Standing.ASKED
        return True

    def cannot(self, node: NodeName) -> None:
        """`node` does not know such questions: nobody waits for it."""
        if self._standings.get(node) is Standing.ASKED:
            self._standings[node] = Standing.OLD

    def begin(self, node: NodeName) -> bool:
        """Whether `node` may answer now: it was asked, and answers for the first time."""
        if node not in self._handed or node in self._answering:
            return False
        self._answering.add(node)
        return True

    def doubt(self, node: NodeName, why: str) -> str:
        """What `node` answered makes no sense; what people should know of it, in words."""
        self._standings[node] = Standing.GARBLED
        return f"{node}: {why}"

    def left_s(self, now_s: float) -> float:
        """How long it is worth waiting yet; 0 when nobody else is waited for."""
        if Standing.ASKED not in self._standings.values():
            return 0.0
        return max(0.0, self._end_s - now_s)
