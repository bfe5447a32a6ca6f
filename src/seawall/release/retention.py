"""Which releases go when there are too many: the oldest, but never one that somebody may need.

Spared are what a node is assigned or tries, what it was assigned before (the rollback point), the
parents of both, what a node named as last known good, the fleet's target and what that was before,
the releases of rollouts that go on with theirs, and the newest release, which is about to be rolled
out. Runs inside the transaction that adds a release, so the bounds hold whenever a reader looks.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from seawall import limits
from seawall.release.tables import (
    ASSIGNMENTS,
    BUNDLES,
    FLEET,
    KNOWN_GOOD,
    QUARANTINE,
    RELEASES,
    ROLLOUTS,
)


def apply(connection: Connection) -> list[int]:
    """Drop releases until count and size are in bounds; returns their numbers, oldest first."""
    rows = connection.execute(
        select(RELEASES.c.number, RELEASES.c.digest, BUNDLES.c.compressed_size_bytes)
        .join(BUNDLES, BUNDLES.c.digest == RELEASES.c.digest)
        .order_by(RELEASES.c.number)
    ).all()
    dropped = _choose(rows, _spared(connection))
    if dropped:
        connection.execute(delete(RELEASES).where(RELEASES.c.number.in_(dropped)))
        connection.execute(
            delete(BUNDLES).where(BUNDLES.c.digest.not_in(select(RELEASES.c.digest)))
        )
    return dropped


def bound_quarantine(connection: Connection) -> None:
    """Forget the oldest quarantined digests over the bound, but none that is still stored."""
    over = (
        connection.execute(select(func.count()).select_from(QUARANTINE)).scalar_one()
        - limits.QUARANTINE_DIGESTS_MAX
    )
    if over > 0:
        oldest = (
            select(QUARANTINE.c.digest)
            .where(QUARANTINE.c.digest.not_in(select(RELEASES.c.digest)))
            .order_by(QUARANTINE.c.at_s)
            .limit(over)
        )
        connection.execute(delete(QUARANTINE).where(QUARANTINE.c.digest.in_(oldest)))


def _choose(rows: Sequence[Row[*tuple[Any, ...]]], spared: set[int]) -> list[int]:
    users: dict[str, int] = {}
    size_by_digest: dict[str, int] = {}
    for row in rows:
        users[row.digest] = users.get(row.digest, 0) + 1
        size_by_digest[row.digest] = row.compressed_size_bytes
    size_bytes = sum(size_by_digest.values())
    count = len(rows)
    dropped: list[int] = []
    for row in rows[:-1]:
        if count <= limits.RELEASES_RETAINED_MAX and size_bytes <= limits.RELEASES_SIZE_BYTES_MAX:
            break
        if row.number in spared:
            continue
        dropped.append(row.number)
        count -= 1
        users[row.digest] -= 1
        if not users[row.digest]:
            size_bytes -= size_by_digest[row.digest]
    return dropped


def _spared(connection: Connection) -> set[int]:
    spared: set[int] = set()
    assigned, fleet, rollouts = ASSIGNMENTS.c, FLEET.c, ROLLOUTS.c
    for query in (
        select(assigned.release, assigned.previous, assigned.trial_release),
        select(fleet.target, fleet.target_base, fleet.target_before),
        select(rollouts.release, rollouts.before).where(rollouts.ended_s.is_(None)),
    ):
        for row in connection.execute(query):
            spared.update(number for number in row if number is not None)
    parents = connection.execute(select(RELEASES.c.parent).where(RELEASES.c.number.in_(spared)))
    spared.update(number for number in parents.scalars().all() if number is not None)
    spared.update(connection.execute(select(KNOWN_GOOD.c.release)).scalars())
    return spared
