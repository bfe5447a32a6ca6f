"""Pushes into feeds: each is kept until it is a release, or is refused with a reason.

A push may come while another release is on its way, or while releases are frozen. Then it waits, in
the store, and is made into a release on whatever is current when its turn comes. So is one whose
release gave way to a site file or a kill switch. Of one feed only the newest push is kept. The
ordinary path judges it; nothing here forces anything.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from seawall import limits
from seawall.api.deeds import Deeds
from seawall.api.extras import Extras
from seawall.api.follower import STAYS
from seawall.api.hand_views import WaitingFeedView
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.refusals import no_facts, push_waits, require_facts, require_pushed, stopping
from seawall.api.refused_feeds import RefusedFeeds
from seawall.api.releaser import Releaser
from seawall.api.rollouts import Rollouts
from seawall.api.status_views import NoticeView
from seawall.api.views import Applied, Refused
from seawall.api.work import Facts
from seawall.api.workshop import Workshop
from seawall.clock import Clock
from seawall.errors import ConflictError, SeawallError
from seawall.ids import Digest, ListName
from seawall.phrases import few, frozen, minute
from seawall.release.release import Kind
from seawall.release.store import Store
from seawall.release.waiting import WaitingFeed
from seawall.rollout import state
from seawall.site.sources import Pushed
from seawall.tasks import Background

_AWAY: Final = frozenset({"release-unreadable", "store-unreachable", "store-locked"})
"""Of these, nobody knows how long they last."""
_AGAIN: Final = _AWAY | {
    "release-in-progress",
    "parent-moved",
    "superseded",
    "frozen",
    "too-many-waiting",
    "control-stopping",
}
"""Refusals that say nothing about the content: somebody else was first, or it cannot be now."""
_POLL_S: Final = 0.1
_RETRY_S: Final = 1.0


class _Push:
    """One that was taken.

    Attributes:
        why: what it waits for; empty while it does not.
        begun: a release is made of it, or is on its way.
        waited: whoever pushed it may have gone.
    """

    def __init__(self, feed: WaitingFeed, flow: Flow, *, waited: bool = False) -> None:
        self.feed = feed
        self.flow = flow
        self.why = ""
        self.begun = False
        self.waited = waited

    @property
    def words(self) -> str:
        """For people."""
        feed = self.feed
        return f"The push by {feed.author} into {feed.name} at {minute(feed.at_s)}"


@dataclass(frozen=True, slots=True)
class _Turn:
    """Why it is not a push's turn; `stands` when nobody knows how long that will take."""

    why: str
    stands: bool


class FeedDesk:
    """Takes pushes. Use `take_up` in the control process that leads.

    Args:
        deeds: told who did what.
        background: owns the work on each push.
        log: told what nobody waits for.
    """

    def __init__(
        self,
        releaser: Releaser,
        rollouts: Rollouts,
        store: Store,
        workshop: Workshop,
        clock: Clock,
        *,
        deeds: Deeds,
        background: Background,
        log: Callable[[str, str], None],
    ) -> None:
        self._releaser = releaser
        self._deeds = deeds
        self._rollouts = rollouts
        self._store = store
        self._workshop = workshop
        self._clock = clock
        self._background = background
        self._log = log
        self._taking = asyncio.Lock()
        self._pushes: dict[ListName, _Push] = {}
        self._refused = RefusedFeeds()

    async def push(
        self, feed: Pushed, *, author: str, message: str, force: tuple[str, ...]
    ) -> Flow:
        """Take new content of a feed; it is released now, or as soon as that is possible.

        Raises:
            NotFoundError: the site file has no such list.
            ConflictError: the list is a file, or there is no release yet.
            RefusedError: too many feeds wait.
            UnreachableError: the store cannot be written, or the release not read.
        """
        facts = require_facts(await self._releaser.current_facts(), self._releaser.current)
        require_pushed(facts, feed.name)
        await self._deeds.note(author, "feed-pushed", feed.name, f"{len(feed.content)} bytes")
        taken = WaitingFeed(
            feed.name, feed.content, author, message, self._clock.now_s(), force=force
        )
        async with self._taking:
            number = await asyncio.to_thread(self._store.waiting.keep, taken)
            return self._take(replace(taken, number=number)).flow

    async def forget(self, name: ListName, author: str) -> None:
        """Something newer of this feed goes ahead of all that waits: it takes its place.

        Raises:
            UnreachableError: the store cannot be written.
        """
        async with self._taking:
            push = self._pushes.pop(name, None)
            if push is not None:
                await asyncio.to_thread(self._store.waiting.drop, name, push.feed.number)
                self._replaced(push, author)

    async def take_up(self) -> None:
        """Go on with what an earlier control process was told and could not bring out."""
        while True:
            try:
                async with self._taking:
                    for feed in await asyncio.to_thread(self._store.waiting.all):
                        if feed.name not in self._pushes:
                            self._take(feed, known=True)
                    return
            except SeawallError as error:
                self._log("waiting-feeds-unreadable", error.message)
            await self._clock.sleep(_RETRY_S)

    def waiting(self) -> tuple[WaitingFeedView, ...]:
        """What is not on its way yet, and why, oldest first."""
        return tuple(
            WaitingFeedView(
                name=push.feed.name,
                size_bytes=len(push.feed.content),
                author=push.feed.author,
                at_s=push.feed.at_s,
                why=push.why,
            )
            for push in self._oldest_first()
            if push.why
        )

    def notices(self, facts: Facts | None) -> Iterator[NoticeView]:
        """What waits, and what was refused and not pushed anew.

        Args:
            facts: of the current release; None when it has none, or they are not known.
        """
        waits = [push for push in self._oldest_first() if push.why]
        if waits:
            names = few([push.feed.name for push in waits], limits.STATUS_NAMES_TOLD_MAX)
            words = waits[0].words if len(waits) == 1 else f"The push into {names}"
            yield NoticeView(
                "warning",
                "feed-waits",
                f"{words} is waiting: {waits[0].why}",
                "It will be released automatically after that. See `seawall feed list`.",
            )
        current, newest = self._releaser.current, self._releaser.notice()
        yield from self._refused.notices(facts, current, newest)

    # --- One push --------------------------------------------------------------------------------

    def _take(self, feed: WaitingFeed, *, known: bool = False) -> _Push:
        push = _Push(feed, Flow(self._clock), waited=known)
        older = self._pushes.get(feed.name)
        self._pushes[feed.name] = push
        self._refused.forget(feed.name)
        if older is not None:
            self._replaced(older, feed.author)
        self._background.spawn(self._carry_out(push, known=known), name=f"feed {feed.name}")
        return push

    def _replaced(self, push: _Push, author: str) -> None:
        if push.begun:
            return  # on its way: it ends as any release does
        push.why = ""
        self._end(
            push,
            ConflictError(
                "superseded",
                f"{push.words} was replaced while it waited: {author} pushed newer content.",
                remedy="The newer content will be released instead.",
            ),
        )

    async def _carry_out(self, push: _Push, *, known: bool) -> None:
        try:
            if not (known and await self._done_before(push)):
                while self._stands(push) and not await self._tried(push):
                    pass
        except asyncio.CancelledError:
            self._end(push, push_waits(push.words, "the control process is stopping."))
            raise

    async def _tried(self, push: _Push) -> bool:
        """Wait for its turn and make a release of it; whether that was its end."""
        if not await self._turn(push):
            return True
        outcome: Applied | Refused | None
        push.begun, push.why = True, ""
        try:
            outcome = await self._released(push)
            if isinstance(outcome, Refused) and outcome.code in STAYS:
                push.flow.end(outcome)
                outcome = await self._followed(push, outcome)
        except SeawallError as error:
            outcome = self._refusal(push, error)
        finally:
            push.begun = False
        if isinstance(outcome, Refused) and outcome.code in _AGAIN and self._stands(push):
            push.why, push.waited = outcome.message, True
            push.flow.goes_on(f"starts over: {outcome.message}")
            if outcome.code in _AWAY:
                self._end(push, push_waits(push.words, push.why))
            await self._clock.sleep(_RETRY_S)
            return False
        await self._over(push, outcome)
        return True

    async def _turn(self, push: _Push) -> bool:
        """Wait; False when a newer push has taken its place."""
        until_s = self._clock.monotonic_s() + limits.FEED_FOLLOW_S
        while self._stands(push):
            turn = self._in_the_way(push)
            if turn is None:
                return True
            if turn.why != push.why:
                push.why, push.waited = turn.why, True
                push.flow.started("check", f"waits: {turn.why}")
            if turn.stands or self._clock.monotonic_s() >= until_s:
                self._end(push, push_waits(push.words, push.why))
            await self._clock.sleep(_POLL_S)
        return False

    def _in_the_way(self, push: _Push) -> _Turn | None:
        fleet = self._rollouts.fleet
        if fleet.frozen is not None:
            return _Turn(frozen(fleet.frozen.actor, fleet.frozen.reason), stands=True)
        if self._releaser.busy:
            moving = fleet.running
            stands = moving is not None and (moving.held or moving.paused) is not None
            return _Turn(f"{self._releaser.busy}.", stands=stands)
        first = next((each for each in self._oldest_first() if not each.begun), push)
        if first is not push:
            return _Turn(f"An earlier push into {first.feed.name} comes first.", stands=False)
        return None

    async def _released(self, push: _Push) -> Applied | Refused:
        current = self._releaser.current
        facts = await self._releaser.current_facts()
        if facts is None or current is None:
            raise no_facts(current)
        feed = push.feed
        require_pushed(facts, feed.name)
        flow = self._releaser.apply(
            Order(
                sources=facts.sources,
                author=feed.author,
                message=feed.message or f"Feed {feed.name}, {len(feed.content)} bytes",
                kind=Kind.FEED,
                force=feed.force,
                # Made of the files of that release: on another one it would undo a change.
                parent=current.id,
                extras=Extras(feed=Pushed(feed.name, feed.content), pinned=True),
                feed=feed.name,
            )
        )
        async for event in flow.events():
            if isinstance(event, Applied | Refused):
                return replace(event, elapsed_s=push.flow.elapsed_s)
            if event.state != "failed":  # whether that is its end is known with the outcome
                push.flow.passes_on(event)
        return self._refusal(push, stopping())

    async def _followed(self, push: _Push, told: Refused) -> Refused | None:
        """The end of its rollout, which is on its way and was held or paused."""
        rollout = self._rollout_of(push)
        if rollout is None:
            return told
        while not rollout.ended and rollout.stage is not state.Stage.BAKING:
            await self._clock.sleep(_POLL_S)
            rollout = await self._rollouts.rollout(rollout.number)
        if rollout.stage in {state.Stage.BAKING, state.Stage.DONE}:
            return None
        code = "superseded" if rollout.stage is state.Stage.SUPERSEDED else "rolled-back"
        words = f"{rollout.release} was withdrawn: {rollout.outcome.rstrip('.')}."
        return replace(told, code=code, message=words)

    async def _done_before(self, push: _Push) -> bool:
        """Whether the control process before this one brought it out, or has it on its way."""
        name, content = push.feed.name, push.feed.content
        push.begun = True
        try:
            rollout = self._rollout_of(push)
            if rollout is not None and await self._pushed(rollout.digest, name) == content:
                outcome = await self._followed(push, self._refusal(push, stopping()))
                if outcome is not None and outcome.code in _AGAIN:
                    return False
                await self._over(push, outcome)
                return True
            if await self._releaser.pushed(name) != content:
                return False
            await self._over(push, None)
        except SeawallError as error:
            self._log("waiting-feed-unknown", f"{name}: {error.message}")
            return False
        finally:
            push.begun = False
        return True

    async def _pushed(self, digest: Digest, name: ListName) -> bytes | None:
        encoded = await asyncio.to_thread(self._store.bundle_bytes, digest)
        return await self._workshop.pushed(encoded, name)

    def _rollout_of(self, push: _Push) -> state.Rollout | None:
        found = [r for r in self._rollouts.fleet.rollouts if r.feed == push.feed.name]
        return max(found, key=lambda r: r.number) if found else None

    async def _over(self, push: _Push, outcome: Applied | Refused | None) -> None:
        """It is released or refused for good; None when nobody is left to be told."""
        name = push.feed.name
        if isinstance(outcome, Refused):
            words = f"{push.words} was refused: {outcome.message}"
            if self._stands(push) and push.waited:
                self._refused.keep(name, words, outcome, self._releaser.current)
            self._log("feed-refused", words)
            await self._deeds.noted(
                *(push.feed.author, "feed-refused", name, outcome.message),
                lost="feed-not-recorded",
            )
        try:
            await asyncio.to_thread(self._store.waiting.drop, name, push.feed.number)
        except SeawallError as error:  # the next control process finds it served already
            self._log("waiting-feed-not-dropped", f"{name}: {error.message}")
        if self._stands(push):
            del self._pushes[name]
        if outcome is not None:
            push.flow.end(outcome)

    def _stands(self, push: _Push) -> bool:
        """Whether it is still the newest of its feed."""
        return self._pushes.get(push.feed.name) is push

    def _oldest_first(self) -> list[_Push]:
        return sorted(self._pushes.values(), key=lambda push: push.feed.number)

    def _refusal(self, push: _Push, error: SeawallError) -> Refused:
        return push.flow.refusal(error, serving=self._releaser.serving)

    def _end(self, push: _Push, error: SeawallError) -> None:
        push.flow.end(self._refusal(push, error))
