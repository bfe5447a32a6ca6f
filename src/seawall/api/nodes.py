"""What control knows of its nodes: the assignment they shall run, and what they last said.

Nodes pull: an assignment is only offered here, by long poll. Reports are kept in memory; after a
restart of control the nodes say everything again. Only the newest report of a node counts, and
its windows are kept for a bounded span. Nothing here decides what a node shall run.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from seawall import limits
from seawall.clock import Clock
from seawall.errors import RefusedError
from seawall.ids import Generation, NodeName
from seawall.rollout.ports import Assignment, NodeReport
from seawall.telemetry.window import Window


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest report of a node, without its windows, and when it came (monotonic seconds)."""

    report: NodeReport
    at_s: float


class NodeBoard:
    """Assignments out, reports in, and a way to wait for either."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._assignment: Assignment | None = None
        self._nodes: dict[NodeName, Seen] = {}
        self._windows: deque[Window] = deque(maxlen=limits.TRAFFIC_WINDOWS_MAX)
        self._changed = asyncio.Event()
        self._closing = False

    @property
    def assignment(self) -> Assignment | None:
        """What every node shall run; None before the first release."""
        return self._assignment

    def assign(self, assignment: Assignment | None) -> None:
        """Offer a new assignment to all who poll."""
        self._assignment = assignment
        self._wake()

    def nodes(self) -> tuple[Seen, ...]:
        """The newest report of every node, by name."""
        return tuple(self._nodes[name] for name in sorted(self._nodes))

    def connected(self, seen: Seen) -> bool:
        """Whether the node has said something lately."""
        return self._clock.monotonic_s() - seen.at_s <= limits.NODE_SILENT_AFTER_S

    def windows(self) -> Iterator[Window]:
        """Windows of the last span, oldest first."""
        oldest_s = self._clock.now_s() - limits.TRAFFIC_SPAN_S
        return (w for w in self._windows if w.start_s + w.duration_s > oldest_s)

    async def poll(self, known: Generation, wait_s: float) -> Assignment | None:
        """The assignment above `known`, as soon as there is one; None after `wait_s` seconds."""
        end_s = self._clock.monotonic_s() + min(wait_s, limits.ASSIGNMENT_POLL_WAIT_S)
        while not self._closing:
            assignment = self._assignment
            if assignment is not None and assignment.generation > known:
                return assignment
            left_s = end_s - self._clock.monotonic_s()
            if left_s <= 0 or not await self.changed(left_s):
                return None
        return None

    def take(self, report: NodeReport) -> None:
        """Keep a report.

        Raises:
            RefusedError: one node too many.
        """
        if report.node not in self._nodes and len(self._nodes) >= limits.NODES_MAX:
            raise RefusedError(
                "too-many-nodes",
                f"{limits.NODES_MAX} nodes report already; {report.node[:80]} is not taken in.",
                remedy="Restart control to forget nodes that are gone.",
            )
        for window in report.windows:
            self._drop_old_windows()
            self._windows.append(window)
        bare = replace(report, windows=())
        self._nodes[report.node] = Seen(bare, self._clock.monotonic_s())
        self._wake()

    async def changed(self, wait_s: float) -> bool:
        """Wait for any assignment or report; False when none came within `wait_s` seconds."""
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End every long poll, so that the process can stop."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _drop_old_windows(self) -> None:
        oldest_s = self._clock.now_s() - limits.TRAFFIC_SPAN_S
        while self._windows and self._windows[0].start_s + self._windows[0].duration_s <= oldest_s:
            self._windows.popleft()
