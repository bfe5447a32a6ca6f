"""What control knows of its nodes: what each shall run, what it last said, and what it measured.

Nodes pull: an assignment is only offered here, by long poll. Reports are kept in memory; after a
restart of control the nodes say everything again, and are awaited until they had time to. Only the
newest report of a node counts; its windows are kept for the judge and for the rates of `status`,
each bounded by age and number. Nothing here decides what a node shall run.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from seawall import limits
from seawall.api.twins import Lives
from seawall.clock import Clock, offset_s
from seawall.errors import RefusedError
from seawall.ids import Generation, NodeName
from seawall.rollout import state
from seawall.rollout.ports import Assignment, Coming, NodeReport
from seawall.rollout.state import Assigned, Fleet, Inventory
from seawall.tasks import set_within
from seawall.telemetry.window import Window

_STABLE: Final = "stable"


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest report of a node, without its windows, and when it came (monotonic seconds)."""

    report: NodeReport
    at_s: float


@dataclass(slots=True)
class _Node:
    """One node.

    Attributes:
        at_s: when it last said or asked anything.
        polls: that wait for an assignment now.
        nudges: how often its polls were ended for something else.
        coming_until_s: when it is too late to say that a change is being prepared.
        early: how many of its windows went before their turn among those of all nodes.
        lives: of its agent.
    """

    seen: Seen | None = None
    at_s: float = 0.0
    polls: int = 0
    nudges: int = 0
    coming_until_s: float = 0.0
    early: int = 0
    lives: Lives = field(default_factory=Lives)
    windows: deque[Window] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class NodeBoard:
    """Assignments out, reports in, and a way to wait for either."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._offset_s = offset_s(clock)
        self._assigned: dict[NodeName, Assigned] = {}
        self._nodes: dict[NodeName, _Node] = {}
        self._traffic: deque[Window] = deque()
        self._traffic_sites = 0
        # Whose window came, in that order, so that the oldest goes first whoever sent it. Not the
        # windows themselves: those of a node's share that are over would stay here for days.
        self._order: deque[_Node] = deque()
        self._windows = 0
        self._sites = 0
        self._heard = asyncio.Event()
        self._closing = False

    # --- For the executor ------------------------------------------------------------------------

    def offer(self, fleet: Fleet) -> None:
        """What each node shall run from now on; those that poll and are concerned hear of it."""
        before, self._assigned = self._assigned, dict(fleet.assigned)
        for name, assigned in self._assigned.items():
            if before.get(name) != assigned and name in self._nodes:
                _wake(self._nodes[name])

    def inventory(self) -> Inventory:
        """Every node that was ever assigned something, or heard of."""
        now_s = self._clock.monotonic_s()
        names = sorted({*self._nodes, *self._assigned})
        return Inventory(
            {name: self._look(name, now_s) for name in names}, limits.NODE_SILENT_AFTER_S
        )

    def evidence(self) -> Sequence[Window]:
        """Windows of all slots that are kept for the judge."""
        self._follow_clock()
        oldest_s = self._clock.now_s() - limits.EVIDENCE_SPAN_S
        return [
            window
            for node in self._nodes.values()
            for window in node.windows
            if window.start_s > oldest_s
        ]

    async def changed(self, wait_s: float) -> bool:
        """Wait for any report or poll; False when none came within `wait_s` seconds."""
        return await set_within(self._heard, wait_s)

    # --- For people ------------------------------------------------------------------------------

    def nodes(self) -> tuple[Seen, ...]:
        """The newest report of every node, by name."""
        found = (self._nodes[name].seen for name in sorted(self._nodes))
        return tuple(seen for seen in found if seen is not None)

    def unheard(self) -> tuple[NodeName, ...]:
        """Nodes that were assigned something, and reported nothing here in the time they had."""
        if self._clock.monotonic_s() - self._began_s <= limits.NODE_SILENT_AFTER_S:
            return ()
        heard = {name for name, node in self._nodes.items() if node.seen is not None}
        return tuple(sorted(self._assigned.keys() - heard))

    def connected(self, seen: Seen) -> bool:
        """Whether the node has said something lately."""
        return self._clock.monotonic_s() - seen.at_s <= limits.NODE_SILENT_AFTER_S

    def twins(self) -> tuple[NodeName, ...]:
        """The nodes that two machines say they are, by name."""
        now_s = self._clock.monotonic_s()
        return tuple(name for name, node in sorted(self._nodes.items()) if node.lives.twins(now_s))

    def assigned(self, node: NodeName) -> Assigned | None:
        """What a node shall run."""
        return self._assigned.get(node)

    def windows(self) -> Iterator[Window]:
        """What clients met in the last span, oldest first."""
        self._follow_clock()
        oldest_s = self._clock.now_s() - limits.TRAFFIC_SPAN_S
        return (w for w in self._traffic if w.start_s + w.duration_s > oldest_s)

    def reachable(self, name: NodeName) -> bool:
        """Whether a node polls here now, or has said or asked something here lately."""
        node = self._nodes.get(name)
        if node is None:
            return False
        lately = self._clock.monotonic_s() - node.at_s <= limits.NODE_SILENT_AFTER_S
        return node.polls > 0 or lately

    def nudge(self, name: NodeName) -> None:
        """End a node's polls with nothing new: there is something else to tell it."""
        node = self._nodes.get(name)
        if node is not None:
            node.nudges += 1
            _wake(node)

    def foretell(self, name: NodeName) -> None:
        """A change is being prepared that the node may be assigned: say so with its next poll."""
        node = self._nodes.get(name)
        if node is not None:
            node.coming_until_s = self._clock.monotonic_s() + limits.HEAD_START_S
            _wake(node)

    # --- For nodes -------------------------------------------------------------------------------

    async def poll(
        self, name: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """The assignment above `known`, as soon as there is one.

        None after `wait_s` seconds, or at once when the node is nudged.

        Raises:
            RefusedError: one node too many.
        """
        node = self._node(name)
        node.at_s = self._clock.monotonic_s()
        self._say_heard()
        end_s = node.at_s + min(wait_s, limits.ASSIGNMENT_POLL_WAIT_S)
        node.polls += 1
        try:
            return await self._polled(node, name, known, end_s)
        finally:
            node.polls -= 1

    async def _polled(
        self, node: _Node, name: NodeName, known: Generation, end_s: float
    ) -> Assignment | Coming | None:
        nudges = node.nudges
        while not self._closing:
            found = self._assigned.get(name)
            if found is not None and found.generation > known:
                return Assignment(
                    found.generation, found.release, found.digest, found.bake_s, found.trial
                )
            now_s = self._clock.monotonic_s()
            if node.coming_until_s > now_s:
                node.coming_until_s = 0.0
                return Coming()
            left_s = end_s - now_s
            if node.nudges != nudges or left_s <= 0 or not await set_within(node.changed, left_s):
                return None
        return None

    def untold(self, report: NodeReport) -> NodeReport:
        """The report without the windows that are kept already: an answer to it was lost."""
        known = self._nodes.get(report.node)
        kept = {(one.slot, one.start_s) for one in known.windows} if known else set()
        fresh = (one for one in report.windows if (one.slot, one.start_s) not in kept)
        return replace(report, windows=tuple(fresh))

    def take(self, report: NodeReport) -> None:
        """Keep a report.

        Raises:
            RefusedError: one node too many.
        """
        node = self._node(report.node)
        self._follow_clock()
        latest_s = self._clock.now_s() + limits.CLOCK_SKEW_S_TOLD
        for window in report.windows:
            if window.start_s + window.duration_s <= latest_s:  # not of before a clock was set back
                self._keep(node, window)
        node.at_s = self._clock.monotonic_s()
        node.seen = Seen(replace(report, windows=()), node.at_s)
        node.lives = node.lives.heard(report.life, node.at_s)
        self._say_heard()

    def forget(self, name: NodeName) -> None:
        """A node was removed: what it said and measured counts no more."""
        gone = self._nodes.pop(name, None)
        if gone is None:
            return
        while gone.windows:
            self._drop_early(gone)
        _wake(gone)

    def close(self) -> None:
        """End every long poll, so that the process can stop."""
        self._closing = True
        self._say_heard()
        for node in self._nodes.values():
            _wake(node)

    def _node(self, name: NodeName) -> _Node:
        node = self._nodes.get(name)
        if node is None:
            if len(self._nodes) >= limits.NODES_MAX:
                raise RefusedError(
                    "too-many-nodes",
                    f"{limits.NODES_MAX} nodes already report, the most allowed. Node "
                    f"{name[:80]} is ignored.",
                    remedy="Restart the control process to forget nodes that are gone.",
                )
            node = self._nodes[name] = _Node()
        return node

    def _look(self, name: NodeName, now_s: float) -> state.Seen:
        node = self._nodes.get(name)
        if node is None:
            return state.Seen(name, None, max(0.0, now_s - self._began_s), heard=False)
        report = node.seen.report if node.seen is not None else None
        awaited = report is None and now_s - self._began_s <= limits.NODE_SILENT_AFTER_S
        return state.Seen(name, report, max(0.0, now_s - node.at_s), awaited=awaited)

    def _keep(self, node: _Node, window: Window) -> None:
        if len(node.windows) >= limits.EVIDENCE_WINDOWS_PER_NODE_MAX:
            self._drop_early(node)
        node.windows.append(window)
        self._order.append(node)
        self._windows += 1
        self._sites += len(window.sites)
        while (
            self._windows > limits.EVIDENCE_WINDOWS_MAX or self._sites > limits.EVIDENCE_SITES_MAX
        ):
            self._drop_oldest()
        if len(self._order) > 2 * limits.EVIDENCE_WINDOWS_MAX:
            self._forget_turns()
        if window.slot == _STABLE or window.edge.get("requests"):
            self._traffic.append(window)
            self._traffic_sites += len(window.sites)
            self._drop_old_traffic()

    def _drop_oldest(self) -> None:
        """Drop the oldest window of all nodes."""
        while (owner := self._order.popleft()).early:
            owner.early -= 1
        self._drop(owner)

    def _drop_early(self, node: _Node) -> None:
        """Drop the oldest window of a node, whosever turn it is."""
        self._drop(node)
        node.early += 1

    def _drop(self, node: _Node) -> None:
        self._sites -= len(node.windows.popleft().sites)
        self._windows -= 1

    def _forget_turns(self) -> None:
        """Forget the turns of windows that went before them."""
        turns, self._order = self._order, deque()
        for node in turns:
            if node.early:
                node.early -= 1
            else:
                self._order.append(node)

    def _drop_old_traffic(self) -> None:
        oldest_s = self._clock.now_s() - limits.TRAFFIC_SPAN_S
        while self._traffic and (
            self._traffic[0].start_s + self._traffic[0].duration_s <= oldest_s
            or len(self._traffic) > limits.TRAFFIC_WINDOWS_MAX
            or self._traffic_sites > limits.TRAFFIC_SITES_MAX
        ):
            self._traffic_sites -= len(self._traffic.popleft().sites)

    def _follow_clock(self) -> None:
        """What is kept was measured as long ago as before when somebody sets the clock."""
        before_s, self._offset_s = self._offset_s, offset_s(self._clock)
        by_s = self._offset_s - before_s
        if abs(by_s) < limits.CLOCK_SET_S_MIN:
            return
        later: dict[int, Window] = {}

        def moved(window: Window) -> Window:
            # The same window is kept in several places, and known there by its identity.
            found = later.get(id(window))
            if found is None:
                found = later[id(window)] = replace(window, start_s=window.start_s + by_s)
            return found

        for node in self._nodes.values():
            node.windows = deque(map(moved, node.windows))
        self._traffic = deque(map(moved, self._traffic))

    def _say_heard(self) -> None:
        self._heard.set()
        self._heard = asyncio.Event()


def _wake(node: _Node) -> None:
    node.changed.set()
    node.changed = asyncio.Event()
