"""Shares of the newest records; a share of too few is not told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.bots.features import FEATURES, INDEX, to_text
from seawall.limits import BOT_SAMPLE_RECORDS_MAX, BOT_SAMPLE_RECORDS_MIN
from seawall.telemetry.bot_sample import BotSample, added, bot_sample
from seawall.telemetry.records import AccessRecord

ENOUGH = BOT_SAMPLE_RECORDS_MIN


def record(
    begin: str = "50 observe - - - 0123abcd", *, known: int = 3, path: int = 1
) -> AccessRecord:
    codes = [0] * len(FEATURES)
    codes[INDEX["tls-known"]], codes[INDEX["path-kind"]] = known, path
    return AccessRecord(bots=f"{begin} {to_text(codes)} {'0f' * 8}.1")


def test_shares_are_of_what_they_can_be_of() -> None:
    seen = [record()] * ENOUGH + [record(known=1)] * ENOUGH
    seen += [record("- observe - - - 0123abcd", known=0)] * (2 * ENOUGH)
    found = bot_sample([*seen, AccessRecord(), AccessRecord(bots="x")])
    assert (found.records, found.unreadable) == (4 * ENOUGH, 1)
    assert found.unscored_share == 0.5
    assert found.unknown_share == 0.5
    assert not found.idle


def test_too_few_have_no_share() -> None:
    found = bot_sample([record()] * (ENOUGH - 1))
    assert (found.unscored_share, found.unknown_share) == (None, None)
    assert bot_sample([]) == BotSample()
    plain = bot_sample([record(known=0)] * ENOUGH)
    assert (plain.unscored_share, plain.unknown_share) == (0.0, None)


def test_a_model_that_scores_nothing_is_idle() -> None:
    silent = "- observe - - - 0123abcd"
    assert bot_sample([record(silent)] * ENOUGH).idle
    assert not bot_sample([record(silent)] * ENOUGH + [record()]).idle


def test_what_needs_no_score_makes_no_model_idle() -> None:
    for begin in (
        "- observe - - - -", "- allow - - - 0123abcd", "- observe seen - - 0123abcd",
        "- observe - verified:googlebot - 0123abcd", "- observe - - ok:1 0123abcd",
    ):  # fmt: skip
        assert not bot_sample([record(begin)] * ENOUGH).idle, begin
    assert not bot_sample([record("- observe - - - 0123abcd", path=2)] * ENOUGH).idle


@given(st.lists(st.builds(AccessRecord, bots=st.text() | st.just(record().bots)), max_size=99))
def test_no_records_break_it(seen: list[AccessRecord]) -> None:
    found = bot_sample(seen)
    for share in (found.unscored_share, found.unknown_share):
        assert share is None or 0 <= share <= 1


def test_samples_of_several_nodes_are_one() -> None:
    one, other = bot_sample([record()] * ENOUGH), BotSample(10, 1, 2, 3, 1, 4, 2)
    assert added([]) == BotSample()
    assert added([one]) == one
    assert added([one, other]).records == ENOUGH + 10
    assert added([one, other]).unknown == one.unknown + 1


@given(st.lists(st.builds(AccessRecord, bots=st.just(record().bots) | st.text()), max_size=99))
def test_what_is_counted_is_possible(seen: list[AccessRecord]) -> None:
    assert bot_sample(seen).possible


@pytest.mark.parametrize(
    "lie",
    [
        BotSample(records=BOT_SAMPLE_RECORDS_MAX + 1),
        BotSample(records=-1),
        BotSample(unreadable=10**18),
        BotSample(records=5, unscored=6),
        BotSample(records=5, handshakes=6),
        BotSample(records=5, handshakes=4, unknown=5),
        BotSample(records=5, handshakes=-1, unknown=-1),
        BotSample(records=5, due=6),
        BotSample(records=5, due=4, due_unscored=5),
        BotSample(records=5, due_unscored=-1),
    ],
)
def test_what_no_node_can_have_counted_is_not_possible(lie: BotSample) -> None:
    assert not lie.possible
