"""The path of every release: check, compile, guard, validate, store, assign, and watch the node.

One release at a time. Every step may refuse; until the assignment nothing has changed anywhere.
An operation goes on when the one who asked for it goes away: half a release would be worse. The
steps judge nothing themselves: the site loader, the compiler, the guard, Envoy and the node do.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from seawall.api import refusals
from seawall.api.candidate import Candidate, Maker, check_view, same_content
from seawall.api.codec import to_json
from seawall.api.gatekeeper import Gatekeeper, Verdict
from seawall.api.memory import give_back
from seawall.api.present import change_views, envoy_refusal, refusal_text
from seawall.api.progress import Flow, ReleaseRefusedError
from seawall.api.records import bundle_of, release_view
from seawall.api.rollout import Rollout
from seawall.api.roster import Roster
from seawall.api.status_views import NoticeView
from seawall.api.views import Applied, ReleaseView
from seawall.clock import Clock
from seawall.errors import ConflictError, SeawallError
from seawall.ids import ReleaseId
from seawall.release.bundle import Bundle, digest_of, encode
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.rows import release_number
from seawall.release.signing import SigningKey
from seawall.release.store import Store, StoredAssignment
from seawall.site.sources import SourceSet
from seawall.tasks import Background


@dataclass(frozen=True)
class Order:
    """What somebody asks for."""

    sources: SourceSet
    author: str
    message: str = ""
    kind: Kind = Kind.SITE
    dry_run: bool = False
    force: tuple[str, ...] = ()
    parent: str = ""


class Releaser:
    """Carries out releases.

    Args:
        roster: what the edge shall run.
        rollout: brings a stored release to the node.
        log: told every outcome; must not raise.
        log_error: told of what nobody expected; must not raise.
    """

    def __init__(
        self,
        *,
        store: Store,
        signer: SigningKey,
        roster: Roster,
        rollout: Rollout,
        maker: Maker,
        gate: Gatekeeper,
        clock: Clock,
        background: Background,
        log: Callable[[str, str], None],
        log_error: Callable[[str, BaseException], None],
    ) -> None:
        self._store = store
        self._signer = signer
        self._roster = roster
        self._rollout = rollout
        self._maker = maker
        self._gate = gate
        self._clock = clock
        self._background = background
        self._log = log
        self._log_error = log_error
        self._busy = ""
        self._refused = ""

    def notice(self) -> NoticeView | None:
        """That the last change asked for is not what serves; gone with the next one that does."""
        if not self._refused:
            return None
        return NoticeView(
            "warning",
            "last-release-refused",
            f"The last release was refused: {self._refused}",
            "Mend the cause and apply again; what served before serves on.",
        )

    @property
    def busy(self) -> str:
        """What is going on now, for example `ann applies a site file`; empty when nothing is."""
        return self._busy

    @property
    def current(self) -> ReleaseRecord | None:
        """What the edge is meant to serve."""
        return self._roster.current

    @property
    def went_back(self) -> bool:
        """Whether the current release is older than the one before it: somebody rolled back."""
        assigned = self._roster.assigned
        if assigned is None or assigned.previous is None:
            return False
        return release_number(assigned.release) < release_number(assigned.previous)

    def apply(self, order: Order) -> Flow:
        """Begin a release.

        Raises:
            ConflictError: another one is on its way.
        """
        flow = Flow(self._clock)
        what = "tries" if order.dry_run else "applies"
        return self._begin(flow, f"{order.author} {what} a site file", self._apply(flow, order))

    def rollback(
        self, release: ReleaseId | None, *, author: str, message: str, force: tuple[str, ...]
    ) -> Flow:
        """Begin to serve an earlier release again.

        Raises:
            ConflictError: a release is on its way.
        """
        flow = Flow(self._clock)
        work = self._rollout.back(flow, release, author=author, message=message, force=force)
        return self._begin(flow, f"{author} rolls back", work)

    async def current_bundle(self) -> Bundle | None:
        """The content of the current release; None before the first, or when it is unreadable."""
        current = self._roster.current
        if current is None:
            return None
        try:
            return await asyncio.to_thread(bundle_of, self._store, current)
        except SeawallError as error:
            self._log("current-release-unreadable", error.message)
            return None

    # --- One at a time ---------------------------------------------------------------------------

    def _begin(self, flow: Flow, what: str, work: Coroutine[Any, Any, None]) -> Flow:
        if self._busy:
            work.close()
            raise ConflictError(
                "release-in-progress",
                f"Another release is on its way: {self._busy}.",
                remedy="Wait until it has ended (`seawall status`), then try again.",
            )
        self._busy = what
        self._background.spawn(self._carry_out(flow, what, work), name="release")
        return flow

    async def _carry_out(self, flow: Flow, what: str, work: Awaitable[None]) -> None:
        try:
            await work
            self._refused = ""
        except SeawallError as error:
            self._log("release-refused", f"{what}: {error.message}")
            self._refused = error.message
            flow.refuse(error, serving=self._serving())
        except asyncio.CancelledError:
            flow.refuse(refusals.stopping(), serving=self._serving())
            raise
        except Exception as error:  # noqa: BLE001 - one broken release must not end the process
            self._log_error("release", error)
            flow.refuse(refusals.unexpected(), serving=self._serving())
        finally:
            self._busy = ""
        await asyncio.to_thread(give_back)

    def _serving(self) -> str | None:
        report = self._roster.report()
        return report.release if report else None

    # --- Apply -----------------------------------------------------------------------------------

    async def _apply(self, flow: Flow, order: Order) -> None:
        candidate = await self._candidate(flow, order)
        current = self._roster.current
        if order.parent and (current is None or order.parent != current.id):
            raise refusals.overtaken(order.parent, current)
        old = await self.current_bundle()
        if old is not None and current is not None and same_content(old, candidate.bundle):
            await self._same_again(flow, order, current, candidate)
            return
        verdict = await self._guard(flow, order, old, candidate)
        forced = await self._quarantine(order, candidate)
        del old
        await self._validate(flow, candidate)
        if order.dry_run:
            flow.end(self._applied(flow, None, current, verdict, candidate))
            return
        record = await self._store_release(flow, order, candidate, current)
        assigned = await self._serve(flow, record, current, order, candidate, forced=forced)
        self._log("applied", f"{record.id} by {order.author}")
        generation = assigned.generation
        flow.end(self._applied(flow, record, current, verdict, candidate, generation=generation))

    async def _candidate(self, flow: Flow, order: Order) -> Candidate:
        flow.started("check", f"{len(order.sources.files)} file(s)")
        loaded = await asyncio.to_thread(self._maker.load, order.sources)
        view = check_view(loaded)
        if not view.ok:
            errors = sum(problem.severity == "error" for problem in view.problems)
            raise ReleaseRefusedError(
                "site-file-refused",
                f"The site file has {errors} error(s).",
                remedy="Mend them and try again; what served before serves on.",
                problems=view.problems,
            )
        flow.done("check", f"{view.sites} site(s), {view.routes} route(s)")
        flow.started("compile")
        candidate = await asyncio.to_thread(self._maker.compile, order.sources, loaded, order.kind)
        flow.done("compile", f"{len(candidate.bundle.snapshot.resources)} resources")
        return candidate

    async def _same_again(
        self, flow: Flow, order: Order, current: ReleaseRecord, candidate: Candidate
    ) -> None:
        """The content is current already: nothing to do, unless the node never took it."""
        generation = self._roster.assigned.generation if self._roster.assigned else 0
        if not order.dry_run and not self._roster.takes_current():
            forced = bool(current.quarantined) and refusals.forces(order.force, current.digest)
            await self._validate(flow, candidate)
            assigned = await self._serve(flow, current, current, order, candidate, forced=forced)
            generation = assigned.generation
        flow.end(
            Applied(
                release=self._view(current),
                changed=False,
                dry_run=order.dry_run,
                previous=current.id,
                elapsed_s=flow.elapsed_s,
                problems=candidate.warnings,
                notes=(f"{current.id} has this content already: nothing to change.",),
                node_generation=generation,
            )
        )

    async def _guard(
        self, flow: Flow, order: Order, old: Bundle | None, candidate: Candidate
    ) -> Verdict:
        flow.started("guard")
        verdict = await asyncio.to_thread(
            self._gate.guard,
            old.snapshot if old else None,
            candidate.bundle.snapshot,
            order.force,
        )
        refusal = verdict.refusal
        if refusal is not None:
            raise ReleaseRefusedError(
                refusal.code, refusal.message, remedy=refusal.remedy, guard=verdict.guard
            )
        flow.done("guard", f"{len(verdict.changes)} change(s)")
        return verdict

    async def _quarantine(self, order: Order, candidate: Candidate) -> bool:
        """Whether the digest is quarantined and was forced by name."""
        digest = await asyncio.to_thread(lambda: digest_of(encode(candidate.bundle)))
        found = await asyncio.to_thread(self._store.quarantined)
        reason = next((entry.reason for entry in found if entry.digest == digest), None)
        if reason is None:
            return False
        if refusals.forces(order.force, digest):
            return True
        raise refusals.quarantined(f"This content ({digest[:12]})", reason, digest)

    async def _validate(self, flow: Flow, candidate: Candidate) -> None:
        flow.started("validate")
        found = await self._gate.validate(candidate.bundle.snapshot)
        refusal = found.refusal
        if refusal is not None:
            views = tuple(envoy_refusal(nack, candidate.locations) for nack in found.nacks)
            raise ReleaseRefusedError(
                refusal.code,
                refusal_text(views) if views else refusal.message,
                remedy=refusal.remedy,
                envoy=views,
            )
        flow.done("validate", found.text)

    async def _store_release(
        self, flow: Flow, order: Order, candidate: Candidate, current: ReleaseRecord | None
    ) -> ReleaseRecord:
        flow.started("store")
        record = await asyncio.to_thread(
            self._store.add,
            candidate.bundle,
            signer=self._signer,
            author=order.author,
            message=order.message,
            parent=current.id if current else None,
            gate_report=json.dumps(to_json(tuple(flow.steps))),
        )
        flow.done("store", f"{record.id} ({record.digest[:12]})")
        return record

    async def _serve(
        self,
        flow: Flow,
        record: ReleaseRecord,
        current: ReleaseRecord | None,
        order: Order,
        candidate: Candidate,
        *,
        forced: bool,
    ) -> StoredAssignment:
        expected = current.id if current else None
        rollout = self._rollout
        assigned = await rollout.assign(flow, record, expected, order.author, forced=forced)
        await rollout.watch(flow, record, assigned, candidate.locations)
        return assigned

    def _view(self, record: ReleaseRecord) -> ReleaseView:
        return release_view(record, self._roster.current, self._roster.report())

    def _applied(
        self,
        flow: Flow,
        record: ReleaseRecord | None,
        previous: ReleaseRecord | None,
        verdict: Verdict,
        candidate: Candidate,
        *,
        generation: int = 0,
    ) -> Applied:
        changes, hidden = change_views(verdict.changes)
        return Applied(
            release=self._view(record) if record else None,
            changed=True,
            dry_run=record is None,
            previous=previous.id if previous else None,
            elapsed_s=flow.elapsed_s,
            changes=changes,
            changes_hidden=hidden,
            guard=verdict.guard,
            problems=candidate.warnings,
            notes=verdict.notes,
            node_generation=generation,
        )
