"""Hands on the wheel: kill switches, feeds, quarantine, and the course of rollouts, for callers.

It cleans what callers send and leaves a record of every deed; the parts it asks decide. Nothing
here passes through the edge that it controls: it works with every Envoy dead and no resolver.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from seawall import limits
from seawall.api.asked import author_of, message_of
from seawall.api.hand_requests import FeedRequest, KillRequest, UnkillRequest, feed_content
from seawall.api.hand_views import FeedsView, QuarantinedView, QuarantineView, SwitchesView
from seawall.api.switchboard import Switchboard
from seawall.api.views import ApplyEvent
from seawall.errors import NotFoundError, UsageError
from seawall.ids import Digest, ListName, ReleaseId
from seawall.release.store import Store
from seawall.site.sources import Pushed

if TYPE_CHECKING:
    from seawall.api.service import Caller

_DIGEST: Final = re.compile(r"[0-9a-f]{12,64}")
_LIST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


class Hands:
    """The operations; one method each."""

    def __init__(self, store: Store, switchboard: Switchboard) -> None:
        self._store = store
        self._switchboard = switchboard

    async def kill(self, request: KillRequest, caller: "Caller") -> AsyncIterator[ApplyEvent]:
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
            author=author_of(request.author, caller.name, local=caller.local),
            force=request.force,
            break_glass=request.break_glass,
        )
        return flow.events()

    async def unkill(self, request: UnkillRequest, caller: "Caller") -> AsyncIterator[ApplyEvent]:
        """End a kill switch before its time.

        Raises:
            UsageError: no such feature.
            NotFoundError: it is not on.
            ConflictError: another release does not end.
        """
        author = author_of(request.author, caller.name, local=caller.local)
        flow = await self._switchboard.unkill(
            request.feature, request.site, author=author, break_glass=request.break_glass
        )
        return flow.events()

    async def switches(self) -> SwitchesView:
        """Kill switches that are on, and what can be killed."""
        return await self._switchboard.switches()

    async def push_feed(
        self, name: str, request: FeedRequest, caller: "Caller"
    ) -> AsyncIterator[ApplyEvent]:
        """Release new content of a feed.

        Raises:
            NotFoundError: there is no such list.
            ConflictError: the list is a file, or another release does not end.
            UsageError: no content, or two.
            RefusedError: too large.
        """
        if not _LIST_NAME.fullmatch(name) or len(name) > limits.NAME_LENGTH_CHARS_MAX:
            raise NotFoundError(
                "feed-unknown", "No list can have that name.", remedy="See `seawall feed list`."
            )
        flow = await self._switchboard.push(
            Pushed(ListName(name), feed_content(request)),
            author=author_of(request.author, caller.name, local=caller.local),
            message=message_of(request.message),
            force=request.force,
            break_glass=request.break_glass,
        )
        return flow.events()

    async def feeds(self) -> FeedsView:
        """The lists of the current release."""
        return await self._switchboard.feeds()

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

    async def release_quarantine(self, digest: str, caller: "Caller") -> QuarantinedView:
        """Let content be rolled out again.

        Raises:
            UsageError: that is no digest, or it fits more than one.
            NotFoundError: it is not quarantined.
        """
        if not _DIGEST.fullmatch(digest):
            raise UsageError(
                "bad-digest",
                f"{digest[:64]!r} is no digest.",
                remedy="Name at least its first 12 digits; see `seawall quarantine list`.",
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
                "bad-digest", f"{digest} fits several digests.", remedy="Write more digits."
            )
        await asyncio.to_thread(
            self._store.unquarantine, Digest(fitting[0].digest), actor=caller.name
        )
        return fitting[0]
