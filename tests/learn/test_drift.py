"""Drift between two times: found, not invented, and unknown when there is too little."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from learn import made
from seawall.bots.features import FEATURES, INDEX
from seawall.learn import drift, records
from seawall.learn.database import Database
from seawall.learn.drift import Seen, State, compare

KNOWN = INDEX["tls-known"]


def _counts(
    place: int, before: dict[int, int], after: dict[int, int], each: int = 1
) -> Iterator[tuple[int, int, bool, Seen]]:
    """Of clients that have `each` records, all alike."""
    for later, counts in ((False, before), (True, after)):
        for code, count in counts.items():
            yield place, code, later, Seen(count, count * each, count * each)


def _compare(
    place: int, before: dict[int, int], after: dict[int, int], each: int = 1
) -> drift.Drift:
    return compare(_counts(place, before, after, each))


@pytest.mark.parametrize(
    ("after", "state"),
    [
        ({1: 5000, 2: 5000}, State.STEADY),
        ({1: 10, 2: 10}, State.TOO_LITTLE),
        ({1: 6500, 2: 3500}, State.STEADY),
        ({1: 6700, 2: 3300}, State.MOVED),
        ({1: 9000, 2: 1000}, State.ALARM),
        ({3: 10_000}, State.ALARM),
        ({}, State.TOO_LITTLE),
    ],
)
def test_one_feature(after: dict[int, int], state: State) -> None:
    found = _compare(0, {1: 5000, 2: 5000}, after)
    moved = next(each for each in found.features if each.feature == FEATURES[0].name)
    assert moved.state is state
    assert (moved.index is None) == (state is State.TOO_LITTLE)


def test_the_index_is_that_of_the_formula() -> None:
    found = _compare(0, {1: 50_000, 2: 50_000}, {1: 70_000, 2: 30_000})
    wanted = 0.2 * 0.3364722366 + 0.2 * 0.5108256238
    assert found.features[0].index == pytest.approx(wanted, rel=1e-3)


def test_many_rare_codes_are_not_drift() -> None:
    before = {1: 10_000} | dict.fromkeys(range(2, 60), 1)
    after = {1: 10_000} | dict.fromkeys(range(60, 90), 1)
    assert _compare(0, before, after).features[0].state is State.STEADY


@pytest.mark.parametrize(
    ("clients", "state"), [(10, State.TOO_LITTLE), (30, State.TOO_LITTLE), (2000, State.ALARM)]
)
def test_requests_of_few_clients_are_no_population(clients: int, state: State) -> None:
    before, after = {1: 14 * clients, 2: 6 * clients}, {1: 6 * clients, 2: 14 * clients}
    found = _compare(0, before, after, each=20)
    assert found.features[0].state is state
    assert _compare(KNOWN, before, after, each=20).unknown.state is (
        State.STEADY if state is State.ALARM else State.TOO_LITTLE
    )


def test_a_population_that_stays_as_it_is_raises_no_alarm() -> None:
    """Twenty requests of each client, which are alike, as user agents and handshakes are."""
    chance = random.Random(1)
    for clients in (5, 20, 400):
        counts = []
        for place in range(30):
            drawn = [
                {
                    code: 20 * count
                    for code, count in Counter(chance.choices((1, 2, 3), k=clients)).items()
                }
                for _ in range(2)
            ]
            counts += _counts(place, drawn[0], drawn[1], each=20)
        assert compare(counts).state is not State.ALARM


@pytest.mark.parametrize(("records", "state"), [(1, State.TOO_LITTLE), (50, State.STEADY)])
def test_where_all_that_were_met_show_the_same_it_takes_several(records: int, state: State) -> None:
    counts = [
        each
        for place in range(len(FEATURES))
        for each in _counts(place, {1: records}, {1: records})
    ]
    assert {each.state for each in compare(counts).features} == {state}


def test_nothing_is_too_little_and_not_steady() -> None:
    found = compare([])
    assert found.state is State.TOO_LITTLE
    assert len(found.features) == len(FEATURES)
    assert (found.unknown.before, found.unknown.after) == (None, None)


class TestUnknownHandshakes:
    @pytest.mark.parametrize(
        ("after", "state"),
        [
            ({1: 20, 3: 980}, State.STEADY),
            ({1: 80, 3: 920}, State.MOVED),
            ({1: 300, 3: 700}, State.ALARM),
            ({1: 30, 3: 60}, State.TOO_LITTLE),
            ({0: 5000}, State.TOO_LITTLE),
        ],
    )
    def test_a_browsers_release_raises_an_alarm(self, after: dict[int, int], state: State) -> None:
        assert _compare(KNOWN, {1: 20, 3: 980}, after).unknown.state is state

    def test_what_was_unknown_before_is_no_news(self) -> None:
        assert _compare(KNOWN, {1: 300, 3: 700}, {1: 310, 3: 690}).unknown.state is State.STEADY


def _write(path: Path, requests: Iterator[made.Request]) -> Path:
    path.write_text("".join(f"{request.line}\n" for request in requests))
    return path


def test_records_of_two_times_are_compared_by_sql(database: Database, tmp_path: Path) -> None:
    quiet = _write(tmp_path / "quiet.ndjson", made.requests(1, clients=30))
    same = _write(tmp_path / "same.ndjson", made.requests(2, clients=30))
    only = _write(
        tmp_path / "only.ndjson", made.requests(2, clients=60, families=made.FAMILIES[:6])
    )
    records.load(database, [quiet], drift.BEFORE)
    records.load(database, [same], drift.AFTER)
    found = drift.measure(database)
    assert found.state is State.STEADY
    assert found.features[0].before == len(made.FAMILIES) * 30 * 8

    database.ask("DELETE FROM {db:Identifier}.records WHERE part = 'after'")
    records.load(database, [only], drift.AFTER)
    found = drift.measure(database)
    assert found.state is State.ALARM
    worst = {each.feature for each in found.features if each.state is State.ALARM}
    assert {"accept-encoding", "fetch-coherence"} <= worst
    assert "te" not in worst


def test_of_very_many_clients_a_part_is_looked_at(
    embedded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.limits.LEARN_DRIFT_ROWS_MAX", 900)
    for part, seed in ((drift.BEFORE, 1), (drift.AFTER, 2)):
        file = _write(tmp_path / f"{part}.ndjson", made.requests(seed, clients=30))
        records.load(embedded, [file], part)
    found = drift.measure(embedded)
    assert {(each.before, each.after) for each in found.features} == {(900, 900)}
    assert State.ALARM not in {each.state for each in found.features}


def test_clients_are_counted_by_sql(embedded: Database, tmp_path: Path) -> None:
    for part, seed in ((drift.BEFORE, 1), (drift.AFTER, 2)):
        few = made.requests(seed, clients=20, each=20, families=made.FAMILIES[seed : seed + 1])
        records.load(embedded, [_write(tmp_path / f"{part}.ndjson", few)], part)
    found = drift.measure(embedded)
    told = {each.feature: each for each in found.features}
    assert (told["tls-ciphers"].before, told["tls-ciphers"].after) == (400, 400)
    assert told["tls-ciphers"].state is State.TOO_LITTLE  # 400 requests, of 20 clients
    assert found.state is State.TOO_LITTLE


def test_one_loud_client_is_no_drift(embedded: Database, tmp_path: Path) -> None:
    quiet = _write(tmp_path / "quiet.ndjson", made.requests(1, clients=30))
    records.load(embedded, [quiet], drift.BEFORE)
    codes = (90,) * len(FEATURES)
    loud = [
        made.Request("192.0.2.1", made.FAMILIES[0], made.START_S + turn, codes)
        for turn in range(5000)
    ]
    both = tmp_path / "both.ndjson"
    both.write_text(
        "".join(f"{request.line}\n" for request in [*made.requests(2, clients=30), *loud])
    )
    records.load(embedded, [both], drift.AFTER)
    assert drift.measure(embedded).state is State.STEADY
