"""What a drill found: both arms side by side, and whether Seawall held."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seawall.drill.account import Account
from seawall.limits import DRILL_FAILED_SHARE_MAX, DRILL_FAILED_SHARE_OF_NAIVE_MAX


@dataclass(frozen=True, slots=True)
class Guarded:
    """Seawall's arm.

    Attributes:
        account: what clients saw.
        stable_failed: server errors the stable slots gave, and deaths of stable Envoys.
        held_by: which protection stopped the fault; empty when none did.
        words: what the operator would have read.
        scores: every score that the crowd's one client was given, if the drill is about scores.
        alarms_s: from the push of each bad file to a refusal that the status shows.
        notes: how the drill was run.
        got_past: the first protection that was on, if the fault came past it and a later one held;
            a drill that relies on the later one would not notice that the first is broken.
        in_force: releases with the fault that every node took, whether or not clients noticed.
    """

    account: Account
    stable_failed: int
    held_by: str
    words: str
    scores: tuple[str, ...] = ()
    alarms_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    in_force: tuple[str, ...] = ()
    got_past: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One drill, run in both arms; `naive` is None when only Seawall's was asked for."""

    name: str
    outage: str
    title: str
    guarded: Guarded
    naive: Account | None

    @property
    def passed(self) -> bool:
        """The fault came nowhere into force, harmed no stable slot, and needed nobody."""
        guarded = self.guarded
        return (
            guarded.stable_failed == 0
            and guarded.account.human_actions == 0
            and bool(guarded.held_by)
            and not guarded.got_past
            and not guarded.in_force
            and len(guarded.scores) <= 1
            and guarded.account.failed_share <= DRILL_FAILED_SHARE_MAX
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """All drills together."""

    results: Sequence[Result]

    @property
    def failed_share_of_naive(self) -> float | None:
        """Failed requests of Seawall's arm for each of the naive arm; None without one."""
        naive = sum(r.naive.failed for r in self.results if r.naive)
        guarded = sum(r.guarded.account.failed for r in self.results if r.naive)
        return guarded / naive if naive else None

    @property
    def passed(self) -> bool:
        """Every drill passed, and together they cost next to nothing of the naive way."""
        share = self.failed_share_of_naive
        return all(r.passed for r in self.results) and (
            share is None or share <= DRILL_FAILED_SHARE_OF_NAIVE_MAX
        )


def to_json(summary: Summary) -> Mapping[str, Any]:
    """For `--format json`."""
    return {
        "passed": summary.passed,
        "failed_share_of_naive": summary.failed_share_of_naive,
        "drills": [{**asdict(result), "passed": result.passed} for result in summary.results],
    }
