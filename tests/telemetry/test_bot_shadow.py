"""A model and its shadow compared from records: counts, sides, families, and plain advice."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from seawall import limits
from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES, INDEX, to_text
from seawall.telemetry.bot_shadow import compare, newest_pair
from seawall.telemetry.records import AccessRecord, newest
from seawall.telemetry.shadow_report import Advice, ShadowReport, ShadowState

MODEL, SHADOW = "aaaaaaaa", "bbbbbbbb"


def record(
    score: int | str,
    own: int | str,
    client: int = 0,
    *,
    family: int = ClientFamily.CURL,
    shadow: str = SHADOW,
    time: str = "2026-11-28T10:00:00.000Z",
) -> AccessRecord:
    codes = [0] * len(FEATURES)
    codes[INDEX["agent-family"]] = family
    beside = f" {own}:{shadow}" if shadow else ""
    bots = f"{score} observe - - - {MODEL}{beside} {to_text(codes)} {client:016x}.7"
    return AccessRecord(time=time, bots=bots)


def many(count: int, score: int, own: int, *, first: int = 0, **more: int) -> list[AccessRecord]:
    """One request of each of `count` clients."""
    return [record(score, own, first + n, **more) for n in range(count)]


def compared(records: Iterable[AccessRecord]) -> ShadowReport:
    return compare(records, MODEL, SHADOW)


def test_only_records_of_this_pair_that_both_scored_are_compared() -> None:
    found = compared(
        [
            *many(3, 50, 53),
            record("-", "-"),
            record(50, "-"),
            record(50, 50, shadow="cccccccc"),
            record(50, 50, shadow=""),
            AccessRecord(bots="nonsense"),
            AccessRecord(),
        ]
    )
    assert (found.compared, found.clients) == (3, 3)
    assert (found.records, found.others, found.unscored, found.faults) == (7, 2, 1, 1)
    assert found.mean_points == 3.0
    assert [(each.least, each.most) for each in found.differences if each.requests] == [(1, 5)]
    assert sum(each.requests for each in found.differences) == 3


def test_every_difference_falls_into_one_bin() -> None:
    for gap in range(-98, 99):
        was = max(1, 1 - gap)
        found = compared([record(was, was + gap)])
        (one,) = [each for each in found.differences if each.requests]
        assert one.least <= gap <= one.most


def test_one_loud_client_is_not_the_traffic() -> None:
    found = compared(record(50, 50) for _ in range(5_000))
    assert found.compared == limits.BOT_DRIFT_CLIENT_VECTORS_MAX
    assert (found.clients, found.repeated) == (1, 5_000 - limits.BOT_DRIFT_CLIENT_VECTORS_MAX)
    assert found.state is ShadowState.TOO_LITTLE


def test_who_would_be_decided_otherwise_is_counted_in_requests_and_clients() -> None:
    found = compared(
        [
            *(record(31, 30, 1) for _ in range(3)),
            record(31, 30, 2),
            record(30, 31, 3),
            record(3, 1, 4),
            record(2, 1, 5),
            record(99, 40, 6),
        ]
    )
    low, high = found.sides
    assert (low.score, low.model_requests, low.shadow_requests) == (2, 1, 2)
    assert (low.caught_requests, low.caught_clients, low.spared_requests) == (1, 1, 0)
    assert (high.score, high.model_requests, high.shadow_requests) == (30, 3, 6)
    assert (high.caught_requests, high.caught_clients) == (4, 2)
    assert (high.spared_requests, high.spared_clients) == (1, 1)


def test_the_families_that_moved_most_come_first_and_small_ones_are_not_told() -> None:
    found = compared(
        [
            *many(60, 50, 55),
            *many(60, 50, 20, first=100, family=ClientFamily.FIREFOX),
            *many(49, 50, 1, first=200, family=ClientFamily.SAFARI),
            *many(60, 50, 51, first=300, family=ClientFamily.WGET),
        ]
    )
    told = [(each.family, each.mean_points, each.otherwise_requests) for each in found.families]
    assert told == [("firefox", -30.0, 60), ("curl", 5.0, 0), ("wget", 1.0, 0)]


def test_times_are_those_of_what_was_compared_in_whatever_order() -> None:
    times = ["2026-11-28T10:00:02Z", "2026-11-28T10:00:03Z", "2026-11-28T10:00:01Z"]
    found = compared(record(50, 50, n, time=time) for n, time in enumerate(times))
    assert (found.since, found.until) == (times[2], times[1])


def test_nothing_to_compare_is_a_state_and_no_agreement() -> None:
    for records in ([], [record("-", "-")], [record(5, 5, shadow="cccccccc")]):
        found = compared(records)
        assert (found.state, found.advice) == (ShadowState.NO_RECORDS, Advice.WAIT)
        assert (found.mean_points, found.psi) == (None, None)
        assert not found.differences
        assert "No record on this machine" in found.reasons[0]


ENOUGH = limits.BOT_SHADOW_REQUESTS_MIN


@pytest.mark.parametrize(
    ("records", "state", "advice", "words"),
    [
        (many(312, 50, 50), "too-little", "wait", "Not enough: 312 of at least 2,000 requests"),
        (
            [record(50, 50, n % 99) for n in range(1_980)],
            "too-little",
            "wait",
            "Not enough: 99 of at least 100 clients",
        ),
        (many(ENOUGH - 1, 50, 50), "too-little", "wait", "1,999 of at least 2,000"),
        (many(ENOUGH, 50, 51), "compared", "promote", "stays within the bounds of score drift"),
        (many(ENOUGH, 50, 25), "compared", "look", "moved by more than 20 points"),
        (many(ENOUGH, 31, 30), "compared", "look", "came to another side of 30"),
        (
            [*many(ENOUGH, 50, 50), *many(60, 50, 39, first=ENOUGH, family=ClientFamily.FIREFOX)],
            "compared",
            "look",
            "firefox: scores move by -11.0 points on average, over 60 requests.",
        ),
        (
            [*many(ENOUGH, 50, 50), *(record(50, "-", n) for n in range(30))],
            "compared",
            "keep-back",
            "It gave no score for 30 of 2,030 requests",
        ),
        (
            [*many(ENOUGH, 50, 50), *(record(50, "-", n) for n in range(10))],
            "compared",
            "promote",
            "2,000 requests of 2,000 clients",
        ),
        ([record(50, "-")], "too-little", "keep-back", "It gave no score for 1 of 1 requests"),
    ],
)
def test_the_advice_is_plain_and_says_why(
    records: list[AccessRecord], state: str, advice: str, words: str
) -> None:
    found = compared(records)
    assert (found.state.value, found.advice and found.advice.value) == (state, advice)
    assert words in " ".join(found.reasons)


def test_a_shadow_that_is_the_model_is_told_as_such() -> None:
    found = compare(many(ENOUGH, 50, 50), SHADOW, SHADOW)
    assert found.advice is Advice.KEEP_BACK
    assert found.reasons == ("The shadow is the same model as the one in force.",)


def test_the_newest_pair_is_found_without_knowing_it() -> None:
    assert newest_pair([]) is None
    assert newest_pair([record(5, 5, shadow="")]) is None
    assert newest_pair([record(5, 5, shadow=""), record(5, 5)]) == (MODEL, SHADOW)


def test_files_are_read_from_their_ends_and_not_beyond_the_bound(tmp_path: Path) -> None:
    line = '{{"time": "{:04}", "bots": "' + "x" * 500 + '"}}\n'
    lines = [line.format(n) for n in range(10_000)]
    new, old = tmp_path / "access.ndjson", tmp_path / "access.ndjson.1"
    new.write_text("".join(lines[5_000:]))
    old.write_text("garbled\n" + "".join(lines[:5_000]))
    files = (new, tmp_path / "gone", old)
    times = [found.time for found in newest(files, 10**9)]
    assert times == [f"{n:04}" for n in reversed(range(10_000))]
    some = [found.time for found in newest(files, 1)]
    assert some[0] == "9999"
    assert len(some) < 5_000
