"""Rollouts for people and programs: start, pause, resume, abort, freeze, and what goes on.

Every operation is one transaction of the store that the planner sees next; none of them talks to a
node or decides an advance. Who may call what is decided by the app.
"""

import asyncio
from collections.abc import Callable

from seawall import limits
from seawall.api.rollout_present import event_view, rollout_view, rollouts_view
from seawall.api.rollout_views import RolloutHistoryView, RolloutsView, RolloutView
from seawall.api.status_views import NoticeView
from seawall.errors import NotFoundError, SeawallError, UnreachableError
from seawall.ids import NodeName, ReleaseId
from seawall.model.rollout import RolloutPolicy
from seawall.release.release import ReleaseRecord
from seawall.rollout import orders
from seawall.rollout.book import Book, Deed
from seawall.rollout.execute import Executor
from seawall.rollout.state import Fleet, Inventory, Plan, Rollout, Speed


class Rollouts:
    """The operations.

    Attributes:
        inventory: what nodes said now.
    """

    def __init__(self, executor: Executor, book: Book, inventory: Callable[[], Inventory]) -> None:
        self._executor = executor
        self._book = book
        self.inventory = inventory

    @property
    def fleet(self) -> Fleet:
        """As last known here."""
        return self._executor.fleet

    @property
    def executor(self) -> Executor:
        """Who carries them out, for those that follow the events."""
        return self._executor

    def may_start_anew(self, *, break_glass: bool) -> None:
        """Whether content that never was a release could start now: before it becomes one.

        Raises:
            RefusedError: frozen.
        """
        if self.fleet.target is not None and not break_glass:
            orders.unless_frozen(self.fleet)

    async def start(
        self,
        record: ReleaseRecord,
        policy: RolloutPolicy,
        speed: Speed = Speed.CONFIG,
        *,
        actor: str,
        reason: str = "",
        feed: str = "",
        period_s: float | None = None,
        onto: ReleaseId | None = None,
        break_glass: bool = False,
        forced: bool = False,
    ) -> Rollout:
        """Put a stored release on its way; returns at once, `changed` tells of what follows.

        A retained release that was baked before is committed at once (rollback); so is the first
        release of an empty edge.

        Args:
            record: the release.
            policy: of the site file; a feed or a switch takes what it needs of it.
            speed: which of the three.
            actor: who asked.
            reason: why, for the history.
            feed: of a feed, its name: only the newest waiting release of one feed is kept.
            period_s: of a feed, how often it comes: it must finish within that.
            onto: what the caller saw as the target; None for the record's parent.
            break_glass: commit everywhere at once, also while frozen; recorded.
            forced: the digest is quarantined, and was named.

        Raises:
            ConflictError: another release is on its way, or its parent is no longer the target.
            RefusedError: quarantined and not forced; or frozen, and it is not a way back.
            UsageError: the policy cannot finish in time.
        """
        order = orders.Order(
            release=record.id,
            digest=record.digest,
            policy=policy,
            speed=speed,
            actor=actor,
            onto=onto if onto is not None else record.parent,
            reason=reason,
            feed=feed,
            period_s=period_s,
            break_glass=break_glass,
            forced=forced,
        )
        return await self._start(order)

    async def pause(self, actor: str, reason: str = "") -> RolloutView:
        """Stop the running rollout where it stands; bad news still withdraws it.

        Raises:
            NotFoundError: no release is on its way.
        """
        return await self._steer("rollout-paused", actor, reason, orders.pause)

    async def resume(self, actor: str, reason: str = "") -> RolloutView:
        """Lift a pause; of a rollout that is held, go on without the evidence, in `actor`'s name.

        Raises:
            NotFoundError: no release is on its way.
            ConflictError: it is neither paused nor held.
        """
        return await self._steer("rollout-resumed", actor, reason, orders.resume)

    async def abort(self, actor: str, reason: str = "") -> RolloutView:
        """Withdraw the running rollout from every node, those that committed included.

        Raises:
            NotFoundError: no release is on its way.
        """

        def make(fleet: Fleet, actor: str, now_s: float) -> Plan:
            return orders.abort(fleet, actor, reason, now_s)

        return await self._steer("rollout-abort-asked", actor, reason, make)

    async def freeze(self, actor: str, reason: str) -> RolloutsView:
        """Stop every start and advance; frozen already, only the reason is replaced."""

        def make(fleet: Fleet, now_s: float) -> Plan:
            return orders.freeze(fleet, actor, reason, now_s)

        await self._executor.order(make, [Deed(actor, "frozen", "rollouts", reason)])
        return await self.status()

    async def unfreeze(self, actor: str, reason: str = "") -> RolloutsView:
        """Lift the freeze.

        Raises:
            ConflictError: nothing is frozen.
        """

        def make(fleet: Fleet, now_s: float) -> Plan:
            return orders.unfreeze(fleet, actor, now_s)

        await self._executor.order(make, [Deed(actor, "unfrozen", "rollouts", reason)])
        return await self.status()

    async def forget(self, name: NodeName) -> bool:
        """A node was removed; False when nothing is assigned to it."""
        if name not in self.fleet.assigned:
            return False
        await self._executor.order(lambda fleet, now_s: orders.forget(fleet, name, now_s))
        return True

    async def status(self) -> RolloutsView:
        """What goes on now."""
        return rollouts_view(self.fleet, self.inventory(), self._executor.findings)

    async def history(self, release: ReleaseId) -> RolloutHistoryView:
        """The rollouts of one release, and what happened in them.

        Raises:
            NotFoundError: no release can have that name.
        """
        rollouts, events = await asyncio.to_thread(self._book.history, release)
        inventory, running = self.inventory(), self.fleet.running
        now = None if running is None else running.number
        findings = self._executor.findings
        return RolloutHistoryView(
            rollouts=tuple(
                rollout_view(r, self.fleet, inventory, findings if r.number == now else None)
                for r in rollouts
            ),
            events=tuple(event_view(stored) for stored in events),
        )

    @property
    def trouble(self) -> SeawallError | None:
        """Why nothing goes on; None while all is well."""
        return self._executor.trouble

    def require_going_on(self, node: NodeName) -> None:
        """Let nobody take control for one that looks after a trial when it does not.

        Raises:
            UnreachableError: the node is in a trial, and for long nothing was carried out, or
                another process does that, and would be heard by a node that can reach it.
        """
        told = self.fleet.assigned.get(node)
        if told is None or not told.trial:
            return
        if not self._executor.leads:
            raise UnreachableError(
                "trial-elsewhere",
                f"Node {node} is trying a release, but this control process does not lead.",
                remedy="The node asks the leader, and withdraws the release if the leader is "
                "unreachable.",
            )
        if self._executor.stuck_s > limits.ROLLOUT_STUCK_S:
            raise UnreachableError(
                "rollouts-stand-still",
                f"Rollouts have made no progress for {limits.ROLLOUT_STUCK_S:g} s.",
                remedy="See the notices of `seawall status`.",
            )

    def notice(self) -> NoticeView | None:
        """Why nothing goes on, when the store cannot be used."""
        trouble = self._executor.trouble
        if trouble is None:
            return None
        return NoticeView(
            "warning",
            "rollouts-stand-still",
            f"Rollouts make no progress: {trouble.message} Seawall keeps retrying.",
            trouble.remedy,
        )

    async def changed(self, wait_s: float) -> bool:
        """Wait for the next change of any rollout; False when none came in time."""
        return await self._executor.changed(wait_s)

    async def rollout(self, number: int) -> Rollout:
        """As it stands now, ended or not.

        Raises:
            NotFoundError: it is not kept any more.
        """
        known = next((r for r in self.fleet.rollouts if r.number == number), None)
        return known or await self._ended(number)

    async def _start(self, order: orders.Order) -> Rollout:
        number = 0

        def make(fleet: Fleet, now_s: float) -> Plan:
            nonlocal number
            number = self._book.next_number()
            return orders.start(fleet, order, number, now_s)

        how = "break-glass, " if order.break_glass else ""
        how += "forced although quarantined, " if order.forced else ""
        deed = Deed(order.actor, "rollout-started", order.release, f"{how}{order.speed.value}")
        fleet = await self._executor.order(make, [deed])
        started = next((r for r in fleet.rollouts if r.number == number), None)
        return started or await self._ended(number)

    async def _steer(
        self,
        action: str,
        actor: str,
        detail: str,
        make: Callable[[Fleet, str, float], Plan],
    ) -> RolloutView:
        concerned: Rollout | None = None

        def order(fleet: Fleet, now_s: float) -> Plan:
            nonlocal concerned
            concerned = fleet.running or next(iter(fleet.waiting), None)
            return make(fleet, actor, now_s)

        await self._executor.order(order, [Deed(actor, action, "rollouts", detail)])
        number = concerned.number if concerned is not None else 0
        return rollout_view(
            await self.rollout(number), self.fleet, self.inventory(), self._executor.findings
        )

    async def _ended(self, number: int) -> Rollout:
        found = await asyncio.to_thread(self._book.ended, number)
        if found is None:
            raise NotFoundError("no-rollout", f"There is no rollout {number}.")
        return found
