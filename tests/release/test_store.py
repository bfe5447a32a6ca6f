"""Numbers only grow, assignments are compare-and-set, retention spares what is needed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import HandClock
from release import made
from seawall import limits
from seawall.errors import ConflictError, NotFoundError, RefusedError, UsageError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release import retention
from seawall.release.bundle import decode
from seawall.release.envelope import open_envelope
from seawall.release.store import Store

LOCAL = NodeName("local")


@pytest.fixture(params=made.DATABASES)
def where(request: pytest.FixtureRequest, path: Path) -> Path | str:
    return made.every_database(request, path)


def _assign(store: Store, release: str, expected: str | None) -> int:
    assigned = store.assign(
        LOCAL,
        ReleaseId(release),
        ReleaseId(expected) if expected else None,
        actor="ada",
        bake_s=30,
    )
    return assigned.generation


def test_a_stored_release_comes_back_signed_and_whole(store: Store) -> None:
    bundle = made.bundle()
    record = store.add(bundle, signer=made.key(), author="ada", message="first", parent=None)
    assert record.id == "r1"
    assert store.get(record.id) == record
    assert decode(store.bundle_bytes(record.digest)) == bundle
    assert open_envelope(store.envelope(record.digest), made.key().public) == (record, bundle)


def test_the_same_content_is_one_bundle_and_two_releases(store: Store) -> None:
    one = made.add(store)
    two = made.add(store, parent="r1")
    assert (one.id, two.id, one.digest) == ("r1", "r2", two.digest)
    opened, _ = open_envelope(store.envelope(one.digest), made.key().public)
    assert opened == two


def test_releases_are_listed_newest_first_in_pages(store: Store) -> None:
    for number in range(5):
        made.add(store, f"version: {number}\n")
    first = store.list(count_max=2)
    assert [record.id for record in first] == ["r5", "r4"]
    rest = store.list(before=first[-1].id)
    assert [record.id for record in rest] == ["r3", "r2", "r1"]
    assert [record.id for record in store.list(count_max=-3)] == ["r5"]
    assert store.count() == 5


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert store.list() == ()
    assert store.assignment(LOCAL) is None
    assert store.assignments() == ()


@pytest.mark.parametrize(
    "name", ["r1", "r0", "r-1", "r01", "1", "", "r1; --", "r" + "9" * 40, "r٣"]
)
def test_an_unknown_release_is_not_found(store: Store, name: str) -> None:
    with pytest.raises(NotFoundError, match="no release"):
        store.get(ReleaseId(name))
    with pytest.raises(NotFoundError):
        store.assign(LOCAL, ReleaseId(name), None, actor="ada", bake_s=1)


def test_an_unknown_digest_is_not_found(store: Store) -> None:
    for read in (store.bundle_bytes, store.envelope):
        with pytest.raises(NotFoundError):
            read(Digest("0" * 64))


def test_a_parent_must_exist(store: Store) -> None:
    with pytest.raises(NotFoundError, match="r7"):
        made.add(store, parent="r7")
    assert store.count() == 0


@pytest.mark.parametrize("message", ["x" * 2001, "\ud800", "a\0b"])
def test_a_message_that_cannot_be_kept_is_refused(store: Store, message: str) -> None:
    with pytest.raises(UsageError, match="message"):
        store.add(made.bundle(), signer=made.key(), author="a", message=message, parent=None)
    assert store.count() == 0


def test_assignments_are_compare_and_set_and_generations_grow(store: Store) -> None:
    for number in range(3):
        made.add(store, f"version: {number}\n")
    assert _assign(store, "r1", None) == 1
    assert _assign(store, "r2", "r1") == 2
    with pytest.raises(ConflictError, match="was assigned r2, not r1"):
        _assign(store, "r3", "r1")
    with pytest.raises(ConflictError, match="was assigned r2, not nothing"):
        _assign(store, "r3", None)
    assert _assign(store, "r1", "r2") == 3
    current = store.assignment(LOCAL)
    assert current is not None
    assert (current.release, current.previous, current.generation) == ("r1", "r2", 3)
    assert current.digest == store.get(ReleaseId("r1")).digest
    assert store.assignments() == (current,)


def test_a_node_that_is_ahead_of_a_restored_store_is_overtaken(store: Store) -> None:
    made.add(store)
    assigned = store.assign(
        LOCAL, ReleaseId("r1"), None, actor="a", bake_s=1, generation_floor=Generation(41)
    )
    assert assigned.generation == 42


def test_a_clock_that_goes_back_reorders_nothing(store: Store, clock: HandClock) -> None:
    made.add(store, "a: 1\n")
    clock.time_s -= 86_400
    made.add(store, "b: 1\n")
    assert [record.id for record in store.list()] == ["r2", "r1"]
    assert store.list()[0].created_s < store.list()[1].created_s
    assert _assign(store, "r1", None) < _assign(store, "r2", "r1")
    assert [entry.number for entry in store.audit.entries()] == [4, 3, 2, 1]


def test_a_quarantined_digest_is_not_assigned_unless_forced(store: Store) -> None:
    record = made.add(store)
    store.quarantine(record.digest, "Envoy refused route shop/api", actor="node local")
    store.quarantine(record.digest, "a later reason", actor="node local")
    assert store.get(record.id).quarantined == "Envoy refused route shop/api"
    with pytest.raises(RefusedError, match="r1 is quarantined: Envoy refused route shop/api"):
        _assign(store, "r1", None)
    again = made.add(store, parent="r1")
    assert again.quarantined == "Envoy refused route shop/api"
    with pytest.raises(RefusedError):
        _assign(store, "r2", None)
    store.assign(LOCAL, again.id, None, actor="ada", bake_s=1, force_quarantined=True)
    assert "although quarantined" in store.audit.entries()[0].detail


def test_a_digest_may_be_allowed_again(store: Store) -> None:
    record = made.add(store)
    with pytest.raises(NotFoundError, match="not quarantined"):
        store.unquarantine(record.digest, actor="ada")
    store.quarantine(record.digest, "\ud800\0" + "x" * 9000, actor="gate")
    assert len(store.quarantined()[0].reason) <= limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX
    store.unquarantine(record.digest, actor="ada")
    assert store.quarantined() == ()
    assert _assign(store, "r1", None) == 1


def test_a_quarantine_outlives_its_release(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RELEASES_RETAINED_MAX", 1)
    bad = made.add(store, "bad: 1\n")
    store.quarantine(bad.digest, "it crashed", actor="node")
    made.add(store, "good: 1\n")
    with pytest.raises(NotFoundError):
        store.get(bad.id)
    assert made.add(store, "bad: 1\n").quarantined == "it crashed"


def test_forgotten_quarantines_are_the_oldest_without_a_release(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUARANTINE_DIGESTS_MAX", 3)
    kept = made.add(store).digest
    digests = [kept, *(Digest(f"{number:064x}") for number in range(4))]
    for digest in digests:
        clock.time_s += 1
        store.quarantine(digest, "no", actor="gate")
    assert {entry.digest for entry in store.quarantined()} == {kept, digests[3], digests[4]}


def test_retention_drops_the_oldest_by_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RELEASES_RETAINED_MAX", 3)
    for number in range(5):
        made.add(store, f"version: {number}\n")
    assert [record.id for record in store.list()] == ["r5", "r4", "r3"]
    with pytest.raises(NotFoundError):
        store.get(ReleaseId("r1"))
    assert store.audit.entries()[0].action == "releases-dropped"


def test_retention_drops_by_size_and_keeps_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RELEASES_SIZE_BYTES_MAX", 250_000)
    for number in range(5):
        made.add(store, f"version: {number}\n", padding=os.urandom(100_000))
    assert [record.id for record in store.list()] == ["r5", "r4"]
    monkeypatch.setattr(limits, "RELEASES_SIZE_BYTES_MAX", 10)
    made.add(store, padding=os.urandom(100_000))
    assert [record.id for record in store.list()] == ["r6"]


def test_retention_spares_what_serves_its_way_back_and_last_known_good(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RELEASES_RETAINED_MAX", 2)
    monkeypatch.setattr(retention, "apply", lambda _connection: [])
    for number in range(9):
        made.add(store, f"version: {number}\n", parent=f"r{number}" if number else None)
    monkeypatch.undo()
    monkeypatch.setattr(limits, "RELEASES_RETAINED_MAX", 2)
    _assign(store, "r3", None)
    _assign(store, "r5", "r3")
    store.set_last_known_good(NodeName("other"), [ReleaseId("r7"), ReleaseId("r99")])
    store.set_last_known_good(NodeName("third"), [ReleaseId("r1")])
    store.set_last_known_good(NodeName("third"), [])
    made.add(store, "the: newest\n")
    # r5 serves, r3 was before, r4 and r2 are their parents, r7 is good, r10 is the newest.
    assert [record.id for record in store.list()] == ["r10", "r7", "r5", "r4", "r3", "r2"]


def test_the_number_of_a_dropped_release_is_never_given_again(
    store: Store, where: Path | str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RELEASES_RETAINED_MAX", 1)
    made.add(store, "a: 1\n")
    made.add(store, "b: 1\n")
    with Store(where, clock=clock) as again:
        assert made.add(again, "c: 1\n").id == "r3"


@pytest.fixture(scope="module", params=made.DATABASES)
def churned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    where = made.every_database(request, tmp_path_factory.mktemp("churn") / "s.db")
    with Store(where, clock=HandClock()) as opened:
        yield opened


@given(st.lists(st.tuples(st.sampled_from(["add", "same", "back", "good"]), st.integers(0, 9))))
@settings(max_examples=30, deadline=None)
def test_whatever_happens_the_rollback_point_is_kept(
    churned: Store, steps: list[tuple[str, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "RELEASES_RETAINED_MAX", 4)
        for step, pick in steps:
            current = churned.assignment(LOCAL)
            listed = churned.list()
            if step in {"add", "same"} or not listed:
                text = f"version: {churned.audit.entries(count_max=1)}\n" if step == "add" else "s"
                target = made.add(churned, text, parent=current.release if current else None).id
            else:
                target = listed[pick % len(listed)].id
            if step == "good":
                churned.set_last_known_good(LOCAL, [target])
                continue
            expected = current.release if current else None
            churned.assign(LOCAL, target, expected, actor="test", bake_s=0)
            now = churned.assignment(LOCAL)
            assert now is not None
            assert now.generation == (current.generation if current else 0) + 1
            for needed in (now.release, now.previous):
                if needed is not None:
                    digest = churned.get(needed).digest
                    open_envelope(churned.envelope(digest), made.key().public)
            assert churned.count() <= limits.RELEASES_RETAINED_MAX + 4


def test_the_gate_report_stays_with_the_release(store: Store) -> None:
    record = store.add(
        made.bundle(), signer=made.key(), author="a", message="", parent=None, gate_report="{}"
    )
    assert store.gate_report(record.id) == "{}"
