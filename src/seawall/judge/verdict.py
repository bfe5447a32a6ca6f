"""The three verdicts, and how several become one.

A verdict is never guessed: without enough evidence it is `NotEnough` with a reason, which waits.
Severity is a lattice, not an order of ifs: `combine` takes the worst, so more evidence of one kind
never hides another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from seawall.ids import SiteName


class Reason(StrEnum):
    """Why there is no verdict yet."""

    NO_EVIDENCE = "no-evidence"
    """Nothing was measured at all."""
    NO_TRAFFIC = "no-traffic"
    """So few requests come that this step cannot decide before its deadline."""
    GATHERING = "gathering"
    """Requests come; more are needed."""
    WARMING = "warming"
    """The candidate, or an xDS resource of it, is not ready."""
    MISSING = "missing"
    """A measurement that a gate needs could not be read."""


@dataclass(frozen=True, slots=True)
class Healthy:
    """Not worse than its control by more than the margin, with the confidence asked for."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class NotEnough:
    """Wait; `gate` is the one that lacks evidence most."""

    reason: Reason
    gate: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """Worse than its control.

    Attributes:
        gate: which measurement says so.
        site: whose requests; None for the whole edge.
        text: the arithmetic, for people.
    """

    gate: str
    site: SiteName | None = None
    text: str = ""


Verdict = Healthy | NotEnough | Unhealthy


def severity(verdict: Verdict) -> int:
    """0 healthy, 1 not enough, 2 unhealthy."""
    match verdict:
        case Healthy():
            return 0
        case NotEnough():
            return 1
        case Unhealthy():
            return 2


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst; the first of equals. Of nothing: `NotEnough`, never healthy."""
    worst: Verdict | None = None
    for verdict in verdicts:
        if worst is None or severity(verdict) > severity(worst):
            worst = verdict
    return worst or NotEnough(Reason.NO_EVIDENCE, text="nothing was judged")
