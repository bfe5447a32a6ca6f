"""The store: every release, who runs which, and what must not run again; in one database.

Bundles are stored once by digest, compressed. Releases are numbered `r1`, `r2`, ... and ordered
by number, never by time. An assignment changes by compare-and-set and its generation only grows.
Each operation is one transaction: after a crash, a full disk or a lost race it has happened
wholly or not at all. The store compiles nothing, judges nothing and talks to no node.

All calls block; a server uses them from a thread. Every call may raise `UnreachableError` (locked,
disk full) or `RefusedError` (damaged), each with a remedy, beside what it names itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, delete, select

from seawall import limits
from seawall.clock import Clock
from seawall.errors import ConflictError, NotFoundError, RefusedError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release import retention, rows
from seawall.release.bundle import Bundle, digest_of, encode
from seawall.release.canonical import unreadable
from seawall.release.database import Database
from seawall.release.envelope import compress, decompress, seal_compressed
from seawall.release.ledger import Audit, Meta, Tokens, page_size, record_deed
from seawall.release.migrations import PACKAGED, Schema
from seawall.release.registry import Registry
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.rows import StoredAssignment
from seawall.release.signing import SigningKey
from seawall.release.tables import QUARANTINE, RELEASES
from seawall.release.upsert import upsert
from seawall.release.waiting import WaitingFeeds

__all__ = ["Quarantined", "Store", "StoredAssignment"]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A digest that may not be rolled out, with its reason; `at_s` in Unix seconds."""

    digest: Digest
    reason: str
    actor: str
    at_s: float


class Store:
    """`Store(where, clock=...)`; `where` is a SQLite file or the URL of a PostgreSQL database.

    Attributes:
        audit: who did what.
        tokens: who may use the API over the network.
        meta: small facts by name.
        fleet: nodes of other machines, and the tokens that let them in.
        waiting: what was pushed into feeds and is no release yet.
    """

    def __init__(
        self,
        where: Path | str,
        *,
        clock: Clock,
        busy_timeout_s: float = limits.STORE_BUSY_TIMEOUT_S,
        schema: Schema = PACKAGED,
    ) -> None:
        self._database = Database(where, busy_timeout_s=busy_timeout_s, schema=schema)
        self._clock = clock
        self.audit = Audit(self._database, clock)
        self.tokens = Tokens(self._database, clock)
        self.meta = Meta(self._database)
        self.fleet = Registry(self._database, clock)
        self.waiting = WaitingFeeds(self._database)

    @property
    def database(self) -> Database:
        """What it is in."""
        return self._database

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        bundle: Bundle,
        *,
        signer: SigningKey,
        author: str,
        message: str,
        parent: ReleaseId | None,
        gate_report: str = "",
    ) -> ReleaseRecord:
        """Store a release under the next number, signed; then drop what retention drops.

        Args:
            bundle: the content.
            signer: the control process's key.
            author: who asked for it.
            message: why.
            parent: what was current when it was made.
            gate_report: JSON of what it survived.

        Raises:
            UsageError: author or message is too long or not text.
            RefusedError: the bundle is too large.
            NotFoundError: no such parent.
        """
        return self.add_encoded(
            encode(bundle),
            bundle.kind,
            signer=signer,
            author=author,
            message=message,
            parent=parent,
            gate_report=gate_report,
        )

    def add_encoded(
        self,
        encoded: bytes,
        kind: Kind,
        *,
        signer: SigningKey,
        author: str,
        message: str,
        parent: ReleaseId | None,
        gate_report: str = "",
    ) -> ReleaseRecord:
        """As `add`, for what `encode` has made of a bundle of `kind`: a large one is not read.

        Raises:
            UsageError: author or message is too long or not text.
            RefusedError: it does not begin like a bundle.
            NotFoundError: no such parent.
        """
        rows.require_text(author, "author", limits.RELEASE_AUTHOR_LENGTH_CHARS_MAX)
        rows.require_text(message, "message", limits.RELEASE_MESSAGE_LENGTH_CHARS_MAX)
        rows.require_text(gate_report, "gate report", limits.GATE_REPORT_LENGTH_CHARS_MAX)
        compressed = compress(encoded)
        digest = digest_of(encoded)
        with self._database.write() as connection:
            if parent is not None:
                rows.release_row(connection, parent)
            record = signer.sign(
                ReleaseRecord(
                    id=rows.next_release_id(connection),
                    digest=digest,
                    kind=kind,
                    parent=parent,
                    author=author,
                    message=message,
                    created_s=float(self._clock.now_s()),
                    signature=b"",
                )
            )
            rows.insert_bundle(connection, digest, len(encoded), compressed)
            rows.insert_release(connection, record, gate_report)
            _record_addition(connection, record, retention.apply(connection))
            query = select(QUARANTINE.c.reason).where(QUARANTINE.c.digest == digest)
            reason = connection.execute(query).scalar()
        return replace(record, quarantined=reason or "")

    def get(self, release: ReleaseId) -> ReleaseRecord:
        """One release.

        Raises:
            NotFoundError: it never was, or retention dropped it.
        """
        with self._database.read() as connection:
            return rows.to_record(rows.release_row(connection, release))

    def list(
        self, *, count_max: int = limits.PAGE_SIZE_MAX, before: ReleaseId | None = None
    ) -> tuple[ReleaseRecord, ...]:
        """Newest first; `before` pages on below a release."""
        query = rows.select_releases().order_by(RELEASES.c.number.desc())
        if before is not None:
            query = query.where(RELEASES.c.number < rows.release_number(before))
        with self._database.read() as connection:
            found = connection.execute(query.limit(page_size(count_max)))
            return tuple(rows.to_record(row) for row in found)

    def count(self) -> int:
        """Releases retained now."""
        with self._database.read() as connection:
            return rows.count_releases(connection)

    def bundle_bytes(self, digest: Digest) -> bytes:
        """The encoded bundle; its digest is checked here, its parts are checked by `decode`.

        Raises:
            NotFoundError: no release here has that digest.
        """
        with self._database.read() as connection:
            row = rows.bundle_row(connection, digest)
        encoded = decompress(row.compressed, row.size_bytes)
        if digest_of(encoded) != digest:
            raise unreadable(f"bundle {digest[:12]} in the store", "is another one")
        return encoded

    def envelope(self, digest: Digest) -> bytes:
        """What a node fetches: the newest record with that digest, signed, and the bundle.

        Raises:
            NotFoundError: no release here has that digest.
        """
        query = (
            rows.select_releases()
            .where(RELEASES.c.digest == digest)
            .order_by(RELEASES.c.number.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            bundle = rows.bundle_row(connection, digest)
            record = rows.to_record(connection.execute(query).one())
        return seal_compressed(record, bundle.compressed, bundle.size_bytes)

    def gate_report(self, release: ReleaseId) -> str:
        """JSON of what the release survived; empty when none was kept.

        Raises:
            NotFoundError: no such release.
        """
        with self._database.read() as connection:
            return str(rows.release_row(connection, release).gate_report)

    def assignment(self, node: NodeName) -> StoredAssignment | None:
        """What `node` shall run; None when nothing was assigned yet."""
        with self._database.read() as connection:
            return next(iter(rows.read_assignments(connection, node)), None)

    def assignments(self) -> tuple[StoredAssignment, ...]:
        """Of every node, by name."""
        with self._database.read() as connection:
            return rows.read_assignments(connection)

    def assign(
        self,
        node: NodeName,
        release: ReleaseId,
        expected: ReleaseId | None,
        *,
        actor: str,
        bake_s: float,
        force_quarantined: bool = False,
        generation_floor: Generation | None = None,
    ) -> StoredAssignment:
        """Let `node` run `release` if it is assigned `expected` until now (compare-and-set).

        Args:
            node: whose assignment changes.
            release: what it shall run.
            actor: who asked for it.
            bake_s: how long it must run well before the node keeps it as last known good.
            expected: what the caller saw; None when it saw nothing assigned.
            force_quarantined: roll out although the digest is quarantined; recorded.
            generation_floor: the largest generation the node itself has reported; after a store
                was restored from a backup the node may be ahead of it.

        Raises:
            NotFoundError: no such release.
            RefusedError: its digest is quarantined.
            ConflictError: somebody assigned another release first.
        """
        with self._database.write() as connection:
            row = rows.release_row(connection, release)
            current = next(iter(rows.read_assignments(connection, node)), None)
            found = current.release if current else None
            if found != expected:
                raise _overtaken(node, found, expected)
            if row.reason and not force_quarantined:
                raise _quarantined(release, row.reason)
            assigned = StoredAssignment(
                node=node,
                generation=_generation_after(current, generation_floor),
                release=release,
                digest=Digest(row.digest),
                previous=found,
                bake_s=float(bake_s),
                at_s=float(self._clock.now_s()),
            )
            rows.write_assignment(connection, assigned)
            forced = ", although quarantined" if row.reason else ""
            detail = f"generation {assigned.generation}, after {found or 'nothing'}{forced}"
            subject = f"{release} to {node}"
            record_deed(
                connection,
                assigned.at_s,
                actor=actor,
                action="assigned",
                subject=subject,
                detail=detail,
            )
        return assigned

    def set_last_known_good(
        self, node: NodeName, releases: Sequence[ReleaseId], digests: Sequence[Digest] = ()
    ) -> None:
        """Note what a node keeps on its disk, newest first: retention spares these.

        Where digests are given, what is stored under another one is not it and is left out.
        """
        with self._database.write() as connection:
            rows.write_known_good(connection, node, releases, digests)

    def quarantine(self, digest: Digest, reason: str, *, actor: str) -> None:
        """Never roll `digest` out again; the first reason stays. The release itself is kept."""
        words = rows.plain_text(reason, limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX)
        words = words or "no reason was given"
        at_s = self._clock.now_s()
        values = {"digest": digest, "reason": words, "actor": actor, "at_s": at_s}
        with self._database.write() as connection:
            statement = upsert(connection, QUARANTINE).values(values)
            connection.execute(statement.on_conflict_do_nothing())
            retention.bound_quarantine(connection)
            record_deed(
                connection,
                at_s,
                actor=actor,
                action="quarantined",
                subject=digest[:12],
                detail=words,
            )

    def unquarantine(self, digest: Digest, *, actor: str) -> None:
        """Allow `digest` again.

        Raises:
            NotFoundError: it is not quarantined.
        """
        query = delete(QUARANTINE).where(QUARANTINE.c.digest == digest)
        with self._database.write() as connection:
            if not connection.execute(query).rowcount:
                words = f"The digest {digest[:12]} is not quarantined."
                raise NotFoundError("not-quarantined", words)
            at_s = self._clock.now_s()
            record_deed(connection, at_s, actor=actor, action="unquarantined", subject=digest[:12])

    def quarantined(self) -> tuple[Quarantined, ...]:
        """All quarantined digests, newest first."""
        query = select(QUARANTINE).order_by(QUARANTINE.c.at_s.desc(), QUARANTINE.c.digest)
        with self._database.read() as connection:
            return tuple(Quarantined(*row) for row in connection.execute(query))


def _record_addition(connection: Connection, record: ReleaseRecord, dropped: Sequence[int]) -> None:
    record_deed(
        connection,
        record.created_s,
        actor=record.author,
        action="release-added",
        subject=record.id,
        detail=record.digest[:12],
    )
    if dropped:
        first, last = rows.release_id(dropped[0]), rows.release_id(dropped[-1])
        record_deed(
            connection,
            record.created_s,
            actor="seawall",
            action="releases-dropped",
            subject=f"{len(dropped)} releases from {first} to {last}",
            detail="retention",
        )


def _generation_after(current: StoredAssignment | None, floor: Generation | None) -> Generation:
    return Generation(max(current.generation if current else 0, floor or 0) + 1)


def _overtaken(
    node: NodeName, found: ReleaseId | None, expected: ReleaseId | None
) -> ConflictError:
    return ConflictError(
        "assignment-overtaken",
        f"Node {node} was assigned {found or 'nothing'}, not {expected or 'nothing'} as "
        "expected: somebody else changed it first.",
        remedy="Look at what changed (seawall diff), then try again.",
    )


def _quarantined(release: ReleaseId, reason: str) -> RefusedError:
    return RefusedError(
        "release-quarantined",
        f"{release} is quarantined: {reason}",
        remedy="Fix the cause and apply again, or force this release by name.",
    )
