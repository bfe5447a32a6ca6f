"""What comes of trying bot rules on recorded requests, as frozen values for people and programs.

It needs nothing but the standard library, so that a client reads it cheaply.
"""

from dataclasses import dataclass
from enum import StrEnum


class RehearsalState(StrEnum):
    """Whether the records tell enough."""

    MEASURED = "measured"
    TOO_FEW = "too-few"
    NO_RECORDS = "no-records"


@dataclass(frozen=True, slots=True)
class RuleTurns:
    """What one rule would do to the recorded requests that it decides.

    Attributes:
        rule: its name, or `category:NAME`.
        do: `challenge`, `block`, `payment` or `rate`; in mode `observe` what it would do.
        requests: that it turns away or challenges.
        new_requests: of these, those that the current release lets in.
        example: id of such a request, a new one where there is one.
    """

    rule: str
    do: str
    requests: int
    clients: int
    new_requests: int
    new_clients: int
    example: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One site whose treatment of bots changes.

    Attributes:
        mode: `enforce`, or `observe`, in which nobody is really turned away.
        requests: recorded ones of which it is sure what becomes of them.
        clients: that made them.
        unsure: requests that hang on what records do not hold.
        new_requests: turned away or challenged by the new rules, and let in by the current release.
        new_clients: with at least one such request.
        freed_requests: the other way about.
        share: of the clients that are new; None when the records are too few to tell.
        over: more than may be without being forced.
        since: when the oldest of these requests began, UTC; empty without any.
        rules: those that turn away most first; bounded.
    """

    site: str
    mode: str
    state: RehearsalState
    requests: int
    clients: int
    unsure: int
    new_requests: int
    new_clients: int
    freed_requests: int
    share: float | None
    over: bool
    since: str
    rules: tuple[RuleTurns, ...]
