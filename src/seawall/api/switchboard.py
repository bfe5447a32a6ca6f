"""Kill switches and pushed feeds: orders for a release, made of the current one and one change.

They go the ordinary path, gate included: a kill path that is never tried is how a kill switch took
a network down. A switch ends by itself; what is on stands in the current release, so a control
process that was away ends on its return what is over.
"""

from collections.abc import Callable
from typing import Final

from seawall import limits
from seawall.api.deeds import Deeds
from seawall.api.extras import Extras
from seawall.api.hand_views import (
    BotModelView,
    FeatureView,
    FeedContentView,
    FeedsView,
    FeedView,
    SwitchesView,
    SwitchView,
)
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.refusals import require_facts, require_pushed
from seawall.api.releaser import Releaser
from seawall.api.status_views import NoticeView
from seawall.api.views import Refused
from seawall.api.work import Facts, ModelFacts
from seawall.clock import Clock
from seawall.errors import NotFoundError, SeawallError, UsageError
from seawall.ids import ListName, SiteName
from seawall.model import FEATURES, Feature, Switch
from seawall.model.switches import still_on, switch_words
from seawall.phrases import few
from seawall.release.release import Kind
from seawall.site.sources import Pushed

AUTHOR: Final = "seawall"
_WAIT_POLL_S: Final = 0.1
_NAMES_SHOWN: Final = 5
_SWITCH_WORDS: Final = "seawall kill --list"


class Switchboard:
    """Throws and ends switches, and takes feeds; `run` as a task ends what is over.

    Args:
        deeds: told who did what, and what came of it.
        log: told what control does by itself.
    """

    def __init__(
        self, releaser: Releaser, deeds: Deeds, clock: Clock, *, log: Callable[[str, str], None]
    ) -> None:
        self._releaser = releaser
        self._deeds = deeds
        self._clock = clock
        self._log = log
        self._refused = ""
        self._written = ""

    @property
    def in_the_gate(self) -> str:
        """See `Releaser.in_the_gate`."""
        return self._releaser.in_the_gate

    async def kill(
        self,
        feature: str,
        site: str | None,
        *,
        ttl_s: float | None,
        reason: str,
        author: str,
        force: tuple[str, ...] = (),
        break_glass: bool = False,
    ) -> Flow:
        """Begin to switch a feature off for a while; one that is off already lasts anew.

        Raises:
            UsageError: no such feature, a time out of bounds, a site where none is possible, or
                no reason where one is needed.
            ConflictError: there is no release yet, or one is on its way and does not end.
        """
        known = _feature(feature)
        switch = Switch(
            feature=known,
            site=_site(known, site),
            until_s=self._clock.now_s() + _ttl_s(ttl_s),
            reason=_reason(known, reason),
            actor=author,
        )
        facts = await self.turn()
        lasts = f"{switch.until_s - self._clock.now_s():.0f} s"
        detail = f"for {lasts}" + (f": {reason}" if reason else "")
        order = Order(
            sources=facts.sources,
            author=author,
            message=f"Kill {switch.words} {detail}",
            kind=Kind.SWITCH,
            force=force,
            extras=Extras(on=switch, pinned=True),
            break_glass=break_glass,
        )
        return await self._deeds.released(self._releaser, order, "kill", switch.words, detail)

    async def unkill(
        self, feature: str, site: str | None, *, author: str, break_glass: bool = False
    ) -> Flow:
        """Begin to end a switch before its time.

        Raises:
            UsageError: no such feature.
            NotFoundError: it is not on.
            ConflictError: there is no release yet, or one is on its way and does not end.
        """
        key = _feature(feature), SiteName(site) if site else None
        facts = await self.turn()
        if all((one.feature, one.site) != key for one in facts.switches):
            raise NotFoundError(
                "switch-not-on",
                f"There is no kill switch on {switch_words(*key)}.",
                remedy=f"See `{_SWITCH_WORDS}`.",
            )
        order = Order(
            sources=facts.sources,
            author=author,
            message=f"End the kill of {switch_words(*key)}",
            kind=Kind.SWITCH,
            extras=Extras(off=key, pinned=True),
            break_glass=break_glass,
        )
        return await self._deeds.released(self._releaser, order, "unkill", switch_words(*key))

    async def push_now(
        self, feed: Pushed, *, author: str, message: str, force: tuple[str, ...]
    ) -> Flow:
        """Begin to release new content of a feed by break-glass, ahead of everything else.

        Raises:
            NotFoundError: the site file has no such list.
            ConflictError: the list is a file; or there is no release yet, or one is in the gate
                and does not end.
        """
        facts = await self.turn()
        require_pushed(facts, feed.name)
        detail = f"{len(feed.content)} bytes"
        order = Order(
            sources=facts.sources,
            author=author,
            message=message or f"Feed {feed.name}, {detail}",
            kind=Kind.FEED,
            force=force,
            extras=Extras(feed=feed, pinned=True),
            feed=feed.name,
            break_glass=True,
        )
        return await self._deeds.released(self._releaser, order, "feed-pushed", feed.name, detail)

    async def switches(self) -> SwitchesView:
        """What is killed in the current release, and what can be."""
        facts = await self._releaser.current_facts()
        now_s = self._clock.now_s()
        return SwitchesView(
            tuple(_switch_view(one, now_s) for one in (facts.switches if facts else ())),
            tuple(
                FeatureView(feature.value, about.without, about.opens, about.by_site)
                for feature, about in FEATURES.items()
            ),
            coming=self._releaser.busy,
        )

    async def feeds(self) -> FeedsView:
        """The lists of the current release."""
        facts = await self._releaser.current_facts()
        return FeedsView(
            tuple(
                FeedView(one.name, one.path, one.entries, one.pushed_bytes, one.fetched_s)
                for one in (facts.feeds if facts else ())
            ),
            _model_view(facts.model) if facts else None,
            _model_view(facts.shadow) if facts else None,
        )

    async def feed(self, name: ListName) -> FeedContentView:
        """What was pushed last into a list, or as the bot model.

        Raises:
            NotFoundError: the current release has no such list.
            ConflictError: it is a file, or there is no release yet.
        """
        facts = require_facts(await self._releaser.current_facts(), self._releaser.current)
        require_pushed(facts, name)
        content = await self._releaser.pushed(name)
        return FeedContentView(
            name, None if content is None else content.decode("utf-8", "replace")
        )

    def notice(self) -> NoticeView | None:
        """That a switch is over and could not be ended."""
        if not self._refused:
            return None
        return NoticeView(
            "warning",
            "switch-overdue",
            f"A kill switch has expired but could not be ended: {self._refused}",
            "Seawall retries automatically. `seawall unkill` ends it by hand.",
        )

    async def run(self) -> None:
        """End switches in time, until cancelled."""
        while True:
            await self._clock.sleep(limits.SWITCH_POLL_S)
            try:
                flow = await self.end_overdue()
                outcome = await flow.wait() if flow is not None else None
                self._refused = outcome.message if isinstance(outcome, Refused) else ""
            except SeawallError as error:
                self._refused = error.message
            if self._refused:
                self._log("switch-overdue", self._refused)
                await self._clock.sleep(limits.SWITCH_RETRY_S)

    async def end_overdue(self) -> Flow | None:
        """Begin a release without the switches whose time is over; None when there is none.

        Raises:
            RefusedError: frozen.
            ConflictError: another release is on its way.
        """
        if self._releaser.busy:
            return None
        facts = await self._releaser.current_facts()
        if facts is None:
            return None
        left = still_on(facts.switches, self._clock.now_s())
        over = [one.words for one in facts.switches if one not in left]
        if not over:
            self._written = ""
            return None
        self._releaser.unless_frozen()
        names = ", ".join(over)
        flow = self._releaser.apply(
            Order(
                sources=facts.sources,
                author=AUTHOR,
                message=f"A kill switch has expired: {few(over, _NAMES_SHOWN)}",
                kind=Kind.SWITCH,
                extras=Extras(pinned=True),
            )
        )
        if names != self._written:  # otherwise it was refused, and is tried again
            self._written = names
            self._log("switch-over", names)
            await self._deeds.note(AUTHOR, "switch-over", names)
        return flow

    async def turn(self) -> Facts:
        """Wait for a release that is in the gate just now; then what is current.

        Raises:
            ConflictError: there is no release yet.
            UnreachableError: it cannot be read just now.
        """
        end_s = self._clock.monotonic_s() + limits.SWITCH_TURN_WAIT_S
        while self._releaser.in_the_way(Kind.SWITCH) and self._clock.monotonic_s() < end_s:
            await self._clock.sleep(_WAIT_POLL_S)
        return require_facts(await self._releaser.current_facts(), self._releaser.current)


def _model_view(model: ModelFacts) -> BotModelView | None:
    if not model.id:
        return None
    return BotModelView(
        id=model.id,
        source=model.source,
        path=model.path,
        name=model.name,
        created=model.created,
        features=model.features,
        trees=model.trees,
        metrics=model.metrics,
    )


def _feature(name: str) -> Feature:
    try:
        return Feature(name)
    except ValueError:
        known = ", ".join(Feature)
        raise UsageError(
            "feature-unknown",
            f"There is no kill switch for {name[:60]!r}.",
            remedy=f"Known are: {known}.",
        ) from None


def _site(feature: Feature, site: str | None) -> SiteName | None:
    if site is None:
        return None
    if not site:  # a variable without a value must not switch off everywhere what one site asked
        raise UsageError(
            "site-empty",
            "The name of the site is empty.",
            remedy="Name a site, or leave it out for all sites.",
        )
    if not FEATURES[feature].by_site:
        raise UsageError(
            "switch-not-by-site",
            f"{feature} belongs to the whole edge, not to one site.",
            remedy="Leave the site out.",
        )
    return SiteName(site)


def _ttl_s(ttl_s: float | None) -> float:
    lasts_s = limits.SWITCH_TTL_S if ttl_s is None else ttl_s
    if not limits.SWITCH_TTL_S_MIN <= lasts_s <= limits.SWITCH_TTL_S_MAX:
        raise UsageError(
            "ttl-out-of-range",
            f"A kill switch cannot last {lasts_s:g} s.",
            remedy=f"Between {limits.SWITCH_TTL_S_MIN:g} s and "
            f"{limits.SWITCH_TTL_S_MAX / 86_400:g} days. To switch something off for longer, "
            "change the site file.",
        )
    return lasts_s


def _reason(feature: Feature, reason: str) -> str:
    opens = FEATURES[feature].opens
    if opens and not reason.strip():
        raise UsageError(
            "reason-needed",
            f"Killing {feature} lowers protection: {opens}",
            remedy="If this is intended, give a reason with --reason.",
        )
    if len(reason) > limits.SWITCH_REASON_LENGTH_CHARS_MAX or not reason.isprintable():
        raise UsageError(
            "reason-unusable",
            "The reason is too long, or not plain text.",
            remedy=f"Write one line of at most {limits.SWITCH_REASON_LENGTH_CHARS_MAX} characters.",
        )
    return reason.strip()


def _switch_view(switch: Switch, now_s: float) -> SwitchView:
    about = FEATURES[switch.feature]
    return SwitchView(
        feature=switch.feature.value,
        site=switch.site or "",
        until_s=switch.until_s,
        left_s=max(0.0, switch.until_s - now_s),
        reason=switch.reason,
        actor=switch.actor,
        without=about.without,
        opens=about.opens,
    )
