"""Reading the fleet from the store's tables: rows to values, inside the caller's transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select

from seawall import limits
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release import rows
from seawall.release.tables import (
    ASSIGNMENTS,
    FLEET,
    KNOWN_GOOD,
    QUARANTINE,
    RELEASES,
    ROLLOUTS,
)
from seawall.rollout.ports import Trial
from seawall.rollout.record import read_rollout
from seawall.rollout.state import Assigned, Event, Freeze, Rollout, Stage, Target

_WITHDRAWN: Final = (Stage.ROLLED_BACK, Stage.ABORTED)
_DONE: Final = (Stage.DONE,)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A sentence of the history; `number` orders, `at_s` is for people."""

    number: int
    at_s: float
    event: Event


def version_in(connection: Connection) -> int:
    """Of the newest write; 0 before the first."""
    found = connection.execute(select(FLEET.c.version)).scalar()
    return int(found or 0)


def numbers_in(connection: Connection, fleet: Row[Any] | None) -> set[int]:
    """Releases whose digests are asked for."""
    numbers = {fleet.target} if fleet is not None else set()
    trials = select(ASSIGNMENTS.c.trial_release)
    numbers.update(connection.execute(trials).scalars())
    return {number for number in numbers if number is not None}


def digests_in(connection: Connection, numbers: Iterable[int]) -> Mapping[int, Digest]:
    """Digests of stored releases, by number."""
    query = select(RELEASES.c.number, RELEASES.c.digest).where(RELEASES.c.number.in_(numbers))
    return {row.number: Digest(row.digest) for row in connection.execute(query)}


def target_in(fleet: Row[Any] | None, digests: Mapping[int, Digest]) -> Target | None:
    """What nodes run when no rollout says otherwise."""
    if fleet is None or fleet.target is None or fleet.target not in digests:
        return None
    return Target(
        release=rows.release_id(fleet.target),
        digest=digests[fleet.target],
        bake_s=fleet.target_bake_s or 0.0,
        feed=fleet.target_feed,
        base=release_of(fleet.target_base),
        unproven=bool(fleet.target_unproven),
    )


def frozen_in(fleet: Row[Any] | None) -> Freeze | None:
    """The freeze, if there is one."""
    if fleet is None or fleet.frozen_by is None:
        return None
    return Freeze(fleet.frozen_by, fleet.frozen_reason or "", fleet.frozen_s or 0.0)


def rollouts_in(connection: Connection) -> tuple[Rollout, ...]:
    """Those that have not ended, in order."""
    query = select(ROLLOUTS.c.state).where(ROLLOUTS.c.ended_s.is_(None)).order_by(ROLLOUTS.c.number)
    return tuple(read_rollout(text) for text in connection.execute(query).scalars())


def assigned_in(connection: Connection) -> Mapping[NodeName, Assigned]:
    """What each node was told last."""
    tried = RELEASES.alias("tried")
    query = (
        select(ASSIGNMENTS, RELEASES.c.digest, tried.c.digest.label("trial_digest"))
        .join(RELEASES, RELEASES.c.number == ASSIGNMENTS.c.release)
        .outerjoin(tried, tried.c.number == ASSIGNMENTS.c.trial_release)
        .order_by(ASSIGNMENTS.c.node)
    )
    found = {
        NodeName(row.node): Assigned(
            node=NodeName(row.node),
            generation=Generation(row.generation),
            release=rows.release_id(row.release),
            digest=Digest(row.digest),
            bake_s=row.bake_s,
            trial=_trial(row),
            previous=release_of(row.previous),
            at_s=row.at_s,
        )
        for row in connection.execute(query)
    }
    return MappingProxyType(found)


def _trial(row: Row[Any]) -> Trial | None:
    if row.trial_release is None or row.trial_digest is None:
        return None
    return Trial(
        release=rows.release_id(row.trial_release),
        digest=Digest(row.trial_digest),
        share_permille=row.trial_share_permille or 0,
        baseline=bool(row.trial_baseline),
        taste_deadline_s=row.trial_taste_deadline_s or limits.TASTE_DEADLINE_S,
    )


def good_in(connection: Connection) -> tuple[Target, ...]:
    """What a node named as last known good and is still stored, newest first.

    A node of the first wave says so soon after it committed. What was withdrawn after that, and
    never brought out to the end, is good for nobody.
    """
    named = select(KNOWN_GOOD.c.release)
    ended = {
        stages: set(
            connection.execute(_ended_in(stages).where(ROLLOUTS.c.release.in_(named))).scalars()
        )
        for stages in (_WITHDRAWN, _DONE)
    }
    query = (
        select(RELEASES.c.number, RELEASES.c.digest)
        .where(RELEASES.c.number.in_(named))
        .order_by(RELEASES.c.number.desc())
    )
    return tuple(
        Target(rows.release_id(row.number), Digest(row.digest), limits.BAKE_S)
        for row in connection.execute(query)
        if row.number not in ended[_WITHDRAWN] - ended[_DONE]
    )


def _ended_in(stages: Iterable[Stage]) -> Select[tuple[int]]:
    """Releases with a rollout that ended so."""
    return select(ROLLOUTS.c.release).where(ROLLOUTS.c.stage.in_([s.value for s in stages]))


def quarantined_in(connection: Connection) -> frozenset[Digest]:
    """Quarantined digests of stored releases."""
    query = select(QUARANTINE.c.digest).where(QUARANTINE.c.digest.in_(select(RELEASES.c.digest)))
    return frozenset(Digest(digest) for digest in connection.execute(query).scalars())


def release_of(number: int | None) -> ReleaseId | None:
    """`r12` for 12."""
    return None if number is None else rows.release_id(number)


def event_of(row: Row[Any]) -> StoredEvent:
    """A row of the history."""
    event = Event(row.rollout, release_of(row.release), row.code, row.text)
    return StoredEvent(row.number, row.at_s, event)
