"""What the edge shall run, as records, and what nodes said that must outlive their next report.

The fleet itself is the executor's; this keeps the current release's record beside it, what is last
known good on which node, and the newest refusal of each release with Envoy's own words, so that
whoever waits for a release can be told where it went wrong.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from seawall import limits
from seawall.api.made_of import MadeOf
from seawall.api.nodes import NodeBoard
from seawall.errors import RefusedError, UnreachableError
from seawall.gate.compat import Recipient
from seawall.ids import Digest, NodeName, ReleaseId
from seawall.release.rows import release_number
from seawall.release.signing import PublicKey
from seawall.release.store import Store
from seawall.rollout import behind
from seawall.rollout.ports import NodeReport, Phase, TrialPhase
from seawall.rollout.state import Fleet, Stage
from seawall.site.sources import SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seawall.release.release import ReleaseRecord

LOCAL: Final = NodeName("local")
"""The one node of a machine."""


class Roster:
    """The current release, and what nodes said of releases.

    Attributes:
        current: the record of the fleet's target; None before the first release.
        fleet: as the executor knows it.
    """

    def __init__(self, store: Store, board: NodeBoard, key: PublicKey) -> None:
        self._store = store
        self._key = key
        self._board = board
        self._made_of = MadeOf(store)
        self._good: dict[NodeName, tuple[tuple[ReleaseId, ...], tuple[Digest, ...]]] = {}
        self._refusals: OrderedDict[Digest, NodeReport] = OrderedDict()
        self.current: ReleaseRecord | None = None
        self.fleet = Fleet()

    async def take_up(self, fleet: Fleet) -> None:
        """Follow the fleet."""
        target = fleet.target
        self.current = (
            None if target is None else await asyncio.to_thread(self._store.get, target.release)
        )
        self.fleet = fleet

    def signed(self, record: "ReleaseRecord") -> bool:
        """Whether a record from the store is what this control made: nobody wrote in it."""
        try:
            self._key.verify(record)
        except RefusedError:
            return False
        return True

    async def made_of(self, sources: SourceSet) -> ReleaseId | None:
        """The current release, or else the newest that went out, if made of these very files."""
        return await self._made_of.newest(sources, self.current)

    def recipients(self) -> tuple[Recipient, ...]:
        """The nodes that would be given a release, as far as they have said what they read."""
        return tuple(
            Recipient(each.node, each.envoy.version if each.envoy else "", each.bundle_format)
            for each in self.reports()
        )

    def foretell(self) -> None:
        """A release is being prepared: where there is one node, it will try it, and may get ready.

        Of many nodes only some would, and which ones is not known yet.
        """
        if [each.node for each in self.reports()] == [LOCAL]:
            self._board.foretell(LOCAL)

    def reports(self) -> tuple[NodeReport, ...]:
        """The newest report of every node."""
        return tuple(seen.report for seen in self._board.nodes())

    def report(self) -> NodeReport | None:
        """The newest report of this machine's node, or of the first one of a fleet."""
        seen = self._board.nodes()
        local = next((each.report for each in seen if each.report.node == LOCAL), None)
        return local or (seen[0].report if seen else None)

    @property
    def serving(self) -> ReleaseId | None:
        """What goes on serving: the target, or what nodes keep while this store is behind them.

        What a node of a fleet said last may be what was just withdrawn from it.
        """
        target = self.fleet.target
        return self.kept or (target.release if target is not None else None)

    @property
    def newest(self) -> ReleaseId | None:
        """What began to serve last: what a wave of nodes has committed, or else the target."""
        running, target = self.fleet.running, self.fleet.target
        if running is not None and running.committed:
            return running.release
        return target.release if target is not None else None

    @property
    def kept(self) -> ReleaseId | None:
        """What nodes serve that this store has forgotten, by the name it had; None for nothing."""
        return behind.kept(self.fleet, self.reports())

    def before(self, current: "ReleaseRecord") -> "Iterator[ReleaseRecord]":
        """What served before, newest first, without what somebody has gone back from since.

        Blocks. Of what is older than all that is kept of that, everything.
        """
        kept = {one.id: one for one in self._store.list(count_max=limits.PAGE_SIZE_MAX)}
        newest, name = release_number(current.id), self.fleet.target_before
        if name is None or release_number(name) > newest:
            name = current.parent  # somebody went back to this one
        while name in kept and release_number(name) < newest:
            yield kept[name]
            newest, name = release_number(name), kept[name].parent
        if name is not None:
            yield from self._store.list(count_max=limits.PAGE_SIZE_MAX, before=name)

    def good(self, release: ReleaseId) -> bool:
        """Whether a node keeps it as last known good."""
        return any(good.release == release for good in self.fleet.good)

    def refusal(self, digest: Digest) -> NodeReport | None:
        """The newest report in which a node refused or withdrew content."""
        return self._refusals.get(digest)

    async def gone_back_from(self) -> "ReleaseRecord | None":
        """The release that the current one followed, when that is newer; with how it ended."""
        before = self.fleet.target_before
        if self.current is None or before is None:
            return None
        if release_number(before) < release_number(self.current.id):
            return None
        return await asyncio.to_thread(self._store.get, before)

    async def aborted(self) -> "tuple[ReleaseRecord, bytes] | None":
        """The newest release and its content, when a person took it back before it was current."""

        def read() -> "tuple[ReleaseRecord, bytes] | None":
            newest = next(iter(self._store.list(count_max=1)), None)
            if newest is None or newest.stage != Stage.ABORTED:
                return None
            return newest, self._store.bundle_bytes(newest.digest)

        return await asyncio.to_thread(read)

    def forget_refusal(self, digest: Digest) -> None:
        """Content is about to be tried again."""
        self._refusals.pop(digest, None)

    async def forget(self, name: NodeName) -> None:
        """A node was removed: what it keeps is no way back any more."""
        self._good.pop(name, None)
        await asyncio.to_thread(self._store.set_last_known_good, name, ())

    async def heard(self, report: NodeReport) -> None:
        """Remember of a report what the next one will not say any more."""
        digest = self._refused(report)
        if digest is not None:
            # Its words are what counts; windows are up to 16 MiB, and nobody bounds them here.
            self._refusals[digest] = replace(report, windows=())
            while len(self._refusals) > limits.REFUSALS_KEPT_MAX:
                self._refusals.popitem(last=False)
        good = report.last_known_good, report.good_digests
        if good != self._good.get(report.node, ((), ())):
            # A full disk is no reason not to hear a node: its next report says it again.
            with suppress(UnreachableError):
                await asyncio.to_thread(self._store.set_last_known_good, report.node, *good)
                self._good[report.node] = good

    def _refused(self, report: NodeReport) -> Digest | None:
        assigned = self._board.assigned(report.node)
        if assigned is None:
            return None
        trial = report.trial
        if trial is not None and trial.phase is TrialPhase.FAILED:
            # Of what it was given only: it speaks for no content that others run.
            given = {assigned.digest, assigned.trial.digest if assigned.trial else None}
            return trial.digest if trial.digest in given else None
        if report.phase is Phase.REJECTED and assigned.generation == report.generation:
            return assigned.digest
        return None
