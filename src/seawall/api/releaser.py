"""The path of every release: check, compile, guard, validate, store, assign, and watch the node.

One release at a time. Every step may refuse; until the assignment nothing has changed anywhere.
An operation goes on when the one who asked for it goes away: half a release would be worse. The
steps judge nothing themselves: the site loader, the compiler, the guard, Envoy and the node do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from seawall import limits
from seawall.api import refusals
from seawall.api.follower import STAYS, Follower
from seawall.api.order import SPEEDS, Order
from seawall.api.progress import Flow, ReleaseRefusedError
from seawall.api.releases import nothing_new, release_view
from seawall.api.rollouts import Rollouts
from seawall.api.roster import Roster
from seawall.api.status_views import NoticeView
from seawall.api.views import Applied, ReleaseView
from seawall.api.work import Facts, Prepared
from seawall.api.workshop import Workshop, nobody
from seawall.clock import Clock
from seawall.errors import ConflictError, NotFoundError, RefusedError, SeawallError, UsageError
from seawall.gate import report as gate_report
from seawall.heap import give_back_soon
from seawall.ids import Digest, ListName, ReleaseId
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.signing import SigningKey
from seawall.release.store import Store
from seawall.tasks import Background

_ASKED_WRONGLY: Final = (NotFoundError, UsageError)
"""Of what does not exist nobody need be reminded: who asked was told."""


class Releaser:
    """Carries out releases.

    Args:
        roster: what the edge shall run.
        rollout: follows a release through the fleet.
        rollouts: puts a stored release on its way.
        workshop: checks, compiles, compares and validates.
        log: told every outcome; must not raise.
        log_error: told of what nobody expected; must not raise.
    """

    def __init__(
        self,
        *,
        store: Store,
        signer: SigningKey,
        roster: Roster,
        follower: Follower,
        rollouts: Rollouts,
        workshop: Workshop,
        clock: Clock,
        background: Background,
        log: Callable[[str, str], None],
        log_error: Callable[[str, BaseException], None],
    ) -> None:
        self._store = store
        self._signer = signer
        self._roster = roster
        self._follower = follower
        self._rollouts = rollouts
        self._workshop = workshop
        self._clock = clock
        self._background = background
        self._log = log
        self._log_error = log_error
        self._busy = ""
        self._preparing: Flow | None = None
        self._notice: NoticeView | None = None
        self._damage: NoticeView | None = None
        self._facts: tuple[Digest, Facts] | None = None

    def notice(self) -> NoticeView | None:
        """That what serves cannot be read; or that the last change asked for is not what serves."""
        return self._damage or self._notice

    async def look_back(self) -> None:
        """Find what the process before this one stored and did not put on its way any more."""
        newest = next(iter(await asyncio.to_thread(self._store.list, count_max=1)), None)
        if newest is None or newest.stage or self._busy:
            return
        if self._roster.current is None or self._roster.current.id != newest.id:
            self._notice = refusals.unfinished(newest)

    @property
    def busy(self) -> str:
        """What is going on now, for example `ann applies a site file`; empty when nothing is."""
        return self._busy or self._follower.under_way

    @property
    def in_the_gate(self) -> str:
        """Like `busy`, of what is no rollout yet: nothing can withdraw it."""
        return self._busy

    def in_the_way(self, kind: Kind) -> str:
        """What a release of this kind has to wait for; empty when it can begin."""
        return self._busy or self._follower.in_the_way(SPEEDS[kind])

    def unless_frozen(self) -> None:
        """Before any work that would be for nothing: see `Rollouts.may_start_anew`."""
        self._rollouts.may_start_anew(break_glass=False)

    @property
    def current(self) -> ReleaseRecord | None:
        """What the edge is meant to serve."""
        return self._roster.current

    @property
    def serving(self) -> ReleaseId | None:
        """See `Roster.serving`."""
        return self._roster.serving

    @property
    def roster(self) -> Roster:
        """What the edge shall run."""
        return self._roster

    def apply(self, order: Order) -> Flow:
        """Begin a release.

        Raises:
            ConflictError: another one is on its way.
        """
        flow = Flow(self._clock, dry_run=order.dry_run)
        way = "" if order.dry_run or order.break_glass else self.in_the_way(order.kind)
        return self._begin(flow, order.words, self._apply(flow, order), way=way)

    def rollback(
        self,
        release: ReleaseId | None,
        *,
        author: str,
        message: str,
        force: tuple[str, ...],
        break_glass: bool = False,
    ) -> Flow:
        """Begin to serve an earlier release again.

        With `break_glass` also one that never was last known good goes everywhere at once.

        Raises:
            ConflictError: a release is on its way.
        """
        flow = Flow(self._clock)
        work = self._follower.back(
            flow,
            release,
            author=author,
            message=message,
            force=force,
            break_glass=break_glass,
            on_its_way=lambda: self._prepared(flow),
        )
        how = " without steps" if break_glass else ""
        return self._begin(flow, f"{author} rolls back{how}", work)

    async def current_facts(self) -> Facts | None:
        """Of the current release; None before the first, or when it is unreadable."""
        current = self._roster.current
        if current is None:
            return None
        if self._facts is None or self._facts[0] != current.digest:
            try:
                encoded = await self.current_bytes()
                if encoded is None:
                    return None
                self._facts = current.digest, await self._workshop.facts(encoded)
            except SeawallError as error:
                self._log("current-release-unreadable", error.message)
                return None
        return self._facts[1]

    async def pushed(self, name: ListName) -> bytes | None:
        """What the current release holds of a pushed feed; None when nothing was pushed."""
        encoded = await self.current_bytes()
        return None if encoded is None else await self._workshop.pushed(encoded, name)

    # --- One at a time ---------------------------------------------------------------------------

    def _begin(
        self, flow: Flow, what: str, work: Coroutine[Any, Any, None], *, way: str = ""
    ) -> Flow:
        way = self._busy or way
        if way:
            work.close()
            raise refusals.in_progress(way, in_the_gate=bool(self._busy))
        self._busy, self._preparing = what, flow
        self._background.spawn(self._carry_out(flow, what, work), name="release")
        return flow

    async def _carry_out(self, flow: Flow, what: str, work: Awaitable[None]) -> None:
        try:
            await work
            self._notice = self._notice if flow.dry_run else None
        except SeawallError as error:
            self._log("release-refused", f"{what}: {error.message}")
            if not flow.dry_run and not isinstance(error, _ASKED_WRONGLY):
                self._notice = None if error.code in STAYS else refusals.noticed(error)
            flow.refuse(error, serving=self._roster.serving)
        except asyncio.CancelledError:
            flow.refuse(refusals.stopping(), serving=self._roster.serving)
            raise
        except Exception as error:  # noqa: BLE001 - one broken release must not end the process
            self._log_error("release", error)
            flow.refuse(refusals.unexpected(), serving=self._roster.serving)
        finally:
            self._prepared(flow)
        await give_back_soon(self._clock)

    def _prepared(self, flow: Flow) -> None:
        """From here on the rollout itself tells who is first."""
        if self._preparing is flow:
            self._busy, self._preparing = "", None

    # --- Apply -----------------------------------------------------------------------------------

    async def _apply(self, flow: Flow, order: Order) -> None:
        """A switch is made anew on what went live while it was in the gate: it cannot wait."""
        attempts = limits.SWITCH_ATTEMPTS_MAX if order.kind is Kind.SWITCH else 1
        for left in reversed(range(attempts)):
            try:
                await self._apply_once(flow, order)
            except ConflictError as error:
                if not left or error.code != "parent-moved":
                    raise
                flow.goes_on(f"starts over: {error.message}")
            else:
                return

    async def _apply_once(self, flow: Flow, order: Order) -> None:
        current = self._roster.current
        flow.started("check")
        if order.parent and (current is None or order.parent != current.id):
            raise refusals.overtaken(order.parent, current)
        prepared = await self._prepare(flow, order)
        if prepared.same and current is not None:
            self._same_again(flow, order, current, prepared)
            return
        forced = await self._quarantine(order, prepared.digest)
        if order.dry_run:
            flow.end(self._applied(flow, None, current, prepared))
            return
        record = await self._store_release(flow, order, prepared, current)
        generation = await self._bring_out(flow, record, current, order, prepared, forced=forced)
        self._log("applied", f"{record.id} by {order.author}")
        flow.end(self._applied(flow, record, current, prepared, generation=generation))

    async def _prepare(self, flow: Flow, order: Order) -> Prepared:
        """Check, compile and the gate; content that the gate found harmful is quarantined."""
        current = self._roster.current
        try:
            return await self._workshop.prepare(
                order.sources,
                order.kind,
                order.force,
                refusals.unless_damaged(await self.current_bytes(), current, order.force),
                validate_same=False,
                step=flow.step,
                extras=replace(order.extras, at_s=self._clock.now_s()),
                recipients=self._roster.recipients(),
                coming=self._roster.foretell if order.is_tried else nobody,
            )
        except ReleaseRefusedError as error:
            if error.blamed and not order.dry_run:
                await asyncio.to_thread(
                    self._store.quarantine, Digest(error.blamed), error.message, actor="the gate"
                )
            raise

    def _same_again(
        self, flow: Flow, order: Order, current: ReleaseRecord, prepared: Prepared
    ) -> None:
        """The content is current already: nothing to do."""
        flow.end(
            Applied(
                release=self._view(current),
                changed=False,
                dry_run=order.dry_run,
                previous=current.id,
                elapsed_s=flow.elapsed_s,
                problems=prepared.warnings,
                notes=(nothing_new(current, self._roster, "already has this content"),),
                node_generation=self._roster.fleet.generation,
            )
        )

    async def current_bytes(self) -> bytes | None:
        """The encoded content of the current release; None when there is none to compare with.

        Raises:
            UnreachableError: the store is away: without it a change would begin from nothing.
        """
        current = self._roster.current
        if current is None:
            return None
        try:
            encoded = await asyncio.to_thread(self._store.bundle_bytes, current.digest)
        except (NotFoundError, RefusedError) as error:
            self._log("current-release-unreadable", error.message)
            told = refusals.damaged(current)
            self._damage = NoticeView("error", told.code, told.message, told.remedy)
            return None
        self._damage = None
        return encoded

    async def _quarantine(self, order: Order, digest: Digest) -> bool:
        """Whether the digest is quarantined and was forced by name."""
        found = await asyncio.to_thread(self._store.quarantined)
        reason = next((entry.reason for entry in found if entry.digest == digest), None)
        if reason is None:
            return False
        if refusals.forces(order.force, digest):
            return True
        raise refusals.quarantined(f"This content ({digest[:12]})", reason, digest)

    async def _store_release(
        self, flow: Flow, order: Order, prepared: Prepared, current: ReleaseRecord | None
    ) -> ReleaseRecord:
        flow.started("store")
        self._rollouts.may_start_anew(break_glass=order.break_glass)

        def add() -> ReleaseRecord:
            return self._store.add_encoded(
                prepared.bundle,
                order.kind,
                signer=self._signer,
                author=order.author,
                message=order.message,
                parent=current.id if current else None,
                gate_report=gate_report.to_json(prepared.report),
            )

        record = await asyncio.to_thread(add)
        self._facts, self._damage = (record.digest, prepared.facts), None
        flow.done("store", f"{record.id} ({record.digest[:12]})")
        return record

    async def _bring_out(
        self,
        flow: Flow,
        record: ReleaseRecord,
        current: ReleaseRecord | None,
        order: Order,
        prepared: Prepared,
        *,
        forced: bool,
    ) -> int:
        flow.started("assign")
        self._roster.forget_refusal(record.digest)
        started = await self._rollouts.start(
            record,
            prepared.policy,
            SPEEDS[record.kind],
            actor=order.author,
            reason=order.message,
            feed=order.feed,
            onto=current.id if current else None,
            break_glass=order.break_glass,
            forced=forced,
        )
        flow.done("assign", f"rollout {started.number}")
        self._prepared(flow)
        return await self._follower.watch(flow, started, record, prepared.locations)

    def _view(self, record: ReleaseRecord) -> ReleaseView:
        return release_view(record, self._roster.current, self._roster.reports())

    def _applied(
        self,
        flow: Flow,
        record: ReleaseRecord | None,
        previous: ReleaseRecord | None,
        prepared: Prepared,
        *,
        generation: int = 0,
    ) -> Applied:
        verdict = prepared.verdict
        return Applied(
            release=self._view(record) if record else None,
            changed=True,
            dry_run=record is None,
            previous=previous.id if previous else None,
            elapsed_s=flow.elapsed_s,
            changes=verdict.changes.shown,
            changes_hidden=verdict.changes.hidden,
            guard=verdict.guard,
            problems=prepared.warnings,
            notes=verdict.notes,
            node_generation=generation,
        )
