"""Access records are untrusted text: whatever a file holds, good lines are kept and others told."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn import made
from seawall import limits
from seawall.bots.features import FEATURES, to_text
from seawall.errors import RefusedError, UnreachableError, UsageError
from seawall.learn import records
from seawall.learn.database import Database, rows

KEY = "0123456789abcdef.-1"
GOOD = {
    "time": "2026-11-28T10:00:00.000Z",
    "request_id": "r1",
    "client": "192.0.2.1",
    "bots": f"- observe - - - - {to_text((1,) * len(FEATURES))} {KEY}",
}


class _Nowhere:
    """A database that keeps what it is given."""

    name = "nowhere"

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def ask(self, *_: object, **__: object) -> bytes:
        return b""

    def insert(self, _table: str, lines: bytes) -> None:
        self.lines += [json.loads(line) for line in lines.splitlines()]

    def close(self) -> None:
        pass


def _load(folder: Path, content: bytes) -> tuple[records.Loaded, list[dict[str, Any]]]:
    path = folder / "access.ndjson"
    path.write_bytes(content)
    database = _Nowhere()
    return records.load(database, [path], "train"), database.lines


def _line(**changes: object) -> bytes:
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not None}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 5000,
        _line(time=None),
        _line(time=5),
        _line(time="yesterday"),
        _line(time="2026-13-28T10:00:00Z"),
        _line(time="9999-12-31T23:59:59Z"),
        _line(time="1900-01-01T00:00:00Z"),
        _line(bots="- observe - - - $$$ " + KEY),
        _line(bots="- observe - - - - $$$"),
        _line(bots="- observe - - - - \x7f\x7f " + KEY),
        _line(bots="- observe - - - - " + "#" * 65 + " " + KEY),
        _line(bots="x" * 1000),
        b'{"a": "' + b"x" * limits.ACCESS_RECORD_SIZE_BYTES_MAX + b'"}',
        b"x" * (3 * limits.ACCESS_RECORD_SIZE_BYTES_MAX),
    ],
)
def test_a_garbled_line_costs_itself_only(tmp_path: Path, line: bytes) -> None:
    loaded, kept = _load(tmp_path, b"\n".join((_line(), line, _line(request_id="r2"))))
    assert (loaded.lines, loaded.kept, loaded.garbled, loaded.without) == (3, 2, 1, 0)
    assert [row["request_id"] for row in kept] == ["r1", "r2"]


@pytest.mark.parametrize("bots", [None, "", "-", 5, ["a"]])
def test_a_record_without_a_vector_is_counted(tmp_path: Path, bots: object) -> None:
    loaded, kept = _load(tmp_path, _line(bots=bots))
    assert (loaded.without, loaded.garbled, kept) == (1, 0, [])


def test_a_file_that_is_cut_off_or_empty_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    assert _load(tmp_path, b"")[0].lines == 0
    loaded, _ = _load(tmp_path, _line() + b"\n" + _line()[:-20])
    assert (loaded.kept, loaded.garbled) == (1, 1)


def test_what_is_kept_of_a_record(tmp_path: Path) -> None:
    vector = to_text((2,) * len(FEATURES))
    line = _line(
        client="2001:DB8:0::1",
        ja4="t13d1516h2_8daaf6152771_e5627efa2ab1",
        route="shop/pages",
        status="404",
        user_agent="secret",
        path="/private",
        bots=f"17 challenge seen+low-score verified:bingbot ok:2 0123abcd {vector} {KEY}",
    )
    _, (row,) = _load(tmp_path, line)
    assert row.pop("record") > 0
    assert row == {
        "part": "train",
        "time": "2026-11-28T10:00:00.000Z",
        "request_id": "r1",
        "client": "2001:db8::1",
        "site": "shop",
        "ja4ab": "t13d1516h2_8daaf6152771",
        "status": 404,
        "score": 17,
        "action": "challenge",
        "rules": ["seen", "low-score"],
        "proof": "verified",
        "bot": "bingbot",
        "clearance": 2,
        "model": "0123abcd",
        "vector": vector,
    }


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(("client", "ja4", "route", "status", "request_id", "bots", "time")),
        st.none() | st.text() | st.integers() | st.lists(st.integers()),
    )
)
def test_any_record_is_kept_counted_or_garbled(changes: dict[str, object]) -> None:
    loaded = records.Loaded()
    row = records._row(json.dumps(GOOD | changes).encode(), "train", loaded)
    assert loaded.kept + loaded.garbled + loaded.without == 1
    assert (row is not None) == bool(loaded.kept)
    if row is not None:
        json.dumps(row).encode("ascii")


def test_odd_texts_reach_the_database(embedded: Database, tmp_path: Path) -> None:
    odd = ["\ud800", "\0", "\t\n\\'\"", "é😀", "x" * 5000, "{db:Identifier}"]
    path = tmp_path / "odd.ndjson"
    lines = (_line(client=text, request_id=text, ja4=f"{text}_b_c", route=text) for text in odd)
    path.write_bytes(b"\n".join(lines))
    loaded = records.load(embedded, [path], "train")
    assert loaded.kept == len(odd)
    assert rows(embedded, "SELECT count() FROM {db:Identifier}.records FINAL") == [[len(odd)]]


def test_a_time_that_only_python_reads_does_not_cost_the_batch(
    embedded: Database, tmp_path: Path
) -> None:
    odd = ["2026-11-28U10:00:00Z", "2026-W48-6T10:00Z", "2026-11-28\ud80010:00:00,25Z"]
    path = tmp_path / "odd.ndjson"
    path.write_bytes(b"\n".join(_line(time=time) for time in (GOOD["time"], *odd)))
    assert records.load(embedded, [path], "train").kept == 1 + len(odd)
    told = rows(embedded, "SELECT DISTINCT time FROM {db:Identifier}.records FINAL ORDER BY time")
    assert told == [["2026-11-28 10:00:00.000"], ["2026-11-28 10:00:00.250"]]


def test_too_many_records_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEARN_RECORDS_MAX", 2)
    with pytest.raises(RefusedError, match="more than 2 records"):
        _load(tmp_path, b"\n".join([_line()] * 3))


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("access.ndjson", "access.ndjson.1", "notes.txt"):
        (tmp_path / name).touch()
    found = records.files_of([tmp_path, tmp_path / "access.ndjson"])
    assert [path.name for path in found] == ["access.ndjson", "access.ndjson.1"]
    for place in (tmp_path / "nowhere", tmp_path / "empty"):
        if place.name == "empty":
            place.mkdir()
        with pytest.raises(UnreachableError, match=place.name):
            records.files_of([place])


@pytest.mark.parametrize("call", ["is_dir", "iterdir", "is_file"])
def test_a_place_that_may_not_be_looked_at_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "access.ndjson").touch()

    def closed(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, call, closed)
    with pytest.raises(UnreachableError, match="cannot be read: Permission denied"):
        records.files_of([tmp_path])


def test_a_file_that_went_away_since_it_was_found_is_told_by_who_reads_it(tmp_path: Path) -> None:
    there, gone = tmp_path / "access.ndjson", tmp_path / "access.ndjson.1"
    there.write_bytes(_line())
    assert records.size_bytes([there, gone]) == len(_line())
    with pytest.raises(UnreachableError, match=r"ndjson\.1 cannot be read"):
        records.load(_Nowhere(), [there, gone], "train")


class TestSessions:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "line 1, has no columns"),
            ("client\tclass\n1\thuman\n", "line 1, has no columns"),
            ("client\tclass\tfamily\n192.0.2.1\thuman\n", "line 2, has 2 values for 3"),
            ("client\tclass\tfamily\n192.0.2.1\tperson\tx\n", "line 2, has the class 'person'"),
            ("client\tclass\tfamily\n\thuman\tx\n", "line 2, names no client"),
            ("client\tclass\tfamily\n192.0.2.1\thuman\t\n", "line 2, names no client or no family"),
            ("client\tclass\tfamily\tstart\na\tbot\tx\tsoon\n", "line 2, starts at 'soon'"),
            ("client\tclass\tfamily\tstart\na\tbot\tx\tnan\n", "line 2, starts at 'nan'"),
            ("client\tclass\tfamily\tstart\na\tbot\tx\t-1\n", "line 2, starts at '-1'"),
            (
                "client\tclass\tfamily\tstart\na\tbot\tx\t1795000000000\n",
                "line 2, starts at '1795000000000'",
            ),
            (
                "client\tclass\tfamily\nb\ttool\tx\na\tbot\tx\na\thuman\tx\n",
                "contradicts itself about a: bot and human",
            ),
            (
                "client\tclass\tfamily\tstart\na\tbot\tx\t5\na\tbot\ty\t5.0\n",
                "contradicts itself about a: x and y",
            ),
        ],
    )
    def test_a_wrong_truth_is_refused_whole(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "sessions.tsv"
        path.write_text(text)
        with pytest.raises(UsageError, match=words):
            records.load_sessions(_Nowhere(), path)

    def test_it_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "LEARN_SESSIONS_MAX", 10)
        path = tmp_path / "sessions.tsv"
        path.write_text(made.sessions())
        with pytest.raises(UsageError, match="larger than 10 sessions"):
            records.load_sessions(_Nowhere(), path)

    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(UnreachableError):
            records.load_sessions(_Nowhere(), tmp_path)

    def test_a_line_that_comes_twice_and_a_mark_of_byte_order_do_no_harm(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "sessions.tsv"
        line = "a\tbot\tx\r\n"
        path.write_text(f"\ufeffclient\tclass\tfamily\r\n{line}{line}", newline="")
        database = _Nowhere()
        assert records.load_sessions(database, path) == 1
        assert [row["label"] for row in database.lines] == ["bot"]

    def test_times_of_an_address_follow_one_another(self, tmp_path: Path) -> None:
        path = tmp_path / "sessions.tsv"
        path.write_text(
            "client\tclass\tfamily\tstart\n"
            "a\tbot\ty\t2026-11-28T10:00:00Z\n"
            "a\thuman\tx\t5\n"
            "b\ttool\tz\t7\n"
        )
        database = _Nowhere()
        assert records.load_sessions(database, path) == 3
        times = [(row["client"], row["since_s"], row["until_s"]) for row in database.lines]
        assert times == [("a", 0.0, 1795860000.0), ("a", 1795860000.0, 1e18), ("b", 0.0, 1e18)]
