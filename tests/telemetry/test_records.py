import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.compiler.access_log import FIELDS
from seawall.errors import NotFoundError, UnreachableError, UsageError
from seawall.limits import (
    ACCESS_LOG_FILES_MAX,
    ACCESS_READ_SIZE_BYTES,
    ACCESS_RECORD_SIZE_BYTES_MAX,
)
from seawall.telemetry import records, rotation
from seawall.telemetry.flags import FLAGS
from seawall.telemetry.records import (
    AccessRecord,
    Search,
    files,
    find,
    newest,
    parse_record,
    recent,
    search,
    untrusted_forwarding,
)


def line(number: int, **more: object) -> bytes:
    record = {"time": f"t{number}", "request_id": f"id-{number}", "status": 200, **more}
    return json.dumps(record).encode() + b"\n"


@pytest.fixture
def current(tmp_path: Path) -> Path:
    return tmp_path / "access.ndjson"


def test_a_record_is_typed_and_what_envoy_left_out_is_absent() -> None:
    record = parse_record(line(1, route="shop/api", duration_ms="12", req_headers={"a": None}))
    assert record is not None
    assert (record.site, record.status, record.duration_ms) == ("shop", 200, 12)
    assert record.bytes_in is None
    assert record.flags == ""
    assert record.req_headers == {}


@pytest.mark.parametrize(
    "garbage",
    [b"", b"x", b"[]", b"1", b"{}", b'{"time": 1}', b'{"time": "t"', b"\xff\xfe", b"[" * 5000,
     b'{"time": "' + b"a" * ACCESS_RECORD_SIZE_BYTES_MAX + b'"}'],
)  # fmt: skip
def test_garbage_is_no_record(garbage: bytes) -> None:
    assert parse_record(garbage) is None


@given(st.dictionaries(st.sampled_from([*AccessRecord.__dataclass_fields__]), st.one_of(
    st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text()),
    st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers())),
)))  # fmt: skip
def test_any_json_object_gives_a_record_or_none_of_the_declared_types(fields: object) -> None:
    record = parse_record(json.dumps(fields).encode())
    if record is not None:
        assert isinstance(record.flags, str)
        assert record.status is None or isinstance(record.status, int)
        assert all(isinstance(v, str) for v in record.req_headers.values())


def test_halves_of_characters_become_text_that_can_be_written() -> None:
    broken = b'{"time": "\\ud800", "host": "a\\udfff", "req_headers": {"\\ud800": "\\ud800"}}'
    record = parse_record(broken)
    assert record == AccessRecord(time="?", host="a?", req_headers={"?": "?"})
    assert parse_record(line(1, path="/é€😀")) == AccessRecord(
        time="t1", request_id="id-1", status=200, path="/é€😀"
    )


def everything(current: Path) -> list[str]:
    """The request ids of all files, the newest first."""
    return [record.request_id for record in newest(files(current), 10**8)]


def test_records_come_newest_first_over_rotated_files_without_garbage(current: Path) -> None:
    current.with_name("access.ndjson.2").write_bytes(line(1))
    current.with_name("access.ndjson.1").write_bytes(line(2) + b"garbage\n" + line(3))
    current.write_bytes(line(4) + line(5) + b'{"time": "still being writ')
    assert everything(current) == ["id-5", "id-4", "id-3", "id-2", "id-1"]
    assert [record.request_id for record in recent(current, 10**6)] == ["id-5", "id-4"]


def test_records_are_found_across_the_edges_of_read_blocks(current: Path) -> None:
    body = b"".join(line(n, path="/" + "x" * 900) for n in range(3000))
    assert len(body) > 2 * ACCESS_READ_SIZE_BYTES
    current.write_bytes(body)
    assert everything(current) == [f"id-{n}" for n in range(2999, -1, -1)]
    for number in (0, 1, 1111, 1500, 2999):
        assert find(current, f"id-{number}").time == f"t{number}"


def test_a_line_over_the_bound_is_skipped_and_hides_no_other(current: Path) -> None:
    monster = b"y" * (ACCESS_READ_SIZE_BYTES * 2 + 17) + b"\n"
    current.write_bytes(line(1) + monster + line(2))
    assert find(current, "id-1").time == "t1"
    assert everything(current) == ["id-2", "id-1"]


def test_the_newest_record_wins_when_a_client_sent_the_same_id_twice(current: Path) -> None:
    current.write_bytes(line(1, request_id="same") + line(2, request_id="same"))
    assert find(current, "same").time == "t2"


def test_an_id_that_only_appears_inside_another_field_is_not_found(current: Path) -> None:
    current.write_bytes(line(1, path="/id-7"))
    with pytest.raises(NotFoundError) as caught:
        find(current, "id-7")
    assert caught.value.code == "request-not-found"


@pytest.mark.parametrize("told", ["2026-11-29T09:27:08.841Z", "2026-11-29T09:27:08.841362Z"])
def test_what_was_refused_before_it_had_an_id_is_found_by_its_time(
    current: Path, told: str
) -> None:
    time = "2026-11-29T09:27:08.841Z"
    refused = line(2, time=time, request_id="", status=400, path="/refused")
    current.write_bytes(line(1) + refused + line(3, time=time, path="/beside") + line(4))
    assert find(current, told).path == "/refused"
    with pytest.raises(NotFoundError):
        find(current, told.replace("08.841", "08.842"))


def test_an_id_that_stands_in_every_line_costs_no_more_than_another(
    current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current.write_bytes(b"".join(line(n, method="GET") for n in range(500)))
    read: list[bytes] = []

    def counted(text: bytes) -> AccessRecord | None:
        read.append(text)
        return parse_record(text)

    monkeypatch.setattr(records, "parse_record", counted)
    assert search(current, "GET").line == b""
    assert len(read) < 10


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, '"', "é", "../x\n"])
def test_what_cannot_be_a_request_id_is_refused(current: Path, bad: str) -> None:
    with pytest.raises(UsageError):
        find(current, bad)


def test_no_files_means_no_records(current: Path) -> None:
    assert everything(current) == []
    assert recent(current, 100) == ()
    assert files(current) == ()


def test_recent_reads_whole_lines_of_the_end_alone(current: Path) -> None:
    current.write_bytes(b"".join(line(n) for n in range(50)) + b'{"ti')
    size = 3 * len(line(49)) + 4 + 5
    assert [r.request_id for r in recent(current, size)] == ["id-49", "id-48", "id-47"]
    assert len(recent(current, 10**6)) == 50


def test_rotation_moves_every_file_up_and_keeps_the_number_bounded(current: Path) -> None:
    for number in range(ACCESS_LOG_FILES_MAX + 3):
        current.write_bytes(line(number))
        rotation.rotate(current)
    assert len(files(current)) == ACCESS_LOG_FILES_MAX - 1
    assert everything(current)[0] == f"id-{ACCESS_LOG_FILES_MAX + 2}"


def test_a_small_or_absent_file_is_not_due(current: Path) -> None:
    assert not rotation.due(current)
    current.write_bytes(b"x")
    assert not rotation.due(current)


def test_room_is_made_by_giving_up_the_oldest_rotated_files_first(
    current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current.write_bytes(b"x")
    for number in (1, 2, 3):
        current.with_name(f"access.ndjson.{number}").write_bytes(b"x")
    free = iter([0] * (ACCESS_LOG_FILES_MAX - 2) + [1 << 40])
    monkeypatch.setattr(rotation, "free_bytes", lambda _directory: next(free))
    assert rotation.make_room(current) == 2
    assert [path.name for path in files(current)] == ["access.ndjson", "access.ndjson.1"]


def forwarded(peer: str, client: str, header: str) -> AccessRecord:
    return AccessRecord(peer=peer, client=client, forwarded_for=header)


def test_an_untrusted_peer_that_claims_to_forward_is_noticed() -> None:
    found = untrusted_forwarding(
        [
            forwarded("10.0.0.1", "10.0.0.1", "1.1.1.1,10.0.0.1"),
            forwarded("10.0.0.1", "10.0.0.1", "1.1.1.1, 2.2.2.2, 10.0.0.1"),
            forwarded("10.0.0.2", "10.0.0.2", "1.1.1.1,10.0.0.2"),
            forwarded("10.0.0.3", "10.0.0.3", "10.0.0.3"),
        ]
    )
    assert found is not None
    assert (found.count, found.sampled, found.peer) == (3, 4, "10.0.0.1")


def test_trusted_proxies_and_plain_clients_are_not_noticed() -> None:
    assert untrusted_forwarding(
        [
            forwarded("10.0.0.1", "1.1.1.1", "1.1.1.1,10.0.0.1"),
            forwarded("9.9.9.9", "9.9.9.9", "9.9.9.9"),
            forwarded("9.9.9.9", "9.9.9.9", ""),
        ]
    ) is None  # fmt: skip


def test_a_stranger_now_and_then_is_no_proxy_of_ones_own() -> None:
    claims = [forwarded("10.0.0.1", "10.0.0.1", "1.1.1.1,10.0.0.1")]
    plain = [forwarded("9.9.9.9", "9.9.9.9", "9.9.9.9")]
    assert untrusted_forwarding(claims + 99 * plain) is None
    assert untrusted_forwarding(5 * claims + 95 * plain)


def test_the_address_that_envoy_appends_for_a_peer_on_loopback_is_no_claim() -> None:
    assert untrusted_forwarding([forwarded("127.0.0.1", "127.0.0.1", "192.0.2.2")]) is None
    assert untrusted_forwarding([forwarded("127.0.0.1", "127.0.0.1", "1.1.1.1,192.0.2.2")])


def test_the_record_and_its_page_hold_every_key_that_envoy_is_told_to_write() -> None:
    keys = {*FIELDS, "req_headers", "resp_headers"}
    assert keys == set(AccessRecord.__dataclass_fields__)
    page = (Path(__file__).parents[2] / "docs" / "access-records.md").read_text()
    assert set(re.findall(r"^\| `([a-z0-9_]+)` \|", page, re.MULTILINE)) == keys
    for flag, meaning in FLAGS.items():
        assert f"| `{flag}` | {meaning.words} |" in page


def test_a_search_says_how_far_back_it_looked(current: Path) -> None:
    current.with_name("access.ndjson.2").write_bytes(line(1) + line(2))
    current.with_name("access.ndjson.1").write_bytes(line(3))
    current.write_bytes(line(4) + line(5))
    assert search(current, "nowhere") == Search(since="t1")
    assert search(current, "id-4") == Search(line(4)[:-1], since="t4")
    steps = iter([True, True, False])
    assert search(current, "id-1", lambda: next(steps)) == Search(whole=False, since="t3")
    assert search(current, "id-1", lambda: False) == Search(whole=False)
    current.with_name("access.ndjson.2").write_bytes(b"garbled\n" + line(2))
    assert search(current, "nowhere") == Search(since="t2")


def test_a_search_without_files_is_whole(current: Path) -> None:
    assert search(current, "nowhere") == Search()


def test_a_file_that_cannot_be_read_is_not_counted_as_searched(current: Path) -> None:
    current.with_name("access.ndjson.1").symlink_to(current.with_name("access.ndjson.1"))  # a loop
    current.write_bytes(line(4))
    assert search(current, "nowhere") == Search(whole=False, since="t4")
    assert find(current, "id-4").time == "t4"
    with pytest.raises(UnreachableError, match="Some access records"):
        find(current, "nowhere")


def test_a_rotation_in_the_middle_of_a_search_hides_no_file(current: Path) -> None:
    current.with_name("access.ndjson.1").write_bytes(line(1))
    current.write_bytes(line(2))
    turns = 0

    def rotate() -> bool:
        nonlocal turns
        turns += 1
        if turns == 1:
            rotation.rotate(current)
        return True

    assert search(current, "id-1", rotate).line == line(1)[:-1]
