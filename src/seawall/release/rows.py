"""Between the rows of the store and the values that leave it; no transaction begins here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from seawall import limits
from seawall.errors import NotFoundError, UsageError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.tables import (
    ASSIGNMENTS,
    BUNDLES,
    KNOWN_GOOD,
    QUARANTINE,
    RELEASES,
    ROLLOUTS,
)
from seawall.release.upsert import upsert

_RELEASE_ID: Final = re.compile(r"r([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class StoredAssignment:
    """What a node shall run.

    Attributes:
        previous: what the node was assigned before: the rollback point.
        at_s: Unix seconds of the change.
    """

    node: NodeName
    generation: Generation
    release: ReleaseId
    digest: Digest
    previous: ReleaseId | None
    bake_s: float
    at_s: float


def release_number(release: ReleaseId) -> int:
    """12 for `r12`.

    Raises:
        NotFoundError: no release can have that name.
    """
    match = _RELEASE_ID.fullmatch(release)
    if match is None:
        raise unknown_release(release)
    return int(match[1])


def release_id(number: int) -> ReleaseId:
    """`r12` for 12."""
    return ReleaseId(f"r{number}")


def next_release_id(connection: Connection) -> ReleaseId:
    """The id of the next release; stays true while the caller holds the write lock.

    The newest release is never dropped, so a number is never given twice.
    """
    last = connection.execute(select(func.max(RELEASES.c.number))).scalar()
    return release_id((last or 0) + 1)


def select_releases() -> Select[Any]:
    """Releases, with why they are quarantined and where their newest rollouts stand.

    These are `reason` and `stage`; each is None when there is none.
    """
    newest = (
        select(ROLLOUTS.c.stage)
        .where(ROLLOUTS.c.release == RELEASES.c.number)
        .order_by(ROLLOUTS.c.number.desc())
        .limit(1)
    )
    return select(RELEASES, QUARANTINE.c.reason, newest.scalar_subquery().label("stage")).outerjoin(
        QUARANTINE, QUARANTINE.c.digest == RELEASES.c.digest
    )


def release_row(connection: Connection, release: ReleaseId) -> Row[Any]:
    """One release.

    Raises:
        NotFoundError: it never was, or retention dropped it.
    """
    query = select_releases().where(RELEASES.c.number == release_number(release))
    row = connection.execute(query).first()
    if row is None:
        raise unknown_release(release)
    return row


def bundle_row(connection: Connection, digest: Digest) -> Row[Any]:
    """One bundle.

    Raises:
        NotFoundError: it never was, or retention dropped its releases.
    """
    row = connection.execute(select(BUNDLES).where(BUNDLES.c.digest == digest)).first()
    if row is None:
        raise NotFoundError("digest-unknown", f"There is no release with digest {digest[:64]}.")
    return row


def insert_bundle(
    connection: Connection, digest: Digest, size_bytes: int, compressed: bytes
) -> None:
    """Store a bundle unless it is there."""
    statement = upsert(connection, BUNDLES).values(
        digest=digest,
        size_bytes=size_bytes,
        compressed_size_bytes=len(compressed),
        compressed=compressed,
    )
    connection.execute(statement.on_conflict_do_nothing())


def insert_release(connection: Connection, record: ReleaseRecord, gate_report: str) -> None:
    """Store a signed record under its own number."""
    connection.execute(
        insert(RELEASES).values(
            number=release_number(record.id),
            digest=record.digest,
            kind=record.kind.value,
            parent=release_number(record.parent) if record.parent else None,
            author=record.author,
            message=record.message,
            created_s=record.created_s,
            signature=record.signature,
            gate_report=gate_report,
        )
    )


def to_record(row: Row[Any]) -> ReleaseRecord:
    """From a row of `select_releases`."""
    return ReleaseRecord(
        id=release_id(row.number),
        digest=Digest(row.digest),
        kind=Kind(row.kind),
        parent=release_id(row.parent) if row.parent is not None else None,
        author=row.author,
        message=row.message,
        created_s=row.created_s,
        signature=row.signature,
        quarantined=row.reason or "",
        stage=row.stage or "",
    )


def read_assignments(
    connection: Connection, node: NodeName | None = None
) -> tuple[StoredAssignment, ...]:
    """Of one node or of all, by name."""
    query = (
        select(ASSIGNMENTS, RELEASES.c.digest)
        .join(RELEASES, RELEASES.c.number == ASSIGNMENTS.c.release)
        .order_by(ASSIGNMENTS.c.node)
    )
    if node is not None:
        query = query.where(ASSIGNMENTS.c.node == node)
    return tuple(
        StoredAssignment(
            node=NodeName(row.node),
            generation=Generation(row.generation),
            release=release_id(row.release),
            digest=Digest(row.digest),
            previous=release_id(row.previous) if row.previous is not None else None,
            bake_s=row.bake_s,
            at_s=row.at_s,
        )
        for row in connection.execute(query)
    )


def write_assignment(connection: Connection, assignment: StoredAssignment) -> None:
    """Replace what the node was assigned."""
    values = {
        "generation": assignment.generation,
        "release": release_number(assignment.release),
        "previous": release_number(assignment.previous) if assignment.previous else None,
        "bake_s": assignment.bake_s,
        "at_s": assignment.at_s,
    }
    statement = upsert(connection, ASSIGNMENTS).values(node=assignment.node, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[ASSIGNMENTS.c.node], set_=values)
    )


def write_known_good(
    connection: Connection, node: NodeName, releases: Sequence[ReleaseId], digests: Sequence[Digest]
) -> None:
    """Replace what a node keeps; see `Store.set_last_known_good`."""
    numbers = [release_number(release) for release in releases]
    if digests:
        stored = select(RELEASES.c.number).where(RELEASES.c.digest.in_(digests))
        same = set(connection.execute(stored).scalars())
        numbers = [number for number in numbers if number in same]
    connection.execute(delete(KNOWN_GOOD).where(KNOWN_GOOD.c.node == node))
    if numbers:
        values = [
            {"node": node, "position": position, "release": number}
            for position, number in enumerate(numbers[: limits.KNOWN_GOOD_PER_NODE_MAX])
        ]
        connection.execute(insert(KNOWN_GOOD), values)


def count_releases(connection: Connection) -> int:
    """Releases retained now."""
    return connection.execute(select(func.count()).select_from(RELEASES)).scalar_one()


def require_text(text: str, what: str, length_chars_max: int) -> None:
    """Refuse what the store cannot keep.

    Raises:
        UsageError: too long, or not text that UTF-8 can hold.
    """
    if len(text) > length_chars_max:
        raise UsageError(
            "text-too-long",
            f"The {what} has {len(text)} characters; {length_chars_max} is the most.",
            remedy="Shorten it.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("text-invalid", f"The {what} is not valid Unicode text.") from error
    if "\0" in text:
        raise UsageError("text-invalid", f"The {what} contains a NUL character.")


def plain_text(text: str, length_chars_max: int) -> str:
    """`text` as every database can keep it: valid Unicode without NUL, cut at the bound."""
    whole = text.encode("utf-8", errors="replace").decode().replace("\0", "\ufffd")
    return whole[:length_chars_max]


def unknown_release(release: str) -> NotFoundError:
    """The answer to a release id that is not here."""
    return NotFoundError(
        "release-unknown",
        f"There is no release {release[:40]!r}.",
        remedy="List those that are kept: seawall releases.",
    )
