"""The JSON shapes of what an operator lays hands on: switches, feeds, quarantine.

As `api.views`: standard library only, units last, times in Unix seconds, fields added and never
renamed.
"""

from dataclasses import dataclass


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
    """The kill switches that are on, and everything that can be killed."""

    switches: tuple[SwitchView, ...]
    features: tuple[FeatureView, ...]


@dataclass(frozen=True, slots=True)
class FeedView:
    """An address list of the current release.

    Attributes:
        path: of its file; empty for one that is pushed.
        entries: networks on it; None when no site uses it.
        pushed_bytes: size of what was pushed last; None before the first and for a file.
    """

    name: str
    path: str
    entries: int | None
    pushed_bytes: int | None


@dataclass(frozen=True, slots=True)
class FeedsView:
    """All lists of the current release."""

    feeds: tuple[FeedView, ...]


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
