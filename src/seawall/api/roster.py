"""What the edge shall run now: the store's assignment, offered to the node, and its rejections.

A rejected assignment is undone here whether or not an apply is watching: its digest is quarantined
when its content is to blame, and the release the node still serves is assigned again, so that the
record says what is true. Everything is compare-and-set: a lost race is left to its winner.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from seawall import limits
from seawall.api.nodes import NodeBoard
from seawall.errors import ConflictError, SeawallError
from seawall.gate.compat import Recipient
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.release.store import Store, StoredAssignment
from seawall.rollout.ports import Assignment, NodeReport, Phase
from seawall.tasks import Background

if TYPE_CHECKING:
    from seawall.release.release import ReleaseRecord

LOCAL: Final = NodeName("local")
"""The one node of a machine."""
_ACTOR: Final = "seawall"
_MACHINE_WORDS: Final = (
    "address already in use",
    "cannot bind",
    "cannot assign requested address",
    "permission denied",
    "not connected",
)
"""Envoy's words for what the machine, not the release, is to blame for."""


class Roster:
    """The current release and its assignment; a cache of what the store says.

    Args:
        log: told what was undone and why.
    """

    def __init__(
        self,
        store: Store,
        board: NodeBoard,
        background: Background,
        *,
        log: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._board = board
        self._background = background
        self._log = log
        self._undoing: dict[Generation, asyncio.Task[None]] = {}
        self._rejected: dict[Generation, NodeReport] = {}
        self._good: tuple[ReleaseId, ...] = ()
        self.current: ReleaseRecord | None = None
        self.assigned: StoredAssignment | None = None
        self.last_refusal = ""

    async def start(self) -> None:
        """Take up what the store says, and offer it."""
        assigned = await asyncio.to_thread(self._store.assignment, LOCAL)
        if assigned is not None:
            await self._take_up(assigned)

    async def assign(
        self,
        release: ReleaseId,
        expected: ReleaseId | None,
        *,
        actor: str,
        force_quarantined: bool = False,
    ) -> StoredAssignment:
        """Let the edge run `release` if it still runs `expected`.

        Raises:
            ConflictError: something else was assigned meanwhile.
            RefusedError: the digest is quarantined.
            NotFoundError: no such release.
        """
        assigned = await asyncio.to_thread(
            self._store.assign,
            LOCAL,
            release,
            expected,
            actor=actor,
            bake_s=limits.BAKE_S,
            force_quarantined=force_quarantined,
            generation_floor=self._floor(),
        )
        await self._take_up(assigned)
        return assigned

    def recipients(self) -> tuple[Recipient, ...]:
        """The nodes that would be given a release, as far as they have said what they read."""
        reports = (seen.report for seen in self._board.nodes())
        return tuple(
            Recipient(each.node, each.envoy.version if each.envoy else "", each.bundle_format)
            for each in reports
        )

    def report(self) -> NodeReport | None:
        """The newest report of the node."""
        return next((s.report for s in self._board.nodes() if s.report.node == LOCAL), None)

    def takes_current(self) -> bool:
        """Whether no node has rejected the current assignment."""
        return self.assigned is None or self.assigned.generation not in self._rejected

    async def heard(self, report: NodeReport) -> None:
        """Act on a report: remember what is good on the node, undo what it rejected."""
        if report.node != LOCAL:
            return
        # Before the first await: whoever watches this assignment must find the rejection.
        assigned = self.assigned
        if (
            assigned is not None
            and report.phase is Phase.REJECTED
            and report.generation == assigned.generation
            and report.generation not in self._rejected
        ):
            self._rejected = {report.generation: report}
            undo = self._undo(report, assigned)
            self._undoing[report.generation] = self._background.spawn(undo, name="undo")
        if report.last_known_good != self._good:
            await asyncio.to_thread(
                self._store.set_last_known_good, report.node, report.last_known_good
            )
            self._good = report.last_known_good

    async def rejection(self, generation: Generation) -> NodeReport | None:
        """The report that rejected `generation`, once that has been undone; None if none did."""
        undo = self._undoing.pop(generation, None)
        if undo is not None:
            await asyncio.wait((undo,))
        return self._rejected.get(generation)

    async def _undo(self, report: NodeReport, assigned: StoredAssignment) -> None:
        reason = report.message or "the node rejected it"
        self.last_refusal = reason
        self._log("release-rejected", reason)
        if blames_content(report):
            await asyncio.to_thread(self._store.quarantine, assigned.digest, reason, actor=_ACTOR)
        await self._refresh_current()
        back = report.release if report.release != assigned.release else None
        for release in dict.fromkeys((back, assigned.previous)):
            if release is not None and release != assigned.release:
                try:
                    await self.assign(release, assigned.release, actor=_ACTOR)
                except ConflictError:
                    return
                except SeawallError as error:
                    self._log("not-reassigned", f"{release}: {error.message}")
                else:
                    return

    async def _refresh_current(self) -> None:
        if self.current is not None:
            self.current = await asyncio.to_thread(self._store.get, self.current.id)

    async def _take_up(self, assigned: StoredAssignment) -> None:
        self.current = await asyncio.to_thread(self._store.get, assigned.release)
        self.assigned = assigned
        self._board.assign(
            Assignment(assigned.generation, assigned.release, assigned.digest, assigned.bake_s)
        )

    def _floor(self) -> Generation:
        reported = [seen.report.generation for seen in self._board.nodes()]
        return max(reported, default=Generation(0))


def blames_content(report: NodeReport) -> bool:
    """Whether a rejection says something about the release rather than about the machine.

    A port that is taken, or a bundle this node does not trust, may be all right tomorrow: such a
    digest is not quarantined.
    """
    words = " ".join((report.message, *(nack.envoy_words for nack in report.nacks))).lower()
    return "envoy" in words and not any(machine in words for machine in _MACHINE_WORDS)
