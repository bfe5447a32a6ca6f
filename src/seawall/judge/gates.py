"""The gates as data: what is counted, against which slot, and how much worse is no harm.

Every gate is a share: bad events of exposures. Gross gates, where one request tells a lot, compare
with all that runs the current release (stable and baseline). Fine ones, where a new process or new
connections alone make a difference, compare with the baseline slot, which is as new; without one
they compare with stable, allow more, and say so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall.ids import SiteName
from seawall.limits import (
    JUDGE_DISPERSION_FINE_MAX,
    JUDGE_DISPERSION_MAX,
    JUDGE_SPANS_FINE_MIN,
    JUDGE_SPANS_MIN,
)
from seawall.telemetry.measures import CPU, LATENCY_BOUNDS_MS
from seawall.telemetry.window import SiteCounts, Window

Count = tuple[float, float]
"""Bad events, and the exposures they are of."""

_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
_CPU_UNIT_S: Final = 0.01
# More than an Envoy without traffic uses, nearly all of it to answer the agent (1,000 sites: 4 %).
_CPU_IDLE_SHARE: Final = 0.1
_SLOW_SHARE: Final = 0.05
_SLOW_SHARE_MAX: Final = 0.15
# Faster than this nobody waits; what differs there is how busy the machine is.
_SLOW_LEAST_MS: Final = 5.0


class Control(StrEnum):
    """What a gate compares the candidate with."""

    CURRENT = "current"
    """Stable and baseline together."""
    BASELINE = "baseline"
    """Baseline; where there is none, stable with the wider bounds."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One measurement and its bounds.

    Attributes:
        name: stable identifier, shown and stored.
        title: what is bad, for people: `N of M requests TITLE`.
        of_window: count of the whole edge in a window, given the first slow bucket of the edge;
            None when the window does not say.
        of_site: count of a site, given its first slow bucket; None for gates of the edge only.
        ratio: so many times the control's rate is no harm.
        floor: a rate that is no harm whatever the control's.
        ratio_alone: instead of `ratio` where the baseline slot is missing.
        floor_alone: instead of `floor` there.
        budget: share of the judge's false alarms that this gate may use for the whole edge.
        budget_sites: the same for all single sites together.
        clump: bad events that come together by nature and count as one.
        fine: a matter of degree, and of who comes: there is time to look longer.
        harm: to leave a step, the share of ALL requests that the candidate may harm unseen must
            be shown to be less; None for a gate that can only refuse.
        margin_least: of the candidate's requests: finer than this is not asked for.
        margin_most: coarser is worthless: from there on the gate is not asked at this share.
        asked_always: at a share where `harm` allows more than `margin_most`, ask `margin_most`.
    """

    name: str
    title: str
    of_window: Callable[[Window, int | None], Count | None]
    of_site: Callable[[SiteCounts, int | None], Count | None] | None
    control: Control
    ratio: float
    floor: float
    budget: float
    budget_sites: float = 0.0
    ratio_alone: float = 0.0
    floor_alone: float = 0.0
    clump: float = 1.0
    fine: bool = False
    harm: float | None = None
    margin_least: float = 0.01
    margin_most: float = 0.1
    asked_always: bool = True

    @property
    def clump_most(self) -> float:
        """However unevenly bad events come on stable, no more than this many count as one."""
        return JUDGE_DISPERSION_FINE_MAX if self.fine else JUDGE_DISPERSION_MAX

    @property
    def spans(self) -> int:
        """Moments that must testify, so that no shorter burst decides."""
        return JUDGE_SPANS_FINE_MIN if self.fine else JUDGE_SPANS_MIN

    def margin(self, share: float) -> float | None:
        """How much worse, as a share of the candidate's requests, must be ruled out to advance."""
        if self.harm is None:
            return None
        allowed = self.harm / max(share, 1e-9)
        if allowed > self.margin_most and not self.asked_always:
            return None
        return min(self.margin_most, max(self.margin_least, allowed))


def _answers(window: Window) -> float | None:
    return _sum(window, *(f"responses_{c}" for c in _CLASSES))


def _sum(window: Window, *names: str) -> float | None:
    found = [window.edge.get(name) for name in names]
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def _pair(bad: float | None, exposures: float | None) -> Count | None:
    if bad is None or exposures is None:
        return None
    return min(max(bad, 0.0), exposures), exposures


def _errors(window: Window, _slow: int | None) -> Count | None:
    return _pair(window.edge.get("responses_5xx"), _answers(window))


def _client_errors(window: Window, _slow: int | None) -> Count | None:
    return _pair(window.edge.get("responses_4xx"), _answers(window))


def _refused(window: Window, _slow: int | None) -> Count | None:
    """4xx that no origin's route answered: blocked, challenged, limited, or without a route."""
    all_4xx = window.edge.get("responses_4xx")
    origins_4xx = sum(counts.status_4xx for counts in window.sites.values())
    return _pair(None if all_4xx is None else all_4xx - origins_4xx, _answers(window))


def _bot_faults(window: Window, _slow: int | None) -> Count | None:
    """Faults of the bot filter; a node too old to have one takes no part.

    A request with a fault passes as if nothing was known of it, so no other gate sees this. One
    request may have two, on its way in and out.
    """
    if "bots_scored" not in window.edge and "bots_errors" not in window.edge:
        return 0.0, 0.0
    return _pair(window.edge.get("bots_errors"), window.edge.get("requests"))


def _resets(window: Window, _slow: int | None) -> Count | None:
    bad = _sum(window, "resets", "client_resets", "protocol_errors", "idle_timeouts")
    timeouts = sum(counts.timeouts for counts in window.sites.values())
    return _pair(None if bad is None else bad + timeouts, window.edge.get("requests"))


def _unanswered(window: Window, _slow: int | None) -> Count | None:
    answered, requests = _sum(window, *(f"responses_{c}" for c in ("1xx", *_CLASSES))), window.edge
    if answered is None or "requests" not in requests:
        return None
    return _pair(requests["requests"] - answered, requests["requests"])


def _slow(window: Window, slow: int | None) -> Count | None:
    return _over(window.latency_buckets, slow)


def _cpu(window: Window, _slow: int | None) -> Count | None:
    used_s, requests = window.edge.get(CPU), window.edge.get("requests")
    if used_s is None or requests is None:
        return None
    busy_s = max(0.0, used_s - _CPU_IDLE_SHARE * window.duration_s)
    return busy_s / _CPU_UNIT_S, requests


def _over(buckets: tuple[int, ...], slow: int | None) -> Count:
    if slow is None:
        return 0.0, 0.0
    return float(sum(buckets[slow:])), float(sum(buckets))


GATES: Final = (
    Gate(
        "errors", "were answered with 5xx", _errors,
        lambda s, _: (s.status_5xx, s.requests),
        Control.CURRENT, ratio=1.25, floor=0.0005, budget=0.45, budget_sites=0.1, harm=0.0025,
    ),
    Gate(
        "bot-faults", "hit a fault of the bot filter", _bot_faults, None,
        Control.CURRENT, ratio=1.25, floor=0.0005, budget=0.02,
    ),
    Gate(
        "resets", "were reset or timed out", _resets,
        lambda s, _: (s.timeouts, s.requests),
        Control.BASELINE, ratio=1.5, floor=0.005, ratio_alone=4.0, floor_alone=0.02, budget=0.08,
        budget_sites=0.02, harm=0.005, margin_least=0.02,
    ),
    Gate(
        "unanswered", "got no answer yet", _unanswered, None,
        Control.BASELINE, ratio=2.0, floor=0.05, ratio_alone=4.0, floor_alone=0.3, budget=0.04,
        fine=True,
    ),
    Gate(
        "refused", "were refused here (4xx without an origin: blocked, challenged, limited, no "
        "route)", _refused, None,
        Control.BASELINE, ratio=1.5, floor=0.03, ratio_alone=2.0, floor_alone=0.06, budget=0.05,
        harm=0.0125, margin_least=0.05, margin_most=0.15, asked_always=False, fine=True,
    ),
    Gate(
        "client-errors", "were answered with 4xx", _client_errors,
        lambda s, _: (s.status_4xx, s.requests),
        Control.BASELINE, ratio=1.5, floor=0.03, ratio_alone=2.0, floor_alone=0.06, budget=0.05,
        budget_sites=0.05, harm=0.0125, margin_least=0.05, margin_most=0.15, asked_always=False,
        fine=True,
    ),
    Gate(
        "slow", "took longer than 95 % do on stable", _slow,
        lambda s, slow: _over(s.latency_buckets, slow),
        Control.BASELINE, ratio=1.5, floor=0.02, ratio_alone=2.5, floor_alone=0.05, budget=0.05,
        budget_sites=0.05, harm=0.0125, margin_least=0.05, margin_most=0.15, asked_always=False,
        fine=True,
    ),
    Gate(
        "cpu", "units of 10 ms CPU time", _cpu, None,
        Control.BASELINE, ratio=1.5, floor=0.005, ratio_alone=3.0, floor_alone=0.02, budget=0.04,
        clump=5.0, fine=True,
    ),
)  # fmt: skip
"""Every gate that counts. Budgets add up to at most 1."""
GATES_BY_NAME: Final = {gate.name: gate for gate in GATES}


def count_of(gate: Gate, site: SiteName | None, window: Window) -> Count | None:
    """Of the whole edge (None) or a site in a window, without a bound from which on it is slow."""
    if site is None:
        return gate.of_window(window, None)
    counts = window.sites.get(site)
    return gate.of_site(counts, None) if gate.of_site is not None and counts else None


def slow_from(windows: Iterable[Window]) -> dict[SiteName | None, int]:
    """The first bucket that is slow, of the edge (None) and of each site, by these windows.

    It is the one from which on lies the share nearest to 5 % but not over 15 %: buckets are coarse.
    No time up to 5 ms is slow.
    """
    sums: dict[SiteName | None, list[int]] = {}
    for window in windows:
        _add(sums.setdefault(None, [0] * len(LATENCY_BOUNDS_MS)), window.latency_buckets)
        for site, counts in window.sites.items():
            if counts.latency_buckets:
                _add(
                    sums.setdefault(site, [0] * len(LATENCY_BOUNDS_MS)),
                    counts.latency_buckets,
                )
    return {key: _first_slow(counts) for key, counts in sums.items() if any(counts)}


def _add(sums: list[int], counts: tuple[int, ...]) -> None:
    for index, count in enumerate(counts[: len(sums)]):
        sums[index] += count


def _first_slow(counts: list[int]) -> int:
    over, total = sum(counts), sum(counts)
    best, distance = len(counts), 2.0
    for index, count in enumerate(counts):
        over -= count
        share = over / total
        off = abs(share - _SLOW_SHARE)
        if (
            LATENCY_BOUNDS_MS[index] >= _SLOW_LEAST_MS
            and share <= _SLOW_SHARE_MAX
            and off < distance
        ):
            best, distance = index + 1, off
    return best
