"""What comes of trying a release on recorded requests, as frozen values for people and programs.

It needs nothing but the standard library, so that a client reads it cheaply.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from seawall import limits

DENY: Final = "deny"
"""What an address list does with its clients, beside what a bot rule may do."""
LATE: Final = "late"
SILENT: Final = "silent"
OLD: Final = "old"
GARBLED: Final = "garbled"


class RehearsalState(StrEnum):
    """Whether the records tell enough."""

    MEASURED = "measured"
    TOO_FEW = "too-few"
    NO_RECORDS = "no-records"


@dataclass(frozen=True, slots=True)
class RuleTurns:
    """What one bot rule or address list would do to the recorded requests that it decides.

    Attributes:
        rule: name of a rule or list, or `category:NAME`.
        do: `challenge`, `block`, `payment` or `rate`, in mode `observe` what it would do; `deny` of
            an address list.
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
class NodeTurns:
    """What one node of a fleet has seen of a site, and what would become of it.

    Attributes:
        requests: recorded ones of which it is sure what becomes of them.
        clients: that made them.
        new_requests: turned away or challenged then, and let in by the current release.
        new_clients: with at least one such request.
        share: of the clients that are new; null when the records are too few to tell.
        over: more than may be without being forced.
        since: when the oldest of these requests began, UTC; empty without any.
        rules: those that newly turn away most clients first; bounded.
    """

    node: str
    requests: int
    clients: int
    new_requests: int
    new_clients: int
    share: float | None
    over: bool
    since: str
    rules: tuple[RuleTurns, ...]


@dataclass(frozen=True, slots=True)
class NodesAsked:
    """Which nodes of a fleet told what they have seen.

    Attributes:
        nodes: of the fleet.
        asked: of these; each that can be asked in a small fleet, a part of them in a large one.
        answered: with records that make sense, or with none.
        missing: names by why they told nothing: `late` were asked and did not answer in time, or
            not at all; `silent` were not heard of late; `old` are of a version that cannot be
            asked; `garbled` sent what makes no sense. Bounded.
        missing_count: how many there are of each.
    """

    nodes: int
    asked: int
    answered: int
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing_count: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One site whose bot rules or address lists change.

    Attributes:
        mode: of its bot rules: `enforce`, or `observe`, in which they turn nobody away.
        really: somebody may really be turned away: rules are enforced, or there is a list.
        requests: recorded ones of which it is sure what becomes of them.
        clients: that made them.
        unsure: requests that hang on what records do not hold.
        new_requests: turned away or challenged then, and let in by the current release.
        new_clients: with at least one such request.
        freed_requests: the other way about.
        share: of the clients that are new; null when the records are too few to tell.
        over: more than may be without being forced; of a fleet, also on one node alone.
        since: when the oldest of these requests began, UTC; empty without any.
        rules: those that turn away most first; bounded.
        nodes: of a fleet, each that has seen somebody, those over the bound first; bounded.
    """

    site: str
    mode: str
    really: bool
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
    nodes: tuple[NodeTurns, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was tried.

    Attributes:
        sites: one for each whose rules changed.
        fleet: who was asked for records; None when they are this machine's own.
    """

    sites: tuple[Rehearsal, ...] = ()
    fleet: NodesAsked | None = None


def is_enough(requests: int, clients: int) -> bool:
    """Whether a share of the clients can be told."""
    return requests >= limits.REHEARSAL_REQUESTS_MIN and clients >= limits.REHEARSAL_CLIENTS_MIN
