"""The fleet in a store, in SQLite and PostgreSQL: whole, fenced, bounded."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from clocks import HandClock
from release import made
from release.history import HISTORY
from rollout.model import POLICY
from seawall import limits
from seawall.errors import ConflictError, InternalError, RefusedError
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.release.release import ReleaseRecord
from seawall.release.store import Store
from seawall.rollout import orders
from seawall.rollout.behind import BRAKE
from seawall.rollout.book import Book, Deed
from seawall.rollout.ports import Trial
from seawall.rollout.state import (
    Assigned,
    Basis,
    Blame,
    Event,
    Fleet,
    Freeze,
    Pass,
    Plan,
    Rollout,
    Speed,
    Stage,
    Target,
)

A = NodeName("a")


@pytest.fixture(params=made.DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    where = made.every_database(request, tmp_path / "seawall.db")
    with Store(where, clock=HandClock()) as opened:
        yield opened


def book(store: Store) -> Book:
    return Book(store.database, HandClock())


def started(fleet: Fleet, record: ReleaseRecord, number: int = 1, **options: object) -> Plan:
    onto = fleet.target.release if fleet.target else None
    order = orders.Order(
        record.id,
        record.digest,
        POLICY,
        Speed.CONFIG,
        "ann",
        onto,
        **options,  # type: ignore[arg-type]  # - passed on
    )
    return orders.start(fleet, order, number, 10.0)


@pytest.mark.parametrize(
    ("ends", "good"),
    [
        ((), True),
        ((Stage.DONE,), True),
        ((Stage.SUPERSEDED,), True),
        ((Stage.ABORTED,), False),
        ((Stage.ROLLED_BACK,), False),
        ((Stage.ABORTED, Stage.DONE), True),
        ((Stage.DONE, Stage.ROLLED_BACK), True),
    ],
)
def test_what_was_withdrawn_is_no_way_back_for_the_sake_of_nodes_of_its_first_wave(
    store: Store, ends: tuple[Stage, ...], *, good: bool
) -> None:
    first, second = made.released(store)
    store.set_last_known_good(A, (second.id, first.id), (second.digest, first.digest))
    for number, stage in enumerate(ends, 1):
        fleet = book(store).load()
        (running,) = started(replace(fleet, good=()), second, number).fleet.rollouts
        over = replace(running, stage=stage, ended_s=11.0, outcome="so")
        book(store).write(Plan(fleet, ended=(over,)))
    names = [target.release for target in book(store).load().good]
    assert names == ([second.id, first.id] if good else [first.id])


def test_a_fleet_comes_back_as_it_was_written(store: Store) -> None:
    first, second = made.released(store)
    target = Target(first.id, first.digest, 15.0, feed="bots", base=first.id, unproven=True)
    trial = Trial(second.id, second.digest, 100, baseline=False, taste_deadline_s=7.0)
    assigned = Assigned(A, Generation(5), first.id, first.digest, 15.0, trial, first.id, 9.0)
    fresh = book(store).load()
    assert fresh == Fleet()
    (running,) = started(fresh, second).fleet.rollouts
    running = replace(
        running,
        stage=Stage.CANARY,
        step=1,
        members=(A,),
        aside=(NodeName("b"),),
        before=target,
        passed=(Pass(0, 0, Basis.TASTED, "fine", 3.5, Generation(4)),),
        step_generation=Generation(5),
    )
    made_of = Fleet(
        generation=Generation(5),
        target=target,
        target_before=second.id,
        frozen=Freeze("ann", "why", 3.0),
        rollouts=(running,),
        assigned=MappingProxyType({A: assigned}),
    )
    plan = Plan(made_of, assignments=(assigned,), events=(Event(1, second.id, "x", "said"),))
    written = book(store).write(plan, deeds=[Deed("ann", "did", "it")])
    assert written.version == 1
    assert book(store).load() == replace(made_of, version=1)
    rollouts, events = book(store).history(second.id)
    assert rollouts == (running,)
    assert [entry.event.text for entry in events] == ["said"]
    assert store.audit.entries()[0].action == "did"


def test_a_writer_that_read_an_older_version_changes_nothing(store: Store) -> None:
    (record,) = made.released(store, 1)
    slept = started(book(store).load(), record)
    book(store).write(orders.freeze(book(store).load(), "bob", "first", 1.0))
    with pytest.raises(ConflictError) as refused:
        book(store).write(slept)
    assert refused.value.code == "fleet-moved"
    now = book(store).load()
    assert now.rollouts == ()
    assert now.frozen is not None


def test_a_plan_is_written_wholly_or_not_at_all(store: Store) -> None:
    (record,) = made.released(store, 1)
    plan = started(book(store).load(), record)
    unknown = Assigned(A, Generation(1), ReleaseId("r9"), record.digest, 1.0)
    broken = replace(plan, assignments=(unknown,), blames=(Blame(record.digest, "bad"),))
    with pytest.raises(InternalError):
        book(store).write(broken)
    assert book(store).load() == Fleet()
    assert store.quarantined() == ()


def test_what_was_quarantined_since_the_plan_is_not_tried(store: Store) -> None:
    first, second = made.released(store)
    fleet = book(store).load()
    trial = Trial(second.id, second.digest, 0)
    new = Assigned(A, Generation(1), first.id, first.digest, 1.0, trial)
    store.quarantine(second.digest, "a person found it", actor="bob")
    with pytest.raises(RefusedError):
        book(store).write(Plan(replace(fleet, assigned={A: new}), assignments=(new,)))
    assert book(store).load().assigned == {}


def test_a_blamed_digest_is_quarantined_with_the_plan(store: Store) -> None:
    first, second = made.released(store)
    fleet = book(store).load()
    book(store).write(Plan(fleet, blames=(Blame(second.digest, "5xx"),)))
    assert [found.digest for found in store.quarantined()] == [second.digest]
    assert book(store).load().quarantined == {second.digest}
    del first


def test_retention_keeps_the_rollback_point_of_a_running_rollout(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made.released(store)
    fleet = replace(book(store).load(), target=Target(first.id, first.digest, 1.0))
    book(store).write(Plan(fleet))
    (waiting,) = started(book(store).load(), second).fleet.rollouts
    running = replace(waiting, stage=Stage.TASTING, before=fleet.target)
    now = book(store).load()
    book(store).write(Plan(replace(now, rollouts=(running,), target=None)))
    monkeypatch.setattr(limits, "RELEASES_RETAINED_MAX", 2)
    made.released(store, 4)
    kept = {record.id for record in store.list()}
    assert {first.id, second.id} <= kept
    assert len(kept) == 3, "the others go"


def test_the_history_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROLLOUTS_KEPT_MAX", 3)
    monkeypatch.setattr(limits, "ROLLOUT_EVENTS_KEPT_MAX", 5)
    (record,) = made.released(store, 1)
    for number in range(1, 9):
        plan = started(book(store).load(), record, number)
        book(store).write(plan)
        over: Rollout = book(store).load().rollouts[0]
        ended = orders.abort(book(store).load(), "ann", "again", 20.0)
        assert ended.ended[0].number == over.number
        book(store).write(ended)
    rollouts, events = book(store).history(record.id)
    assert [rollout.number for rollout in rollouts] == [6, 7, 8]
    assert len(events) <= 5
    assert book(store).next_number() == 9


def test_a_store_from_before_rollouts_gets_its_target_and_keeps_its_numbers(
    tmp_path: Path,
) -> None:
    for schema in ("schema-0001-bundle-1-envelope-1", "schema-0002-bundle-2-envelope-1"):
        shutil.copy(HISTORY / schema / "seawall.db", tmp_path / f"{schema}.db")
        with Store(tmp_path / f"{schema}.db", clock=HandClock()) as old:
            fleet = book(old).load()
            assert fleet.target is not None
            assert (fleet.target.release, fleet.target_before, fleet.generation) == ("r3", "r2", 3)
            assert fleet.assigned[NodeName("local")].release == "r3"
            assert fleet.rollouts == ()


def test_the_brake_takes_no_freeze_of_a_person_over_and_lifts_none(store: Store) -> None:
    frozen = book(store).write(orders.freeze(book(store).load(), "bob", "busiest day", 1.0))
    with pytest.raises(ConflictError, match="Releases are already frozen by bob"):
        orders.freeze(frozen, BRAKE, "errors", 2.0)
    with pytest.raises(ConflictError, match="bob froze releases"):
        orders.unfreeze(frozen, BRAKE, 3.0)
    free = book(store).write(orders.unfreeze(frozen, "ann", 4.0))
    braked = book(store).write(orders.freeze(free, BRAKE, "errors", 5.0))
    assert book(store).write(orders.unfreeze(braked, BRAKE, 6.0)).frozen is None
