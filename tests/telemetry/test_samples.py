"""What a node tells of what it has seen: no more than rules ask for, bounded, and checked."""

import contextlib
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall import limits
from seawall.telemetry.records import AccessRecord, parse_record
from seawall.telemetry.samples import SampleError, Wanted, pack, unpack
from telemetry.test_rehearse import crowd, record

SECRETS = replace(
    record(1, headers={"accept": "text/html", "cookie": "secret"}),
    client="192.0.2.1",
    peer="192.0.2.2",
    forwarded_for="192.0.2.3",
    user_agent="Mozilla",
    ja4="t13d",
    status=200,
    resp_headers={"set-cookie": "secret"},
)
NAMED = Wanted(("shop",))


def packed(*lines: object) -> bytes:
    return zlib.compress(b"\n".join(json.dumps(line).encode() for line in lines))


def line(**more: object) -> dict[str, object]:
    return {"time": "2026-11-29T10:00:00.000Z", "request_id": "id-1", "route": "shop/all", **more}


def test_what_comes_is_what_was_packed_as_far_as_rules_look_at_it() -> None:
    [told] = unpack(pack([SECRETS], NAMED))
    kept = AccessRecord(
        **{
            name: getattr(SECRETS, name)
            for name in ("time", "request_id", "route", "method", "host", "path", "protocol")
        },
        bots=SECRETS.bots,
        req_headers={"accept": "text/html"},
    )
    assert told == kept


def test_the_address_of_a_client_goes_along_only_where_lists_are_tried() -> None:
    [told] = unpack(pack([SECRETS], Wanted(("shop",), addresses=True)))
    assert told.client == "192.0.2.1"
    text = zlib.decompress(pack([SECRETS], NAMED))
    assert b"192.0.2" not in text
    assert b"secret" not in text
    assert b"Mozilla" not in text


def test_only_wanted_sites_are_told_and_all_when_none_is_named() -> None:
    both = [record(1), record(2, route="blog/all"), record(3, route="shopping/all")]
    assert [one.request_id for one in unpack(pack(both, NAMED))] == ["id-1"]
    assert len(unpack(pack(both, Wanted()))) == 3
    assert unpack(pack(both, Wanted(("other",)))) == ()


@pytest.mark.parametrize("wanted", [NAMED, Wanted()], ids=["named", "all"])
@pytest.mark.parametrize("sent_id", ["", "a b/c", "x" * 10_000], ids=["none", "odd", "long"])
def test_what_was_no_request_spoils_no_sample(sent_id: str, wanted: Wanted) -> None:
    unreadable = replace(record(2), request_id=sent_id, route="" if not sent_id else "shop/all")
    assert unpack(pack([unreadable, SECRETS], wanted)) == unpack(pack([SECRETS], wanted))


@given(
    st.lists(st.dictionaries(st.sampled_from(["time", "request_id", "route", "path"]), st.text()))
)
def test_whatever_a_node_has_recorded_its_sample_can_be_read(lines: list[dict[str, str]]) -> None:
    found = [each for raw in lines if (each := parse_record(json.dumps(raw).encode())) is not None]
    assert SECRETS.request_id in {
        each.request_id for each in unpack(pack([*found, SECRETS], NAMED))
    }
    unpack(pack(found, Wanted(addresses=True)))


def test_of_many_an_even_part_is_told() -> None:
    most = limits.SAMPLE_RECORDS_MAX
    all_of_them = unpack(pack(crowd(most), NAMED))
    assert [one.request_id for one in all_of_them] == [f"id-{n}" for n in range(most)]
    told = unpack(pack(crowd(4 * most), NAMED))
    assert [one.request_id for one in told] == [f"id-{4 * n}" for n in range(most)]
    assert len({one.request_id for one in unpack(pack(crowd(most + 7), NAMED))}) == most


def test_an_ordinary_answer_is_a_small_part_of_what_it_may_be() -> None:
    assert len(pack(crowd(limits.SAMPLE_RECORDS_MAX), NAMED)) < 128 * limits.KIB


def test_a_long_path_is_left_out_and_takes_no_room() -> None:
    long = record(1, path="/" + "a" * limits.SAMPLE_RECORD_SIZE_BYTES_MAX)
    assert [one.request_id for one in unpack(pack([long, record(2)], NAMED))] == ["id-2"]


def test_what_cannot_be_packed_small_is_told_in_part() -> None:
    noise = "".join(chr(33 + n * n * 31 % 89) for n in range(3000))
    found = [
        record(n, path="/" + noise[n * 7 % 3000 :] + noise[: n * 7 % 3000]) for n in range(900)
    ]
    sent = pack(found, NAMED)
    assert len(sent) <= limits.SAMPLE_PACKED_SIZE_BYTES_MAX
    assert 0 < len(unpack(sent)) < 900


def test_when_time_is_over_it_is_told_what_was_found() -> None:
    calls = iter((True, True, False))
    assert len(unpack(pack(crowd(50), NAMED, lambda: next(calls)))) == 2


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: b"", "cut off"),
        (lambda: b"no", "unpacked"),
        (lambda: packed(line())[:-3], "cut off"),
        (lambda: zlib.compress(b" " * 500 * limits.MIB), "too large"),
        (lambda: zlib.compress(b"\n" * limits.SAMPLE_RECORDS_MAX), "too many"),
        (lambda: zlib.compress(b"[" * 100_000), "not a record"),
        (lambda: packed("a"), "not a record"),
        (lambda: packed(line(), line(request_id="")), "an invalid request id"),
        (lambda: packed(line(request_id="x; rm -rf /")), "an invalid request id"),
        (lambda: packed(line(time="2026-11-29\x1b10:00:00Z")), "an invalid time"),
        (lambda: packed(line(time="2026-13-29T10:00:00.000Z")), "an invalid time"),
        (lambda: packed(line(time="0001-01-01T00:00:00.000Z")), "an invalid time"),
    ],
)
def test_what_makes_no_sense_is_no_sample(make: Callable[[], bytes], why: str) -> None:
    with pytest.raises(SampleError, match=why):
        unpack(make())


def test_a_node_that_has_seen_nothing_says_so() -> None:
    assert unpack(pack([], NAMED)) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict(zip(line(bots=1), repeat(JSON)))) | JSON))
def test_whatever_is_sent_is_records_or_no_sample(lines: list[object]) -> None:
    with contextlib.suppress(SampleError):
        assert len(unpack(packed(*lines))) == len(lines)


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_no_sample(sent: bytes) -> None:
    for each in (sent, zlib.compress(sent)):
        with contextlib.suppress(SampleError):
            unpack(each)
