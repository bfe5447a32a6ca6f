"""What is answered to a question about a name: every rule of decision 0032, and no rule broken."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.limits import (
    DNS_ASKED_S,
    DNS_FRESH_S_MAX,
    DNS_MEMORY_SIZE_BYTES_MAX,
    DNS_NAMES_MAX,
    DNS_RECHECK_S,
    DNS_RECORDS_SIZE_BYTES_MAX,
    DNS_SLOW_TTL_S,
    DNS_STALE_S,
    DNS_STALE_TTL_S,
    DNS_TOLD_TTL_S_MAX,
    DNS_TTL_S_MAX,
)
from seawall.node.dns import book, words
from seawall.node.dns.memory import Kind, Memory, Outcome, Told
from seawall.node.dns.wire import AAAA, A, Question, Records

SHOP = Question(b"\4shop\4test\0", A)
TTL_S = 60


def records(*addresses: str, ttl_s: int = TTL_S) -> Records:
    """An answer section that holds these."""
    body = b""
    for address in map(ipaddress.ip_address, addresses):
        kind = A if address.version == 4 else AAAA
        body += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl_s, len(address.packed))
        body += address.packed
    return Records.read(body, 0, len(addresses))[0]


def found(*addresses: str, ttl_s: int = TTL_S) -> Outcome:
    return Outcome(Kind.FOUND, records(*addresses, ttl_s=ttl_s))


ONE = found("10.0.0.5")
OTHER = found("2001:db8::5")
EMPTY, GONE, FAILED = Outcome(Kind.NO_RECORD), Outcome(Kind.NO_NAME), Outcome(Kind.FAILED)
STALE = Told(Kind.FOUND, ONE.records, ttl_s=DNS_STALE_TTL_S)
JUST_BEFORE_S = TTL_S + DNS_STALE_S - 1
TOO_LATE_S = TTL_S + DNS_STALE_S


@pytest.mark.parametrize(
    ("before", "outcome", "sibling", "later_s", "told"),
    [
        (None, ONE, None, 0, Told(Kind.FOUND, ONE.records)),
        (None, EMPTY, None, 0, Told(Kind.NO_RECORD)),
        (None, GONE, None, 0, Told(Kind.NO_NAME)),
        (None, FAILED, None, 0, Told(Kind.FAILED)),
        (ONE, found("10.0.0.9"), None, 90, Told(Kind.FOUND, records("10.0.0.9"))),
        (ONE, GONE, None, 90, STALE),
        (ONE, FAILED, None, 90, STALE),
        (ONE, EMPTY, EMPTY, 90, STALE),
        (ONE, EMPTY, GONE, 90, STALE),
        (ONE, EMPTY, FAILED, 90, STALE),
        (ONE, EMPTY, OTHER, 90, Told(Kind.NO_RECORD)),
        (ONE, GONE, None, JUST_BEFORE_S, STALE),
        (ONE, GONE, None, TOO_LATE_S, Told(Kind.NO_NAME)),
        (ONE, FAILED, None, TOO_LATE_S, Told(Kind.FAILED)),
        (ONE, EMPTY, None, TOO_LATE_S, Told(Kind.NO_RECORD)),
    ],
)
def test_what_is_told(
    before: Outcome | None, outcome: Outcome, sibling: Outcome | None, later_s: float, told: Told
) -> None:
    memory = Memory()
    if before is not None:
        memory.settle(SHOP, before, 0.0)
    assert memory.settle(SHOP, outcome, later_s, sibling) == told


def test_an_answer_is_given_again_within_its_ttl_and_grows_older() -> None:
    memory = Memory()
    assert memory.at_once(SHOP, 0.0) is None
    memory.settle(SHOP, ONE, 0.0)
    told = memory.at_once(SHOP, DNS_FRESH_S_MAX - 0.1)
    assert told == Told(Kind.FOUND, ONE.records, age_s=int(DNS_FRESH_S_MAX - 0.1))
    assert memory.at_once(SHOP, DNS_FRESH_S_MAX) is None, "resolvers are asked in between"
    memory.settle(SHOP, found("10.0.0.5", ttl_s=0), 100.0)
    assert memory.at_once(SHOP, 100.0) is None


@pytest.mark.parametrize(
    ("ttl_s", "age_s", "told_s"),
    [(5, 0, 5), (5, 2, 3), (5, 9, 1), (0, 0, 0), (DNS_TOLD_TTL_S_MAX, 0, DNS_TOLD_TTL_S_MAX)]
    + [(86_400, age_s, DNS_TOLD_TTL_S_MAX) for age_s in (0, 100)],
)
def test_envoy_is_told_no_long_ttl(ttl_s: int, age_s: int, told_s: int) -> None:
    found_records = found("10.0.0.5", ttl_s=ttl_s).records
    assert found_records is not None
    at = found_records.ttl_places[0]
    assert int.from_bytes(found_records.aged(age_s)[at : at + 4], "big") == told_s


def test_a_name_in_trouble_is_answered_at_once_and_asked_again_soon() -> None:
    memory = Memory()
    memory.settle(SHOP, ONE, 0.0)
    memory.settle(SHOP, GONE, 1.0)
    assert memory.at_once(SHOP, 1.0 + DNS_RECHECK_S - 0.1) == STALE, "also within the first TTL"
    assert memory.at_once(SHOP, 1.0 + DNS_RECHECK_S) is None
    memory.settle(SHOP, found("10.0.0.6"), 10.0)
    assert memory.at_once(SHOP, 10.0) == Told(Kind.FOUND, records("10.0.0.6"))


def test_while_the_resolvers_are_slow_memory_answers_for_a_moment() -> None:
    memory = Memory()
    assert memory.meanwhile(SHOP, 0.0) is None
    memory.settle(SHOP, ONE, 0.0)
    told = memory.meanwhile(SHOP, 90.0)
    assert told == Told(Kind.FOUND, ONE.records, ttl_s=DNS_SLOW_TTL_S)
    assert list(memory.stale(90.0)) == [], "slow is no trouble"
    assert memory.meanwhile(SHOP, TOO_LATE_S) is None


def test_a_name_that_never_answered_does_not_keep_envoy_waiting_twice() -> None:
    memory = Memory()
    memory.settle(SHOP, FAILED, 0.0)
    assert memory.at_once(SHOP, 1.0) == Told(Kind.FAILED)
    assert memory.at_once(SHOP, DNS_RECHECK_S) is None
    assert memory.meanwhile(SHOP, DNS_RECHECK_S) == Told(Kind.FAILED)


def test_one_empty_family_says_nothing_while_the_other_fails() -> None:
    memory = Memory()
    memory.settle(SHOP, FAILED, 0.0)
    assert memory.settle(SHOP.sibling, EMPTY, 0.0) == Told(Kind.FAILED)


def test_the_other_family_is_asked_only_where_it_matters() -> None:
    memory = Memory()
    assert not memory.needs_sibling(SHOP, EMPTY, 0.0)
    memory.settle(SHOP, ONE, 0.0)
    assert memory.needs_sibling(SHOP, EMPTY, 1.0)
    assert not memory.needs_sibling(SHOP, GONE, 1.0)
    assert not memory.needs_sibling(SHOP, EMPTY, TOO_LATE_S)


def test_a_long_ttl_counts_for_a_week() -> None:
    memory = Memory()
    memory.settle(SHOP, found("10.0.0.5", ttl_s=DNS_TTL_S_MAX * 10), 0.0)
    last_s = DNS_TTL_S_MAX + DNS_STALE_S
    assert memory.settle(SHOP, GONE, last_s - 1).kind is Kind.FOUND
    assert memory.settle(SHOP, GONE, last_s).kind is Kind.NO_NAME


def test_trouble_is_told_while_somebody_asks() -> None:
    memory = Memory()
    memory.settle(SHOP, ONE, 0.0)
    memory.settle(SHOP, GONE, 100.0)
    memory.settle(SHOP, EMPTY, 110.0)
    memory.at_once(SHOP, 120.0)
    [stale] = memory.stale(130.0)
    assert (stale.why, stale.for_s, stale.left_s) == (Kind.NO_RECORD, 30.0, TOO_LATE_S - 130.0)
    [text] = words.notices((stale,), 1_800_000_000.0)
    assert text == (
        "Origin name shop.test: no address since 2027-01-15 07:59 UTC; its last known addresses "
        "(10.0.0.5) stay in use until 2027-01-16 07:58 UTC. Fix its DNS record, or change the "
        "origin."
    )
    assert list(memory.stale(120.0 + DNS_ASKED_S)) == []


def test_many_names_in_trouble_are_told_in_one_notice() -> None:
    memory = Memory()
    for number in range(1_000):
        memory.settle(_numbered(number), ONE, number)
        memory.at_once(_numbered(number), 1_000.0)
        memory.settle(_numbered(number), FAILED, 1_000.0)
    [text] = words.notices(tuple(memory.stale(1_001.0)), 1_800_000_000.0)
    assert text.startswith("DNS has returned no addresses for 1,000 origin names since 2027-01-15")
    assert "the first of them until 2027-01-16 07:44 UTC" in text


def test_the_memory_is_bounded_in_names_and_bytes() -> None:
    memory = Memory()
    for number in range(DNS_NAMES_MAX + 1):
        memory.settle(_numbered(number), ONE, 0.0)
        memory.at_once(_numbered(0), 0.0)
    assert len(memory) == DNS_NAMES_MAX
    memory.at_once(_numbered(0), 1.0)
    memory.settle(SHOP, ONE, DNS_ASKED_S)
    assert len(memory) == DNS_NAMES_MAX
    assert memory.meanwhile(_numbered(0), DNS_ASKED_S), "it was asked for last"
    assert memory.meanwhile(_numbered(1), DNS_ASKED_S) is None, "nobody asked for it since"
    memory, large = Memory(), found(*["10.0.0.1"] * 1_000)
    assert large.records is not None
    count = DNS_MEMORY_SIZE_BYTES_MAX // len(large.records.body)
    for number in range(count + 2):
        memory.settle(_numbered(number), large, 0.0)
    assert len(memory) == count
    huge = found(*["10.0.0.1"] * (DNS_RECORDS_SIZE_BYTES_MAX // 16 + 1))
    assert memory.settle(SHOP, huge, 0.0) == Told(Kind.FOUND, huge.records)
    assert memory.settle(SHOP, GONE, 1.0) == Told(Kind.NO_NAME)


@pytest.mark.parametrize("outcome", [ONE, FAILED])
def test_no_flood_of_other_names_takes_the_addresses_of_an_origin(outcome: Outcome) -> None:
    memory = Memory()
    for round_s in (0.0, 29.0, 58.0):
        memory.settle(SHOP, ONE, round_s)
        for number in range(DNS_NAMES_MAX + 1):
            memory.settle(_numbered(number), outcome, round_s + 1)
    assert memory.settle(SHOP, GONE, 60.0) == STALE


def test_the_memory_comes_back_from_disk_as_old_as_it_is() -> None:
    memory = Memory()
    memory.settle(SHOP, ONE, 50.0)
    memory.settle(SHOP.sibling, OTHER, 0.0)
    content = book.written(memory.kept(100.0, 1_000_100.0))
    again = Memory()
    for kept in book.read(content):
        again.load(kept, 7.0, 1_000_100.0 + JUST_BEFORE_S - 50.0)
    assert len(again) == 1, "the other one is too old"
    assert again.settle(SHOP, GONE, 7.0) == STALE
    assert again.settle(SHOP, GONE, 8.1) == Told(Kind.NO_NAME)
    back = Memory()
    for kept in book.read(content):
        back.load(kept, 7.0, 0.0)
    assert back.settle(SHOP, GONE, 7.0) == STALE, "a clock that was set back forgets nothing"


def test_what_nobody_asks_for_is_forgotten_when_it_is_too_old() -> None:
    memory = Memory()
    memory.settle(SHOP, ONE, 0.0)
    memory.settle(_numbered(1), FAILED, 0.0)
    assert len(memory.kept(JUST_BEFORE_S, 0.0)) == 1
    assert memory.kept(TOO_LATE_S, 0.0) == ()
    assert memory.at_once(_numbered(1), 1.0) is None


def test_any_damage_to_the_file_is_noticed() -> None:
    memory = Memory()
    memory.settle(SHOP, ONE, 0.0)
    content = book.written(memory.kept(0.0, 0.0))
    for place in range(len(content)):
        damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(ValueError):  # noqa: PT011 - any word will do
            book.read(damaged)
    for content in (b"", b"[]", b"{}", b"null", b'{"format": 2}', b"[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011 - as above
            book.read(content)


def _numbered(number: int) -> Question:
    return Question(b"\6n%05d\0" % number, A)


OUTCOMES = st.sampled_from([ONE, found("10.0.0.6", "10.0.0.7"), EMPTY, GONE, FAILED])
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 5.0, 40.0, 3_600.0, DNS_STALE_S / 2, float(DNS_STALE_S)]),
        st.sampled_from([SHOP, SHOP.sibling, _numbered(1)]),
        OUTCOMES,
        OUTCOMES,
    ),
    max_size=30,
)


@given(STEPS)
def test_no_address_is_invented_or_outlives_its_time(
    steps: list[tuple[float, Question, Outcome, Outcome]],
) -> None:
    memory, now_s = Memory(), 0.0
    last: dict[Question, tuple[float, Records]] = {}
    for wait_s, question, outcome, sibling in steps:
        now_s += wait_s
        told = memory.at_once(question, now_s) or memory.meanwhile(question, now_s)
        _check(told, question, last, now_s)
        needed = memory.needs_sibling(question, outcome, now_s)
        told = memory.settle(question, outcome, now_s, sibling if needed else None)
        if outcome.records is not None:
            last[question] = (now_s, outcome.records)
            assert told.records == outcome.records
        elif needed and sibling.kind is Kind.FOUND:
            last.pop(question)
            assert told.records is None
        elif question in last and now_s < last[question][0] + TTL_S + DNS_STALE_S:
            assert told.records is not None, "the last addresses serve on"
        _check(told, question, last, now_s)


def _check(
    told: Told | None, question: Question, last: dict[Question, tuple[float, Records]], now_s: float
) -> None:
    if told is not None and told.records is not None:
        got_s, known = last[question]
        assert told.records == known
        assert now_s < got_s + TTL_S + DNS_STALE_S
