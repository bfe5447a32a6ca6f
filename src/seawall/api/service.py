"""The service layer: one method for each operation, the same for the API and so for the CLI.

It authorises nothing (the app does) and decides little: it cleans what callers send, hands it to
the part that knows, and turns the answer into views. Everything that blocks runs in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from seawall import __version__, limits
from seawall.api.asked import Caller, actor_of, author_of, check_node, message_of, release_id
from seawall.api.fleet import FleetDesk, elsewhere, no_desk
from seawall.api.fleet_watch import FleetWatch
from seawall.api.hands import Hands
from seawall.api.nodes import NodeBoard
from seawall.api.observer import Observer
from seawall.api.order import Order
from seawall.api.present import gate_views
from seawall.api.releaser import Releaser
from seawall.api.releases import looked_up_view, token_view
from seawall.api.roster import Roster
from seawall.api.status import in_fleet
from seawall.api.status_views import (
    AuditEntryView,
    AuditView,
    HealthView,
    StatusView,
    TokenCreated,
    TokensView,
    TokenView,
    WhyView,
)
from seawall.api.views import (
    ApplyEvent,
    CheckView,
    DiffView,
    ReleaseDetailView,
    ReleasesView,
    ReleaseView,
    SourceView,
)
from seawall.api.workshop import Workshop
from seawall.clock import Clock
from seawall.errors import NotFoundError, RefusedError, SeawallError
from seawall.gate import report as gate_report
from seawall.ids import Digest, Generation, NodeName, RequestId
from seawall.release.ledger import Scope
from seawall.release.release import ReleaseRecord
from seawall.release.store import Store
from seawall.rollout.ports import Assignment, Coming, NodeReport
from seawall.secret import Secret
from seawall.site.sources import SourceSet


@dataclass(frozen=True)
class Parts:
    """What the service is made of; `daemon.control` puts it together."""

    store: Store
    board: NodeBoard
    roster: Roster
    releaser: Releaser
    workshop: Workshop
    observer: Observer
    hands: Hands
    fleet_watch: FleetWatch
    clock: Clock
    log: Callable[[str, str], None]


class Service:
    """Every operation of Seawall's control process.

    Attributes:
        fleet: set where nodes of other machines are listened for.
    """

    fleet: FleetDesk | None = None

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self.hands = parts.hands
        self.fleet_watch = parts.fleet_watch

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self._store

    def desk(self) -> FleetDesk:
        """What operators do with nodes of other machines.

        Raises:
            UsageError: none are listened for.
        """
        if self.fleet is None:
            raise no_desk()
        return self.fleet

    # --- Site files ------------------------------------------------------------------------------

    async def check(self, sources: SourceSet, *, full: bool | None = False) -> CheckView:
        """Find the problems of a site file that applying it would find before the guard.

        Args:
            sources: the site file and its includes.
            full: whether Envoy is asked too; None asks it about an edge of ordinary size.
        """
        current = self._parts.roster.current
        encoded = await self._parts.releaser.current_bytes()
        view = await self._parts.workshop.check(sources, encoded, full=full)
        return _compared(view, current if encoded is not None else None)

    async def diff(self, sources: SourceSet, *, force: tuple[str, ...] = ()) -> DiffView:
        """What applying these sources would change, and the guard's arithmetic."""
        current = self._parts.roster.current
        encoded = await self._parts.releaser.current_bytes()
        found = await self._parts.workshop.compare(sources, force, encoded)
        verdict = found.verdict
        return DiffView(
            check=_compared(found.view, current if encoded is not None else None),
            current=current.id if current else None,
            identical=found.same,
            changes=verdict.changes.shown if verdict else (),
            changes_hidden=verdict.changes.hidden if verdict else 0,
            guard=verdict.guard if verdict else None,
            digest=found.digest,
            made_before=await self._parts.roster.made_of(sources),
            turned_away=verdict.turned_away if verdict else None,
        )

    # --- Releases --------------------------------------------------------------------------------

    def apply(
        self,
        sources: SourceSet,
        *,
        caller: Caller,
        message: str = "",
        author: str = "",
        dry_run: bool = False,
        force: tuple[str, ...] = (),
        parent: str = "",
        break_glass: bool = False,
    ) -> AsyncIterator[ApplyEvent]:
        """Release these sources; events end with `Applied` or `Refused`.

        Raises:
            ConflictError: another release is on its way.
            UsageError: author or message is too long or no text.
        """
        if self.fleet is not None and not dry_run:
            self.fleet.require_lead()
        order = Order(
            sources=sources,
            author=author_of(author, caller),
            message=message_of(message),
            dry_run=dry_run,
            force=force,
            parent=parent,
            break_glass=break_glass,
        )
        return self._parts.releaser.apply(order).events()

    def rollback(
        self,
        release: str | None,
        *,
        caller: Caller,
        author: str = "",
        message: str = "",
        force: tuple[str, ...] = (),
        break_glass: bool = False,
    ) -> AsyncIterator[ApplyEvent]:
        """Serve an earlier release again; without one, the newest good one before the current.

        Raises:
            ConflictError: a release is on its way.
            UsageError: author or message is too long or no text.
        """
        if self.fleet is not None:
            self.fleet.require_lead()
        flow = self._parts.releaser.rollback(
            None if release is None else release_id(release),
            author=author_of(author, caller),
            message=message_of(message),
            force=force,
            break_glass=break_glass,
        )
        return flow.events()

    async def releases(self, *, limit: int, before: str = "") -> ReleasesView:
        """Releases, newest first."""
        count = min(limit, limits.API_PAGE_ITEMS_MAX)
        below = release_id(before) if before else None
        records = await asyncio.to_thread(self._store.list, count_max=count, before=below)
        more = len(records) == count and records[-1].id != "r1"
        return ReleasesView(
            releases=tuple(self._view(record) for record in records),
            next_before=records[-1].id if more else None,
        )

    async def show(self, release: str) -> ReleaseDetailView:
        """One release in full.

        Raises:
            NotFoundError: there is none of that name.
        """
        record = await asyncio.to_thread(self._store.get, release_id(release))
        view = self._view(record)
        report = await asyncio.to_thread(self._store.gate_report, record.id)
        gate = gate_views(gate_report.from_json(report))
        encoded = await asyncio.to_thread(self._content, record)
        if encoded is None:
            return ReleaseDetailView(
                view, (), (), 0, None, {}, 0, "", "", bundle_kept=False, gate=gate
            )
        parent, old = await asyncio.to_thread(self._parent, record)
        changes = await self._parts.workshop.changes(old, encoded)
        facts = await self._parts.workshop.facts(encoded)
        return ReleaseDetailView(
            release=view,
            sources=tuple(
                SourceView(file.path, file.content.decode(errors="replace"))
                for file in facts.sources.files
            ),
            changes=changes.shown,
            changes_hidden=changes.hidden,
            compared_with=parent,
            resources=facts.resources,
            size_bytes=len(encoded),
            seawall_version=facts.seawall_version,
            envoy_version=facts.envoy_version,
            gate=gate,
        )

    def _parent(self, record: ReleaseRecord) -> tuple[str | None, bytes | None]:
        if record.parent is None:
            return None, None
        try:
            parent = self._store.get(record.parent)
            return record.parent, self._store.bundle_bytes(parent.digest)
        except SeawallError:
            return None, None

    def _content(self, record: ReleaseRecord) -> bytes | None:
        try:
            return self._store.bundle_bytes(record.digest)
        except (NotFoundError, RefusedError) as error:
            self._parts.log("bundle-unreadable", f"{record.id}: {error.message}")
            return None

    def _view(self, record: ReleaseRecord) -> ReleaseView:
        roster = self._parts.roster
        return looked_up_view(record, roster)

    # --- Looking ---------------------------------------------------------------------------------

    async def health(self) -> HealthView:
        """Whether this process and its store answer.

        Raises:
            UnreachableError: the store does not.
        """
        await asyncio.to_thread(self._store.count)
        return HealthView(ok=True, version=__version__)

    async def status(self) -> StatusView:
        """What serves, how it goes, and what is wrong."""
        view = await self.hands.added_to(await self._parts.observer.status())
        return view if self.fleet is None else in_fleet(view, elsewhere(self.fleet.lead))

    async def metrics(self) -> bytes:
        """Prometheus text."""
        return await self._parts.observer.metrics()

    async def why(self, request_id: RequestId, node: str = "") -> WhyView:
        """The story of one request; see `Observer.why`."""
        return await self._parts.observer.why(request_id, self.fleet, node)

    async def audit(self, *, limit: int) -> AuditView:
        """Who did what, newest first."""
        count = min(limit, limits.API_PAGE_ITEMS_MAX)
        entries = await asyncio.to_thread(self._store.audit.entries, count_max=count)
        return AuditView(
            tuple(AuditEntryView(e.at_s, e.actor, e.action, e.subject, e.detail) for e in entries)
        )

    # --- Tokens ----------------------------------------------------------------------------------

    async def authenticate(self, token: str) -> Caller | None:
        """Who holds this token; None for a token that is not valid."""
        try:
            found = await asyncio.to_thread(
                self._store.tokens.verify, Secret(token.encode(errors="replace"))
            )
        except RefusedError:
            return None
        return Caller(found.name, frozenset(scope.value for scope in found.scopes))

    async def tokens(self) -> TokensView:
        """All API tokens, without their values."""
        found = await asyncio.to_thread(self._store.tokens.list)
        views = sorted(map(token_view, found), key=lambda view: -view.created_s)
        return TokensView(tuple(views))

    async def create_token(
        self, name: str, scopes: tuple[str, ...], ttl_s: float | None, *, caller: Caller
    ) -> TokenCreated:
        """Make a token; its value is in the answer and nowhere else.

        Raises:
            UsageError: a bad name, no scope, or an end that has passed.
            ConflictError: the name is taken, or there are too many.
        """
        expires_s = None if ttl_s is None else self._parts.clock.now_s() + ttl_s
        token, value = await asyncio.to_thread(
            self._store.tokens.create,
            name,
            frozenset(Scope(scope) for scope in scopes),
            actor=actor_of(caller),
            expires_s=expires_s,
        )
        return TokenCreated(token_view(token), value.reveal().decode())

    async def revoke_token(self, name: str, *, caller: Caller) -> TokenView:
        """Make a token worthless at once.

        Raises:
            NotFoundError: there is none of that name.
        """
        found = await asyncio.to_thread(self._store.tokens.list)
        await asyncio.to_thread(self._store.tokens.revoke, name, actor=actor_of(caller))
        token = next(token for token in found if token.name == name)
        return token_view(token, revoked=True)

    # --- Nodes -----------------------------------------------------------------------------------

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """Long poll of a node.

        Raises:
            UnreachableError: it is in a trial that nobody here could end: its lease ends it.
        """
        check_node(node)
        found = await self._parts.board.poll(node, known, wait_s)
        if not isinstance(found, Assignment) and self.hands.rollouts is not None:
            self.hands.rollouts.require_going_on(node)
        return found

    async def bundle(self, digest: Digest) -> bytes:
        """The sealed bundle of a release.

        Raises:
            NotFoundError: no release has that digest.
        """
        return await asyncio.to_thread(self._store.envelope, digest)

    async def forget(self, node: NodeName) -> bool:
        """A node was removed; False when nothing was known of it.

        Raises:
            ConflictError: another control process leads.
        """
        self._parts.board.forget(node)
        await self._parts.roster.forget(node)
        return self.hands.rollouts is not None and await self.hands.rollouts.forget(node)

    async def report(self, report: NodeReport) -> None:
        """Take a node's report, or nothing of it: what is refused is told again.

        Raises:
            RefusedError: one node too many.
        """
        check_node(report.node)
        await self._parts.roster.heard(report)
        report = self._parts.board.untold(report)
        self._parts.board.take(report)
        self._parts.observer.count(report.windows)
        self.fleet_watch.heard(report.windows)


def _compared(view: CheckView, current: ReleaseRecord | None) -> CheckView:
    return replace(view, compared_with=current.id if current is not None else None)
