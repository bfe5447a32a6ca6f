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
        site: empty for the whole edge.
        left_s: seconds until it expires; 0 while it is being ended.
        without: what the edge does while the feature is off.
        opens: which protection is lost; empty if none.
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
    """A feature that can be switched off."""

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
        path: of its file; empty for a list that is pushed.
        entries: number of networks; null if no site uses the list and it verifies no bot.
        pushed_bytes: size of the last push; null before the first and for a file.
        fetched_s: for published ranges, when their operator last confirmed them (Unix seconds);
            null if unknown.
    """

    name: str
    path: str
    entries: int | None
    pushed_bytes: int | None
    fetched_s: float | None = None


@dataclass(frozen=True, slots=True)
class FeedContentView:
    """The last content pushed into a list or `bot-model`; null before the first push."""

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class BotModelView:
    """A bot model of the current release.

    Attributes:
        id: first 8 digits of its file's digest, as in access records.
        source: `pushed`, `file` or `starter`.
        path: of its file, if `source` is `file`.
        name: empty, with zeros below, if its file no longer exists.
        metrics: its training metrics when it was accepted.
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
    """A push that waits for its turn. It will be released automatically.

    Attributes:
        name: of the feed, which may also be `bot-model` and the like.
        author: who pushed it.
        at_s: when it was pushed, Unix seconds.
        why: what it waits for.
    """

    name: str
    size_bytes: int
    author: str
    at_s: float
    why: str


@dataclass(frozen=True, slots=True)
class FeedsView:
    """All lists of the current release, its bot model, and the shadow model.

    `model` is null if nothing is scored, `shadow` if there is none. `waiting` are stored pushes
    that wait for their turn.
    """

    feeds: tuple[FeedView, ...]
    model: BotModelView | None = None
    shadow: BotModelView | None = None
    waiting: tuple[WaitingFeedView, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinedView:
    """Content that is not rolled out again unless its digest is forced by name.

    Attributes:
        releases: those with this content that are still stored, newest first.
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
