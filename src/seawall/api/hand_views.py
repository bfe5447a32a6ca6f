"""The JSON shapes of what an operator lays hands on: switches, feeds, quarantine.

As `api.views`: standard library only, units last, times in Unix seconds, fields added and never
renamed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

WAITING: Final = "waiting"
"""Code of a refusal to a push that is kept for its turn: nobody need push it again."""


@dataclass(frozen=True, slots=True)
class SwitchView:
    """A kill switch that is on in the current release.

    Attributes:
        site: empty for everywhere.
        left_s: until it ends by itself; 0 when that is being done.
        without: what the edge does meanwhile.
        opens: which protection is lost; empty when none.
    """

    feature: str
    site: str
    until_s: float
    left_s: float
    reason: str
    actor: str
    without: str
    opens: str


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A feature that can be killed."""

    feature: str
    without: str
    opens: str
    by_site: bool


@dataclass(frozen=True, slots=True)
class SwitchesView:
    """The kill switches that are on, and everything that can be killed.

    Attributes:
        coming: the release that is in the gate or on its way, in words; empty when none is. What
            it kills is not among `switches` yet.
    """

    switches: tuple[SwitchView, ...]
    features: tuple[FeatureView, ...]
    coming: str = ""


@dataclass(frozen=True, slots=True)
class FeedView:
    """An address list of the current release.

    Attributes:
        path: of its file; empty for one that is pushed.
        entries: networks on it; None when no site uses it and it verifies no bot.
        pushed_bytes: size of what was pushed last; None before the first and for a file.
        fetched_s: of published ranges, when their operator last confirmed them, Unix seconds; None
            where that is not known.
    """

    name: str
    path: str
    entries: int | None
    pushed_bytes: int | None
    fetched_s: float | None = None


@dataclass(frozen=True, slots=True)
class FeedContentView:
    """What was pushed last into a list, or into `bot-model`; null before the first push."""

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class BotModelView:
    """A bot model of the current release.

    Attributes:
        id: first 8 digits of the digest of its file; records name it by them.
        source: `pushed`, `file` or `starter`.
        path: of its file, for source `file`.
        name: empty, with zeros below, when its file is not there any more.
        metrics: what it was accepted with.
    """

    id: str
    source: str
    path: str = ""
    name: str = ""
    created: str = ""
    features: int = 0
    trees: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitingFeedView:
    """A push into a feed that is not on its way yet; it is released by itself.

    Attributes:
        name: of the feed, `bot-model` and the like included.
        author: who pushed it.
        at_s: when.
        why: what it waits for.
    """

    name: str
    size_bytes: int
    author: str
    at_s: float
    why: str


@dataclass(frozen=True, slots=True)
class FeedsView:
    """All lists of the current release, its bot model, and the shadow beside it.

    `model` is null when nothing is scored, `shadow` when there is none; `waiting` are pushes that
    are kept for their turn.
    """

    feeds: tuple[FeedView, ...]
    model: BotModelView | None = None
    shadow: BotModelView | None = None
    waiting: tuple[WaitingFeedView, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinedView:
    """Content that is not rolled out again unless somebody forces its digest by name.

    Attributes:
        releases: that hold it and are still kept, newest first.
    """

    digest: str
    reason: str
    actor: str
    at_s: float
    releases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """All quarantined content, newest first."""

    quarantined: tuple[QuarantinedView, ...]
