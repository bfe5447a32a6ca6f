"""A stored release to the node and back: assign it, watch the node take it, or go back to another.

The node decides whether it can run a release; this waits for what it says, tells each step, and
turns a refusal into words with a place in the site file.
"""

import asyncio
from types import MappingProxyType
from typing import Final

from seawall import limits
from seawall.api import refusals
from seawall.api.nodes import NodeBoard
from seawall.api.present import envoy_refusal, refusal_text
from seawall.api.progress import Flow, ReleaseRefusedError
from seawall.api.records import bundle_of, release_view
from seawall.api.roster import Roster
from seawall.api.views import Applied
from seawall.api.work import Places
from seawall.clock import Clock
from seawall.ids import ReleaseId
from seawall.release.release import ReleaseRecord
from seawall.release.store import Store, StoredAssignment
from seawall.rollout.ports import NodeReport, Phase
from seawall.site.problem import Location

_NOWHERE: Final[Places] = MappingProxyType({})


class Rollout:
    """Brings releases to the node."""

    def __init__(self, store: Store, board: NodeBoard, roster: Roster, clock: Clock) -> None:
        self._store = store
        self._board = board
        self._roster = roster
        self._clock = clock

    async def assign(
        self,
        flow: Flow,
        record: ReleaseRecord,
        expected: ReleaseId | None,
        actor: str,
        *,
        forced: bool,
    ) -> StoredAssignment:
        """Make `record` what the edge shall run.

        Raises:
            ConflictError: something other than `expected` is assigned now.
            RefusedError: quarantined and not forced.
        """
        flow.started("assign")
        assigned = await self._roster.assign(
            record.id, expected, actor=actor, force_quarantined=forced
        )
        flow.done("assign", f"generation {assigned.generation}")
        return assigned

    async def watch(
        self,
        flow: Flow,
        record: ReleaseRecord,
        assigned: StoredAssignment,
        locations: Places = _NOWHERE,
    ) -> None:
        """Return when the node serves the assignment; it goes on baking by itself.

        Raises:
            ReleaseRefusedError: the node rejected it; it has been undone.
            UnreachableError: the node said nothing decisive in time.
            ConflictError: another assignment came between.
        """
        flow.started("fetch")
        end_s = self._clock.monotonic_s() + limits.APPLY_SERVE_TIMEOUT_S
        while True:
            rejected = await self._roster.rejection(assigned.generation)
            if rejected is not None:
                if rejected.nacks:
                    _fetched(flow)
                raise _rejected(record, rejected, locations)
            report = self._roster.report()
            if report is not None and self._served(flow, report, assigned):
                return
            left_s = end_s - self._clock.monotonic_s()
            if left_s <= 0 or not await self._board.changed(left_s):
                raise refusals.silent_node(record.id)

    def _served(self, flow: Flow, report: NodeReport, assigned: StoredAssignment) -> bool:
        if report.generation < assigned.generation:
            return False
        if report.generation > assigned.generation:
            now = self._roster.assigned
            raise refusals.superseded(assigned.release, now.release if now else "another release")
        if report.phase is Phase.FETCHING:
            return False
        _fetched(flow)
        if report.phase in {Phase.BAKING, Phase.GOOD} and report.release == assigned.release:
            flow.done("commit", "Envoy acknowledged every resource")
            flow.started("serve")
            flow.done("serve", f"{assigned.release} serves")
            flow.started("bake", f"last known good after {assigned.bake_s:.0f} s")
            return True
        return False

    async def back(
        self,
        flow: Flow,
        release: ReleaseId | None,
        *,
        author: str,
        message: str,
        force: tuple[str, ...],
    ) -> None:
        """Serve an earlier release again.

        Raises:
            NotFoundError: no such release, or none to go back to.
            RefusedError: it is quarantined and not forced, or its content is damaged.
            SeawallError: as `assign` and `watch`.
        """
        flow.started("check")
        current = self._roster.current
        target = await asyncio.to_thread(self._target, release, current)
        forced = bool(target.quarantined) and refusals.forces(force, target.digest)
        if target.quarantined and not forced:
            raise refusals.quarantined(target.id, target.quarantined, target.digest)
        if current is not None and target.id == current.id and self._roster.takes_current():
            flow.end(self._outcome(flow, target, current, None))
            return
        await asyncio.to_thread(bundle_of, self._store, target)
        flow.done("check", f"back to {target.id}")
        expected = current.id if current else None
        assigned = await self.assign(flow, target, expected, author, forced=forced)
        if message:
            await asyncio.to_thread(
                self._store.audit.add,
                actor=author,
                action="rollback-reason",
                subject=target.id,
                detail=message,
            )
        await self.watch(flow, target, assigned)
        flow.end(self._outcome(flow, target, current, assigned))

    def _target(self, release: ReleaseId | None, current: ReleaseRecord | None) -> ReleaseRecord:
        if release is not None:
            return self._store.get(release)
        if current is None:
            raise refusals.nothing_before("there is no release yet")
        report = self._roster.report()
        good = set(report.last_known_good if report else ())
        older = [
            record
            for record in self._store.list(count_max=limits.PAGE_SIZE_MAX, before=current.id)
            if not record.quarantined and record.digest != current.digest
        ]
        known_good = (record for record in older if record.id in good)
        target = next(known_good, older[0] if older else None)
        if target is None:
            raise refusals.nothing_before(f"{current.id} is the first one that can serve")
        return target

    def _outcome(
        self,
        flow: Flow,
        target: ReleaseRecord,
        current: ReleaseRecord | None,
        assigned: StoredAssignment | None,
    ) -> Applied:
        note = f"{target.id} is current already: nothing to change."
        return Applied(
            release=release_view(target, self._roster.current, self._roster.report()),
            changed=assigned is not None,
            dry_run=False,
            previous=current.id if current else None,
            elapsed_s=flow.elapsed_s,
            notes=() if assigned else (note,),
            node_generation=assigned.generation if assigned else 0,
        )


def _fetched(flow: Flow) -> None:
    if flow.stage == "fetch":
        flow.done("fetch")
        flow.started("commit", "Envoy takes it")


def _rejected(record: ReleaseRecord, report: NodeReport, places: Places) -> ReleaseRefusedError:
    locations = {subject: Location(*place) for subject, place in places.items()}
    views = tuple(envoy_refusal(nack, locations) for nack in report.nacks)
    return ReleaseRefusedError(
        "node-rejected",
        refusal_text(views) if views else report.message or "The node rejected the release.",
        remedy=f"{report.release or 'Nothing'} serves. Mend the cause and apply again.",
        envoy=views,
        release=record.id,
    )
