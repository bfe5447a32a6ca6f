"""Hands on the wheel: kill switches, feeds, quarantine, and the course of rollouts, for callers.

It cleans what callers send and leaves a record of every deed; the parts it asks decide. Nothing
here passes through the edge that it controls: it works with every Envoy dead and no resolver.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from seawall import limits
from seawall.api.asked import Caller, actor_of, author_of, message_of, release_id
from seawall.api.deeds import Deeds, refused_words
from seawall.api.feed_desk import FeedDesk
from seawall.api.hand_requests import (
    DeedRequest,
    FeedRequest,
    KillRequest,
    PromoteRequest,
    RotateRequest,
    UnkillRequest,
    feed_content,
)
from seawall.api.hand_views import (
    FeedContentView,
    FeedsView,
    QuarantinedView,
    QuarantineView,
    SwitchesView,
)
from seawall.api.job_views import JobRequest, JobView
from seawall.api.jobs import JobRunner
from seawall.api.key_watch import KeyWatch
from seawall.api.progress import Flow
from seawall.api.rollout_views import RolloutHistoryView, RolloutsView, RolloutView
from seawall.api.rollouts import Rollouts
from seawall.api.shadow_desk import ShadowDesk
from seawall.api.status_views import StatusView
from seawall.api.switchboard import Switchboard
from seawall.api.views import ApplyEvent
from seawall.errors import ConflictError, NotFoundError, SeawallError, UsageError
from seawall.ids import Digest, ListName, ReleaseId
from seawall.release.store import Store
from seawall.site.sources import Pushed

_DIGEST: Final = re.compile(r"[0-9a-f]{12,64}")
_LIST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


class Hands:
    """The operations; one method each.

    Attributes:
        rollouts: set by whoever puts control together.
        keys: rotates what clearances are signed with.
        jobs: what control does by itself at intervals.
        shadows: compares, promotes and takes away the shadow model.
        desk: takes pushes into feeds.
    """

    rollouts: Rollouts | None = None

    def __init__(
        self,
        store: Store,
        switchboard: Switchboard,
        keys: KeyWatch,
        jobs: JobRunner,
        shadows: ShadowDesk,
        *,
        desk: FeedDesk,
        deeds: Deeds,
    ) -> None:
        self._store = store
        self._deeds = deeds
        self._switchboard = switchboard
        self.keys = keys
        self.jobs = jobs
        self.shadows = shadows
        self.desk = desk

    async def kill(self, request: KillRequest, caller: Caller) -> AsyncIterator[ApplyEvent]:
        """Switch a feature off for a while.

        Raises:
            UsageError: what is asked for makes no sense.
            ConflictError: there is no release yet, or another one does not end.
        """
        flow = await self._switchboard.kill(
            request.feature,
            request.site,
            ttl_s=request.ttl_s,
            reason=request.reason,
            author=author_of(request.author, caller),
            force=request.force,
            break_glass=request.break_glass,
        )
        return flow.events()

    async def unkill(self, request: UnkillRequest, caller: Caller) -> AsyncIterator[ApplyEvent]:
        """End a kill switch before its time.

        Raises:
            UsageError: no such feature.
            NotFoundError: it is not on.
            ConflictError: another release does not end.
        """
        author = author_of(request.author, caller)
        flow = await self._switchboard.unkill(
            request.feature, request.site, author=author, break_glass=request.break_glass
        )
        return flow.events()

    async def switches(self) -> SwitchesView:
        """Kill switches that are on, and what can be killed."""
        return await self._switchboard.switches()

    async def push_feed(
        self, name: str, request: FeedRequest, caller: Caller
    ) -> AsyncIterator[ApplyEvent]:
        """Release new content of a feed; it waits for a release that is on its way.

        Raises:
            NotFoundError: there is no such list.
            ConflictError: the list is a file, or there is no release yet.
            UsageError: no content, or two.
            RefusedError: too large.
            UnreachableError: the store cannot be written.
        """
        feed = Pushed(_list_name(name), feed_content(request))
        author = author_of(request.author, caller)
        message = message_of(request.message)
        push = self._switchboard.push_now if request.break_glass else self.desk.push
        flow = await push(feed, author=author, message=message, force=request.force)
        if request.break_glass:  # which has begun: what waits does not before it has ended
            await self.desk.forget(feed.name, author)
        return flow.events()

    async def rotate_keys(
        self, request: RotateRequest, caller: Caller
    ) -> AsyncIterator[ApplyEvent]:
        """Sign clearances with a new key; the one before stays believed.

        Raises:
            ConflictError: nothing is signed yet, or another release is on its way.
        """
        actor = author_of(request.author, caller)
        reason = message_of(request.reason)
        message = reason or "New clearance key"

        async def begin() -> Flow:
            return await self.keys.rotate(actor, message, break_glass=request.break_glass)

        flow = await self._deeds.begun(begin, actor, "rotate-clearance-keys", "rollouts", reason)
        return flow.events()

    async def run_job(self, name: str, request: JobRequest, caller: Caller) -> JobView:
        """Run a job now.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it is off, or a job runs.
        """
        author = author_of(request.author, caller)
        return await self.jobs.order(name, author)

    async def promote(self, request: PromoteRequest, caller: Caller) -> AsyncIterator[ApplyEvent]:
        """Make the shadow the bot model.

        Raises:
            NotFoundError: there is no shadow.
            ConflictError: it is another one; it or the model is a file; or another release does
                not end.
        """
        flow = await self.shadows.promote(
            request.shadow,
            author=author_of(request.author, caller),
            message=message_of(request.message),
            force=request.force,
            break_glass=request.break_glass,
        )
        return flow.events()

    async def unshadow(self, request: DeedRequest, caller: Caller) -> AsyncIterator[ApplyEvent]:
        """Take the shadow model away.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is a file, or another release does not end.
        """
        author = author_of(request.author, caller)
        flow = await self.shadows.unshadow(author=author, message=message_of(request.reason))
        return flow.events()

    async def feeds(self) -> FeedsView:
        """The lists of the current release."""
        return replace(await self._switchboard.feeds(), waiting=self.desk.waiting())

    async def feed(self, name: str) -> FeedContentView:
        """What was pushed last into a list.

        Raises:
            NotFoundError: there is no such list.
            ConflictError: the list is a file, or there is no release yet.
        """
        return await self._switchboard.feed(_list_name(name))

    async def quarantine(self) -> QuarantineView:
        """What may not be rolled out again."""
        found = await asyncio.to_thread(self._store.quarantined)
        records = await asyncio.to_thread(self._store.list, count_max=limits.PAGE_SIZE_MAX)
        holding: dict[Digest, list[ReleaseId]] = {}
        for record in records:
            holding.setdefault(record.digest, []).append(record.id)
        return QuarantineView(
            tuple(
                QuarantinedView(
                    one.digest, one.reason, one.actor, one.at_s, tuple(holding.get(one.digest, ()))
                )
                for one in found
            )
        )

    async def release_quarantine(self, digest: str, caller: Caller) -> QuarantinedView:
        """Let content be rolled out again.

        Raises:
            UsageError: that is no digest, or it fits more than one.
            NotFoundError: it is not quarantined.
        """
        if not _DIGEST.fullmatch(digest):
            raise UsageError(
                "bad-digest",
                f"{digest[:64]!r} is not a digest.",
                remedy="Give at least the first 12 digits; see `seawall quarantine list`.",
            )
        view = await self.quarantine()
        fitting = [one for one in view.quarantined if one.digest.startswith(digest)]
        if not fitting:
            raise NotFoundError(
                "not-quarantined",
                f"The digest {digest[:12]} is not quarantined.",
                remedy="See `seawall quarantine list`.",
            )
        if len(fitting) > 1:
            raise UsageError(
                "bad-digest", f"{digest} matches several digests.", remedy="Give more digits."
            )
        await asyncio.to_thread(
            self._store.unquarantine, Digest(fitting[0].digest), actor=actor_of(caller)
        )
        return fitting[0]

    async def broke_glass(self, action: str, reason: str, author: str, caller: Caller) -> None:
        """Leave a record that somebody skips the steps; nothing without a reason.

        Raises:
            UsageError: author or reason is too long or no text.
        """
        if reason:
            actor = author_of(author, caller)
            why = message_of(reason)
            await self._deeds.note(actor, "BREAK-GLASS", action, why)

    async def added_to(self, status: StatusView) -> StatusView:
        """A status with what hands have done: switches, rollouts, the freeze."""
        return replace(
            status,
            switches=(await self.switches()).switches,
            rollouts=None if self.rollouts is None else await self.rollouts_now(),
        )

    # --- The course of rollouts ------------------------------------------------------------------

    async def rollouts_now(self) -> RolloutsView:
        """What goes on."""
        return self._with_gate(await self._course().status())

    async def rollout_story(self, release: str) -> RolloutHistoryView:
        """The rollouts of one release.

        Raises:
            NotFoundError: there is none of that name.
        """
        record = await asyncio.to_thread(self._store.get, release_id(release))
        return await self._course().history(record.id)

    async def pause(self, request: DeedRequest, caller: Caller) -> RolloutView:
        """Stop the running rollout where it stands.

        Raises:
            NotFoundError: no release is on its way.
        """
        async with self._steering(request, caller, "pause") as (actor, reason):
            return await self._course().pause(actor, reason)

    async def resume(self, request: DeedRequest, caller: Caller) -> RolloutView:
        """Let the rollout go on.

        Raises:
            NotFoundError: no release is on its way.
            ConflictError: it does not wait.
        """
        async with self._steering(request, caller, "resume") as (actor, reason):
            return await self._course().resume(actor, reason)

    async def abort(self, request: DeedRequest, caller: Caller) -> RolloutView:
        """Withdraw the running rollout from every node.

        Raises:
            NotFoundError: no release is on its way.
        """
        async with self._steering(request, caller, "abort") as (actor, reason):
            return await self._course().abort(actor, reason)

    async def freeze(self, request: DeedRequest, caller: Caller) -> RolloutsView:
        """Stop every start and advance."""
        async with self._steering(request, caller, "freeze") as (actor, reason):
            return self._with_gate(await self._course().freeze(actor, reason))

    async def unfreeze(self, request: DeedRequest, caller: Caller) -> RolloutsView:
        """Lift the freeze.

        Raises:
            ConflictError: nothing is frozen.
        """
        async with self._steering(request, caller, "unfreeze") as (actor, reason):
            return self._with_gate(await self._course().unfreeze(actor, reason))

    def _with_gate(self, view: RolloutsView) -> RolloutsView:
        return replace(view, gate=self._switchboard.in_the_gate)

    def _course(self) -> Rollouts:
        if self.rollouts is None:
            raise ConflictError(
                "no-rollouts",
                "This control process does not roll out releases in steps.",
                remedy="Update it.",
            )
        return self.rollouts

    @asynccontextmanager
    async def _steering(
        self, request: DeedRequest, caller: Caller, action: str
    ) -> AsyncIterator[tuple[str, str]]:
        """Who steers, and why. The order itself writes down what it did; here, what was refused."""
        actor = author_of(request.author, caller)
        try:
            yield actor, message_of(request.reason)
        except SeawallError as error:
            told = self._not_yet(error)
            await self._deeds.note(actor, action, "rollouts", refused_words(told.message))
            raise told from error

    def _not_yet(self, error: SeawallError) -> SeawallError:
        """Nothing on its way while something is in the gate: it will be, and must not surprise."""
        coming = self._switchboard.in_the_gate
        if error.code != "no-rollout" or not coming:
            return error
        return NotFoundError(
            error.code,
            f"No release is on its way to nodes yet: {coming}, but it is still being checked.",
            remedy="The check continues. Try again once `seawall rollout` shows the release.",
        )


def _list_name(name: str) -> ListName:
    if not _LIST_NAME.fullmatch(name) or len(name) > limits.NAME_LENGTH_CHARS_MAX:
        raise NotFoundError(
            "feed-unknown", "That is not a valid list name.", remedy="See `seawall feed list`."
        )
    return ListName(name)
