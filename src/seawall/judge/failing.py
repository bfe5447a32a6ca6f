"""Which sites answer with errors now, for people: that is seldom the fault of a release.

The gates of a trial compare a candidate with what serves, and stay silent where requests are too
few, or where the origin fails by itself. An operator wants to hear of it all the same, and of the
one thing that finding the cause begins with: whether it began with a release. Nothing is decided
here. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from seawall.ids import NodeName, ReleaseId, SiteName
from seawall.judge.sequential import rate_lower, rate_upper
from seawall.limits import (
    EVIDENCE_SPAN_S,
    FAILING_ALPHA,
    FAILING_RATIO,
    FAILING_SHARE,
    TRAFFIC_SPAN_S,
    TURNED_SHARE,
)
from seawall.telemetry.window import Window

_STABLE: Final = "stable"
_LOOKED_AT: Final = ("bots_scored", "bots_unscored")
_TURNED: Final = ("bots_challenged", "bots_blocked", "bots_limited", "bots_payment")


@dataclass(frozen=True, slots=True)
class Failing:
    """A site of which more requests fail than may pass in silence.

    Attributes:
        bad: answers 5xx to requests that were routed to an origin.
        of: all of these requests.
        span_s: in this last time.
        since_s: when the release that serves began to; None when that is longer ago than anything
            that is remembered, or it serves nowhere yet.
        before: failed and all requests before that.
        began: whether failures are so many more since then that the release is to be suspected.
    """

    site: SiteName
    bad: int
    of: int
    span_s: float
    since_s: float | None = None
    before: tuple[int, int] = (0, 0)
    began: bool = False


@dataclass(frozen=True, slots=True)
class Turned:
    """Far more requests are turned away or challenged by bot rules since a release serves.

    Attributes:
        bad: turned away or challenged since then.
        of: requests that were looked at since then.
        since_s: when it began.
        before: the same two before that.
    """

    bad: int
    of: int
    since_s: float
    before: tuple[int, int]


class _Sums:
    """Failed and all requests by site."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._counts: dict[SiteName, tuple[int, int]] = {}
        for window in windows:
            for site, counts in window.sites.items():
                bad, of = self.of(site)
                self._counts[site] = bad + counts.status_5xx, of + counts.requests

    def of(self, site: SiteName) -> tuple[int, int]:
        return self._counts.get(site, (0, 0))

    def sites(self) -> Iterable[SiteName]:
        return self._counts


def failing(
    windows: Iterable[Window], release: ReleaseId | None, now_s: float
) -> tuple[Failing, ...]:
    """The sites that surely fail more than `FAILING_SHARE`, the one with most failures first.

    Args:
        windows: of all slots and nodes, as far back as they are kept.
        release: what began to serve last, also if it does not serve everywhere yet.
        now_s: Unix seconds.
    """
    kept = [w for w in windows if w.start_s + w.duration_s > now_s - EVIDENCE_SPAN_S]
    long = _Sums(kept)
    short = _Sums(w for w in kept if w.start_s + w.duration_s > now_s - TRAFFIC_SPAN_S)
    earlier, later = _sides(kept, release)
    before, after = _Sums(earlier), _Sums(later)
    since_s = min((w.start_s for w in later), default=None) if earlier else None
    found = []
    for site in long.sites():
        if _surely(*short.of(site)):
            span_s, (bad, of) = TRAFFIC_SPAN_S, short.of(site)
        elif _surely(*long.of(site)) and not _well(*short.of(site)):
            span_s, (bad, of) = EVIDENCE_SPAN_S, long.of(site)
        else:
            continue
        began = since_s is not None and _more(after.of(site), before.of(site))
        found.append(Failing(site, bad, of, span_s, since_s, before.of(site), began))
    return tuple(sorted(found, key=lambda one: (-one.bad, one.site)))


def turned_away(
    windows: Iterable[Window], release: ReleaseId | None, now_s: float
) -> Turned | None:
    """Whether bot rules turn away far more since `release` serves; None when they do not.

    A flood of bots looks the same, so it is asked only while the release is new.

    Args:
        windows: of all slots and nodes, as far back as they are kept.
        release: what began to serve last, also if it does not serve everywhere yet.
        now_s: Unix seconds.
    """
    kept = [w for w in windows if w.start_s + w.duration_s > now_s - EVIDENCE_SPAN_S]
    earlier, later = _sides(kept, release)
    if not earlier or not later:
        return None
    before, after = _turned(earlier), _turned(later)
    usual = before[0] / before[1] if before[1] else 0.0
    bound = FAILING_RATIO * usual + TURNED_SHARE
    if bound >= 1 or rate_lower(*after, FAILING_ALPHA) <= bound:
        return None
    return Turned(*after, min(w.start_s for w in later), before)


def _turned(windows: Iterable[Window]) -> tuple[int, int]:
    counted = [w.edge for w in windows if all(name in w.edge for name in _LOOKED_AT)]
    of = sum(edge[name] for edge in counted for name in _LOOKED_AT)
    bad = sum(edge.get(name, 0.0) for edge in counted for name in _TURNED)
    return round(min(bad, of)), round(of)


def _sides(
    windows: Iterable[Window], release: ReleaseId | None
) -> tuple[list[Window], list[Window]]:
    """Windows of each node before `release` began to serve there for the last time, and after."""
    by_node: dict[NodeName, list[Window]] = {}
    for window in windows:
        if window.slot == _STABLE:
            by_node.setdefault(window.node, []).append(window)
    before, after = [], []
    for own in by_node.values():
        own.sort(key=lambda w: w.start_s)
        last = max((i for i, w in enumerate(own) if w.release != release), default=-1) + 1
        before += own[:last]
        after += own[last:]
    return before, after


def _surely(bad: int, of: int) -> bool:
    return rate_lower(bad, of, FAILING_ALPHA) > FAILING_SHARE


def _well(bad: int, of: int) -> bool:
    return rate_upper(bad, of, FAILING_ALPHA) < FAILING_SHARE


def _more(after: tuple[int, int], before: tuple[int, int]) -> bool:
    if not (before[1] and after[1]):
        return False
    return after[0] / after[1] > FAILING_RATIO * before[0] / before[1] + FAILING_SHARE
