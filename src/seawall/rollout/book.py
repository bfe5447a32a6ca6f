"""The fleet as the store keeps it: read in one transaction, written in one, by compare-and-set.

A writer says which version it read; when another process has written since, nothing happens and it
is told. So a leader that slept, or two orders at once, can never undo each other's work. What is
written is checked once more against the store: each assigned release is there under its digest and
is not quarantined. Nothing is decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from seawall import limits
from seawall.clock import Clock
from seawall.errors import ConflictError, RefusedError, invariant
from seawall.ids import Digest, Generation, ReleaseId
from seawall.release import retention, rows
from seawall.release.database import Database
from seawall.release.ledger import record_deed
from seawall.release.tables import (
    ASSIGNMENTS,
    FLEET,
    QUARANTINE,
    ROLLOUT_EVENTS,
    ROLLOUTS,
)
from seawall.release.upsert import upsert
from seawall.rollout.pages import (
    StoredEvent,
    assigned_in,
    digests_in,
    event_of,
    frozen_in,
    good_in,
    numbers_in,
    quarantined_in,
    release_of,
    rollouts_in,
    target_in,
    version_in,
)
from seawall.rollout.record import read_rollout, rollout_text
from seawall.rollout.state import (
    Assigned,
    Event,
    Fleet,
    Plan,
    Rollout,
)

_ONE: Final = 1
_ACTOR: Final = "seawall"
_WORDS_KEPT_MAX: Final = limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, for the audit log."""

    actor: str
    action: str
    subject: str
    detail: str = ""


class Book:
    """All calls block; each may raise `UnreachableError` beside what it names itself."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def version(self) -> int:
        """Of the newest write: cheap to ask."""
        with self._database.read() as connection:
            return version_in(connection)

    def load(self) -> Fleet:
        """Everything of now.

        Raises:
            RefusedError: a rollout in the store is damaged.
        """
        with self._database.read() as connection:
            fleet = connection.execute(select(FLEET)).first()
            numbers = numbers_in(connection, fleet)
            digests = digests_in(connection, numbers)
            return Fleet(
                version=fleet.version if fleet else 0,
                generation=Generation(fleet.generation if fleet else 0),
                target=target_in(fleet, digests),
                target_before=release_of(fleet.target_before) if fleet else None,
                frozen=frozen_in(fleet),
                rollouts=rollouts_in(connection),
                assigned=assigned_in(connection),
                good=good_in(connection),
                quarantined=quarantined_in(connection),
            )

    def write(self, made: Plan, *, deeds: Sequence[Deed] = ()) -> Fleet:
        """Make a plan true if nobody wrote since it was made; the fleet as it is then.

        Raises:
            ConflictError: somebody did.
            RefusedError: a release was quarantined meanwhile.
        """
        now_s = float(self._clock.now_s())
        with self._database.write() as connection:
            if version_in(connection) != made.fleet.version:
                raise ConflictError(
                    "fleet-moved",
                    "Another control process, or another order, changed the rollouts first.",
                    remedy="Look at `seawall status`, then try again.",
                )
            _check(connection, made)
            following = replace(made.fleet, version=made.fleet.version + 1)
            _write_fleet(connection, following)
            for rollout in (*made.fleet.rollouts, *made.ended):
                _write_rollout(connection, rollout)
            for assigned in made.assignments:
                _write_assigned(connection, assigned)
            if made.withdrawn:
                gone = ASSIGNMENTS.c.node.in_(made.withdrawn)
                connection.execute(delete(ASSIGNMENTS).where(gone))
            _write_events(connection, made.events, now_s)
            for blame in made.blames:
                _quarantine(connection, blame.digest, blame.reason, now_s)
            for deed in (*deeds, *(_ending(rollout) for rollout in made.ended)):
                record_deed(
                    connection,
                    now_s,
                    actor=deed.actor,
                    action=deed.action,
                    subject=deed.subject,
                    detail=deed.detail,
                )
        return following

    def next_number(self) -> int:
        """Of a rollout that is about to be ordered; given again when that order is refused."""
        with self._database.read() as connection:
            last = connection.execute(select(func.max(ROLLOUTS.c.number))).scalar()
        return int(last or 0) + 1

    def history(self, release: ReleaseId) -> tuple[tuple[Rollout, ...], tuple[StoredEvent, ...]]:
        """The rollouts of a release and what was said of them, oldest first.

        Raises:
            NotFoundError: no release can have that name.
        """
        number = rows.release_number(release)
        events, mine = ROLLOUT_EVENTS.c, ROLLOUTS.c.release == number
        with self._database.read() as connection:
            found = connection.execute(
                select(ROLLOUTS.c.state)
                .where(mine)
                .order_by(ROLLOUTS.c.number.desc())
                .limit(limits.API_PAGE_ITEMS_MAX)
            ).scalars()
            rollouts = tuple(read_rollout(text) for text in reversed(found.all()))
            query = select(ROLLOUT_EVENTS).where(
                events.rollout.in_([rollout.number for rollout in rollouts])
            )
            newest = query.order_by(events.number.desc()).limit(limits.PAGE_SIZE_MAX)
            said = [event_of(row) for row in connection.execute(newest)]
        return rollouts, tuple(reversed(said))

    def ended(self, number: int) -> Rollout | None:
        """A rollout by its number, as it stands in the store."""
        query = select(ROLLOUTS.c.state).where(ROLLOUTS.c.number == number)
        with self._database.read() as connection:
            text = connection.execute(query).scalar()
        return None if text is None else read_rollout(text)


# --- Writing ---------------------------------------------------------------------------------


def _check(connection: Connection, made: Plan) -> None:
    """What lint saw in the plan is true of the store as well."""
    wanted = {(assigned.release, assigned.digest) for assigned in made.assignments}
    tried = {
        (assigned.trial.release, assigned.trial.digest)
        for assigned in made.assignments
        if assigned.trial is not None
    }
    numbers = {rows.release_number(release): digest for release, digest in wanted | tried}
    found = digests_in(connection, numbers)
    invariant(found == numbers, "every assigned release is stored under its digest")
    forced = {rollout.digest for rollout in made.fleet.rollouts if rollout.forced}
    quarantined = quarantined_in(connection) - made.fleet.quarantined
    bad = quarantined & {digest for _, digest in tried} - forced
    if bad:
        raise RefusedError(
            "release-quarantined",
            f"{next(iter(bad))[:12]} has just been quarantined.",
            remedy="See `seawall releases`.",
        )


def _write_fleet(connection: Connection, fleet: Fleet) -> None:
    target, frozen = fleet.target, fleet.frozen
    values = {
        "version": fleet.version,
        "generation": fleet.generation,
        "target": _number(target.release if target else None),
        "target_bake_s": target.bake_s if target else None,
        "target_feed": target.feed if target else "",
        "target_base": _number(target.base if target else None),
        "target_unproven": int(target.unproven) if target else 0,
        "target_before": _number(fleet.target_before),
        "frozen_by": rows.plain_text(frozen.actor, _WORDS_KEPT_MAX) if frozen else None,
        "frozen_reason": rows.plain_text(frozen.reason, _WORDS_KEPT_MAX) if frozen else None,
        "frozen_s": frozen.since_s if frozen else None,
    }
    statement = upsert(connection, FLEET).values(id=_ONE, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[FLEET.c.id], set_=values))


def _write_rollout(connection: Connection, rollout: Rollout) -> None:
    values = {
        "release": rows.release_number(rollout.release),
        "before": _number(rollout.before.release if rollout.before else rollout.onto),
        "stage": rollout.stage.value,
        "started_s": rollout.started_s,
        "ended_s": rollout.ended_s,
        "state": rollout_text(rollout),
    }
    statement = upsert(connection, ROLLOUTS).values(number=rollout.number, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[ROLLOUTS.c.number], set_=values)
    )
    oldest = rollout.number - limits.ROLLOUTS_KEPT_MAX
    old = (ROLLOUTS.c.number <= oldest) & ROLLOUTS.c.ended_s.is_not(None)
    connection.execute(delete(ROLLOUTS).where(old))


def _write_assigned(connection: Connection, assigned: Assigned) -> None:
    trial = assigned.trial
    values = {
        "generation": assigned.generation,
        "release": rows.release_number(assigned.release),
        "previous": _number(assigned.previous),
        "bake_s": assigned.bake_s,
        "at_s": assigned.at_s,
        "trial_release": _number(trial.release if trial else None),
        "trial_share_permille": trial.share_permille if trial else None,
        "trial_baseline": int(trial.baseline) if trial else None,
        "trial_taste_deadline_s": trial.taste_deadline_s if trial else None,
    }
    statement = upsert(connection, ASSIGNMENTS).values(node=assigned.node, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[ASSIGNMENTS.c.node], set_=values)
    )


def _write_events(connection: Connection, events: Sequence[Event], now_s: float) -> None:
    if not events:
        return
    last = int(connection.execute(select(func.max(ROLLOUT_EVENTS.c.number))).scalar() or 0)
    connection.execute(
        insert(ROLLOUT_EVENTS),
        [
            {
                "number": number,
                "rollout": event.rollout,
                "release": _number(event.release),
                "at_s": now_s,
                "code": event.code,
                "text": rows.plain_text(event.text, limits.ROLLOUT_EVENT_LENGTH_CHARS_MAX),
            }
            for number, event in enumerate(events, last + 1)
        ],
    )
    oldest = last + len(events) - limits.ROLLOUT_EVENTS_KEPT_MAX
    connection.execute(delete(ROLLOUT_EVENTS).where(ROLLOUT_EVENTS.c.number <= oldest))


def _quarantine(connection: Connection, digest: Digest, reason: str, now_s: float) -> None:
    words = rows.plain_text(reason, _WORDS_KEPT_MAX) or "no reason was given"
    values = {"digest": digest, "reason": words, "actor": _ACTOR, "at_s": now_s}
    statement = upsert(connection, QUARANTINE).values(values)
    connection.execute(statement.on_conflict_do_nothing())
    retention.bound_quarantine(connection)
    record_deed(
        connection, now_s, actor=_ACTOR, action="quarantined", subject=digest[:12], detail=words
    )


def _ending(rollout: Rollout) -> Deed:
    return Deed(_ACTOR, f"rollout-{rollout.stage.value}", rollout.release, rollout.outcome)


def _number(release: ReleaseId | None) -> int | None:
    return None if release is None else rows.release_number(release)
