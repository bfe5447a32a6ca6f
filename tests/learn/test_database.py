"""The same statements on an embedded ClickHouse and over HTTP; the list of features it tells."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from bot_models import random_model
from learn import made
from learn.conftest import clickhouse_server
from origin_server import Origin, ok
from seawall.bots import artifact
from seawall.bots.features import FEATURES, from_text
from seawall.errors import RefusedError, UnreachableError, UsageError
from seawall.learn import columns, dataset, records
from seawall.learn.database import Database, Server, insert, open_database, rows, sql
from seawall.learn.dataset import Label

NAMES = tuple(feature.name for feature in FEATURES)
NAIVE = "SELECT name FROM system.columns WHERE table = 'features' AND name != 'record'"


def _loaded(database: Database, folder: Path, **options: int) -> records.Loaded:
    found, truth = made.write(folder / "data", **options)
    records.load_sessions(database, truth)
    return records.load(database, [found], "train")


def test_a_value_is_a_parameter_and_never_a_statement(database: Database) -> None:
    evil = "x'; DROP TABLE records; --\\\t\n{db:Identifier}é"
    answer = rows(
        database,
        "SELECT {evil:String}, {number:UInt8}, {several:Array(String)}, {none:Array(String)}",
        evil=evil,
        number=7,
        several=(evil, ""),
        none=(),
    )
    assert answer == [[evil, 7, [evil, ""], []]]


def test_what_is_inserted_comes_back(database: Database) -> None:
    row = {
        "client": 'a\tb"\n',
        "label": "bot",
        "family": "é \U0001f600",
        "since_s": 0,
        "until_s": 1,
    }
    insert(database, "sessions", [row, row])
    assert (
        rows(database, "SELECT client, family FROM {db:Identifier}.sessions")
        == [[row["client"], row["family"]]] * 2
    )
    insert(database, "sessions", [])


def test_an_error_is_a_refusal_with_the_words_of_the_database(database: Database) -> None:
    with pytest.raises(RefusedError, match="nowhere"):
        database.ask("SELECT * FROM {db:Identifier}.nowhere")
    with pytest.raises(RefusedError):
        database.insert("sessions", b'{"client": ')
    with pytest.raises(RefusedError):
        database.insert("sessions", b'{"since_s": "soon"}')


def test_tables_can_be_made_twice(database: Database, tmp_path: Path) -> None:
    before = rows(database, "SHOW TABLES FROM {db:Identifier}")
    if isinstance(database, Server):
        with closing(open_database(database._address, tmp_path)) as again:
            assert rows(again, "SHOW TABLES FROM {db:Identifier}") == before
    assert before == [["records"], ["sessions"]]


def test_a_whole_data_set_has_the_codes_of_the_records(database: Database, tmp_path: Path) -> None:
    loaded = _loaded(database, tmp_path, clients=4, each=5)
    assert (loaded.kept, loaded.garbled, loaded.without) == (loaded.lines, 0, 0)
    found = dataset.gather(database, "train", dataset.Rules())
    assert found.rows.features == NAMES
    wanted = sorted(request.codes for request in made.requests(clients=4, each=5))
    assert sorted(tuple(int(code) for code in row) for row in found.rows.codes) == wanted
    assert sum(label.records for label in found.labels) == len(wanted)
    ordinals = found.rows.ordinal.reshape(-1)
    assert sorted(set(ordinals.tolist())) == [1, 2, 3, 4, 5]


def test_where_nothing_is_a_record_it_is_not_labels_that_are_asked_for(
    embedded: Database, tmp_path: Path
) -> None:
    garbled = tmp_path / "access.ndjson.gz"
    garbled.write_bytes(b"\x1f\x8b\x08\0" * 100)
    assert records.load(embedded, [garbled], "train").kept == 0
    with pytest.raises(RefusedError, match="no line is an access record"):
        dataset.gather(embedded, "train", dataset.Rules())


def test_the_same_records_twice_are_the_same_rows(embedded: Database, tmp_path: Path) -> None:
    _loaded(embedded, tmp_path, clients=2, each=3)
    once = len(dataset.gather(embedded, "train", dataset.Rules()).rows)
    _loaded(embedded, tmp_path, clients=2, each=3)
    assert len(dataset.gather(embedded, "train", dataset.Rules()).rows) == once


def test_a_shorter_vector_has_absent_features(embedded: Database) -> None:
    line = made.Request("192.0.2.1", made.FAMILIES[0], made.START_S, (1, 2, 3)).line
    row = records._row(line.encode(), "train", records.Loaded())
    assert row is not None
    insert(embedded, "records", [row])
    columns.build(embedded, "train")
    content = embedded.ask("SELECT * EXCEPT record FROM {db:Identifier}.features", "RowBinary")
    assert tuple(content) == from_text(str(row["vector"]))
    assert tuple(content)[:3] == (1, 2, 3)
    assert not any(tuple(content)[3:])


class TestTheListOfFeatures:
    """18 November 2025: a second database with the same table doubled the list."""

    def test_the_naive_query_doubles_and_the_artifact_refuses(
        self, database: Database, tmp_path: Path
    ) -> None:
        _loaded(database, tmp_path, clients=1, each=1)
        columns.build(database, "train")
        assert columns.listed(database) == NAMES
        database.ask("CREATE DATABASE r0")
        database.ask(f"CREATE TABLE r0.features AS {database.name}.features")

        doubled = [str(name) for (name,) in rows(database, NAIVE)]
        assert len(doubled) == 2 * len(NAMES)
        with pytest.raises(RefusedError) as refused:
            columns.checked(doubled)
        assert f"lists {2 * len(NAMES)} feature columns where {len(NAMES)}" in refused.value.message
        assert "(2 times)" in refused.value.message
        with pytest.raises(RefusedError):
            columns.checked(doubled[: len(NAMES) + 1])

        assert columns.listed(database) == NAMES

    def test_a_model_with_a_doubled_list_is_refused_when_written(self) -> None:
        model = random_model(1)
        for features in (model.features * 2, (*model.features[:8], model.features[0])):
            changed = type(model)(**{**model.__dict__, "features": features})
            with pytest.raises(RefusedError):
                artifact.write(changed)

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            (lambda names: [*names, names[0]], "twice"),
            (lambda names: [*names, "password"], "unknown"),
            (lambda names: names[1:], "missing"),
            (lambda names: names[:0], "missing"),
            (lambda names: ["x" * 10_000, *names[1:]], "unknown"),
        ],
    )
    def test_a_wrong_list_is_refused_with_the_arithmetic(self, change: object, word: str) -> None:
        assert callable(change)
        with pytest.raises(RefusedError, match=word) as refused:
            columns.checked(change([columns.column(name) for name in NAMES]))
        assert len(refused.value.message) < 600


class TestLabels:
    """Where labels come from, and which of them decides."""

    def _gathered(self, database: Database, found: list[made.Request]) -> dict[Label, int]:
        loaded = records.Loaded()
        kept = [records._row(each.line.encode(), "train", loaded) for each in found]
        insert(database, "records", [row for row in kept if row is not None])
        try:
            labels = dataset.gather(database, "train", dataset.Rules()).labels
        except RefusedError as refused:
            assert refused.code == "bot-training-unlabelled"  # noqa: PT017 - labels come with it
            labels = tuple(
                Label(str(a), str(b), int(c), int(d))
                for a, b, c, d in rows(database, sql("counts"), part="train")
            )
        return {label: label.records for label in labels}

    def _request(self, client: str, at_s: float = 0.0, **fields: str) -> made.Request:
        codes = tuple(1 for _ in FEATURES)
        return made.Request(client, made.FAMILIES[0], made.START_S + at_s, codes, **fields)

    def test_each_source_gives_its_label(self, embedded: Database) -> None:
        found = self._gathered(
            embedded,
            [
                self._request("192.0.2.1", verified="verified:googlebot"),
                self._request("192.0.2.2", verified="impostor:googlebot"),
                self._request("192.0.2.3", rule="honeypot"),
                self._request("192.0.2.4", rule="declared"),
                self._request("192.0.2.5", clearance="ok:2"),
                self._request("192.0.2.6", clearance="expired", verified="unknown:googlebot"),
            ],
        )
        assert set(found) == {
            Label("verified", "verified", 1, 0),
            Label("bot", "impostor", 1, 0),
            Label("bot", "honeypot", 1, 0),
            Label("tool", "declared", 1, 0),
            Label("human", "challenge", 1, 0),
            Label("unlabelled", "", 1, 0),
        }

    def test_a_honeypot_labels_its_client_for_a_while(self, embedded: Database) -> None:
        found = self._gathered(
            embedded,
            [
                self._request("192.0.2.3", 0, rule="honeypot"),
                self._request("192.0.2.3", -3599),
                self._request("192.0.2.3", 3600),
                self._request("192.0.2.3", 3601),
                self._request("192.0.2.4", 1),
            ],
        )
        assert found == {
            Label("bot", "honeypot", 3, 0): 3,
            Label("unlabelled", "", 2, 0): 2,
        }

    def test_days_between_two_steps_into_a_honeypot_are_not_labelled(
        self, embedded: Database
    ) -> None:
        day_s = 86_400
        found = self._gathered(
            embedded,
            [
                self._request("192.0.2.3", 0, rule="honeypot"),
                self._request("192.0.2.3", 3_000),
                self._request("192.0.2.3", 3 * day_s, clearance="ok:2"),
                self._request("192.0.2.3", 7 * day_s - 3_000),
                self._request("192.0.2.3", 7 * day_s, rule="honeypot"),
            ],
        )
        assert found == {
            Label("bot", "honeypot", 4, 0): 4,
            Label("human", "challenge", 1, 0): 1,
        }

    def test_a_better_source_overrules_and_equal_ones_contradict(self, embedded: Database) -> None:
        found = self._gathered(
            embedded,
            [
                self._request("192.0.2.1", rule="seen+honeypot", clearance="ok:2"),
                self._request("192.0.2.2", rule="declared", clearance="ok:2"),
                self._request("192.0.2.3", rule="honeypot"),
                self._request("192.0.2.3", 1, rule="declared"),
            ],
        )
        assert found == {
            Label("bot", "honeypot", 2, 1): 2,
            Label("tool", "declared", 1, 1): 1,
            Label("contradictory", "honeypot and declared", 1, 0): 1,
        }

    def test_the_truth_about_a_client_is_that_of_its_time(
        self, embedded: Database, tmp_path: Path
    ) -> None:
        truth = tmp_path / "sessions.tsv"
        truth.write_text(
            "client\tclass\tfamily\tstart\n"
            f"192.0.2.1\tbot\tlibrary\t{made.START_S + 100}\n"
            f"192.0.2.1\thuman\tbrowser\t{made.START_S}\n"
            "2001:DB8::0:1\ttool\tgit\t\n"
        )
        assert records.load_sessions(embedded, truth) == 3
        found = self._gathered(
            embedded,
            [
                self._request("192.0.2.1", 99, rule="honeypot"),
                self._request("192.0.2.1", 100),
                self._request("2001:db8::1", 5),
            ],
        )
        assert found == {
            Label("human", "session", 1, 1): 1,
            Label("bot", "session", 1, 0): 1,
            Label("tool", "session", 1, 0): 1,
        }

    def test_a_family_without_truth_is_what_its_handshake_and_claim_say(
        self, embedded: Database
    ) -> None:
        self._gathered(embedded, [self._request("192.0.2.5", clearance="ok:2")])
        rows_ = dataset.gather(embedded, "train", dataset.Rules()).rows
        assert rows_.families == ("t13d1516h2_browser-0/agent 1 (human)",)


def test_one_loud_client_is_bounded(embedded: Database, tmp_path: Path) -> None:
    loud = made.Request("192.0.2.9", made.FAMILIES[0], made.START_S, (1,) * len(FEATURES))
    lines = (
        made.Request(loud.client, loud.family, loud.at_s + turn, loud.codes, rule="honeypot").line
        for turn in range(600)
    )
    path = tmp_path / "loud.ndjson"
    path.write_text("".join(f"{line}\n" for line in lines))
    records.load(embedded, [path], "train")
    found = dataset.gather(embedded, "train", dataset.Rules()).rows
    assert len(found) == 200
    assert set(range(1, 21)) <= set(found.ordinal.tolist())
    assert max(found.ordinal.tolist()) > 200


class TestServer:
    @pytest.mark.parametrize(
        "url",
        [
            "clickhouse",
            "ftp://host/",
            "http://",
            "http://host:port/",
            "http://host:123456/",
            "http://[::1:8123/",
            "http://host/?database=a.b",
            "http://host/?database=" + "x" * 65,
        ],
    )
    def test_a_bad_address_is_told_without_asking(self, url: str) -> None:
        with pytest.raises(UsageError, match="not the address"):
            Server(url)

    @pytest.mark.parametrize("host", ["a..b", "h\x7f", "x" * 64 + ".example"])
    def test_a_name_that_no_host_can_have_is_told(self, tmp_path: Path, host: str) -> None:
        with pytest.raises(UsageError, match="not the address"):
            open_database(f"http://{host}:8123/", tmp_path)

    def test_a_password_may_have_any_letters(self, tmp_path: Path) -> None:
        sent = "hüsh".encode().decode("latin-1")
        with (
            clickhouse_server(tmp_path / "clickhouse", key=sent) as url,
            closing(open_database(url.replace("//", "//user:h%C3%BCsh@"), tmp_path)) as database,
        ):
            assert rows(database, "SELECT 1") == [[1]]

    def test_nobody_there(self, tmp_path: Path) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://user:hush-hush@127.0.0.1:{held.getsockname()[1]}/"
            with pytest.raises(UnreachableError) as failed:
                open_database(url, tmp_path)
        assert "hush" not in str(failed.value)

    @pytest.mark.parametrize("answer", [b"<html>hello</html>", b'{"error": 1}', b"\xff\x00"])
    def test_a_server_of_another_kind_is_told(self, tmp_path: Path, answer: bytes) -> None:
        with Origin(lambda _: ok(answer)) as other:
            database = open_database(f"http://127.0.0.1:{other.port}/", tmp_path)
            with closing(database), pytest.raises(RefusedError, match="does not answer with rows"):
                rows(database, "SELECT 1")

    def test_an_answer_without_end_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("seawall.limits.LEARN_ANSWER_SIZE_BYTES_MAX", 4096)
        with (
            Origin(lambda _: ok(b"x" * 5000)) as other,
            pytest.raises(RefusedError, match="over 4,096 bytes"),
        ):
            open_database(f"http://127.0.0.1:{other.port}/", tmp_path)

    def test_the_password_is_sent_and_never_shown(self, tmp_path: Path) -> None:
        with clickhouse_server(tmp_path / "clickhouse", key="hush hush") as url:
            with closing(
                open_database(url.replace("//", "//user:hush%20hush@"), tmp_path)
            ) as database:
                assert rows(database, "SELECT 1") == [[1]]
            with pytest.raises(RefusedError) as failed:
                open_database(url.replace("//", "//user:wrong-secret@"), tmp_path)
        assert "Authentication failed" in failed.value.message
        assert "secret" not in str(failed.value)

    def test_another_database_of_the_same_server(self, tmp_path: Path) -> None:
        with (
            clickhouse_server(tmp_path / "clickhouse") as url,
            closing(open_database(f"{url}?database=mine", tmp_path)) as database,
        ):
            assert database.name == "mine"
            assert rows(database, "SHOW TABLES FROM mine") == [["records"], ["sessions"]]
