"""The test behind every gate: fair bets, and what they do to the odds."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.judge.sequential import (
    Span,
    dispersion,
    exposures_needed,
    log_e,
    rate_lower,
    rate_upper,
)

SHARES = (0.001, 0.01, 0.05, 0.25, 0.5)


def test_where_nobody_is_exposed_nothing_is_said() -> None:
    assert log_e([Span(0, 0, 0, 0, 0)]) == log_e([])
    assert log_e([Span(0, 5, 9, 0, 0)]) == log_e([])


@pytest.mark.parametrize(
    ("blocks", "together"),
    [
        pytest.param([(1, 100)] * 30, 1.0, id="one by one"),
        pytest.param([(0, 100)] * 30 + [(30, 100)], 10.0, id="all at once: no more than asked for"),
        pytest.param([(0, 100)] * 4 + [(30, 100)], 1.0, id="too few blocks to say"),
        pytest.param([(0, 100)] * 30 + [(2, 100)], 1.0, id="too few events to say"),
        pytest.param([(1, 100), (0, 0)] * 20, 1.0, id="a block without requests says nothing"),
        pytest.param([(1, 10), (10, 100)] * 20, 1.0, id="as many more as there are requests"),
    ],
)
def test_events_that_come_together_are_seen_by_how_unevenly_they_come(
    blocks: list[tuple[float, float]], together: float
) -> None:
    assert dispersion(blocks, most=10.0) == together


def test_events_that_come_in_fours_count_as_about_four() -> None:
    assert 2 < dispersion([(4, 100), *[(0, 100)] * 3] * 15, most=10.0) < 4


def _binomial_span(bad: int, candidate_bad: int, share: float) -> Span:
    return Span(0, candidate_bad, 1000 * share, bad - candidate_bad, 1000 * (1 - share))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("bad", [1, 3, 12])
@pytest.mark.parametrize("clump", [1.0, 2.5])
def test_no_bet_is_better_than_fair(share: float, bad: int, clump: float) -> None:
    # The expected winnings, computed exactly, if each bad event falls to an arm by its share.
    expected = sum(
        math.comb(bad, k)
        * share**k
        * (1 - share) ** (bad - k)
        * math.exp(log_e([_binomial_span(bad, k, share)], clump=clump))
        for k in range(bad + 1)
    )
    assert expected <= 1 + 1e-9


@pytest.mark.parametrize("share", SHARES)
def test_no_bet_is_better_than_fair_when_errors_come_in_clumps(share: float) -> None:
    # Four connections, each wholly bad with three requests, each in one arm.
    expected = sum(
        math.comb(4, k)
        * share**k
        * (1 - share) ** (4 - k)
        * math.exp(log_e([_binomial_span(12, 3 * k, share)], clump=3.0))
        for k in range(5)
    )
    assert expected <= 1 + 1e-9


def test_a_test_that_ignores_clumps_would_not_be_fair() -> None:
    expected = sum(
        math.comb(4, k)
        * 0.05**k
        * 0.95 ** (4 - k)
        * math.exp(log_e([_binomial_span(12, 3 * k, 0.05)]))
        for k in range(5)
    )
    assert expected > 10


def test_a_rate_within_the_tolerated_ratio_is_no_evidence() -> None:
    # The candidate has 1.25 times the errors: over all outcomes nothing is won.
    share = 0.2
    tilted = 1.25 * share / (1.25 * share + 1 - share)
    expected = sum(
        math.comb(10, k)
        * tilted**k
        * (1 - tilted) ** (10 - k)
        * math.exp(log_e([_binomial_span(10, k, share)], ratio=1.25))
        for k in range(11)
    )
    assert expected <= 1 + 1e-9


def test_errors_that_hit_both_arms_at_one_moment_cancel() -> None:
    calm = [Span(at, 0, 10, 0, 190) for at in range(30)]
    outage = [Span(at, 9, 10, 171, 190) for at in range(30, 40)]
    assert log_e([*calm, *outage]) < 0


def test_evidence_of_steps_with_different_shares_multiplies() -> None:
    first = [Span(at, 1, 1, 0, 99) for at in range(3)]
    second = [Span(at, 1, 5, 0, 95) for at in range(10, 13)]
    both = log_e([*first, *second])
    assert both > log_e(first)
    assert both > log_e(second)


def test_no_single_moment_adds_more_than_the_cap() -> None:
    burst = [Span(1, 500, 500, 0, 49_500)]
    assert log_e(burst, cap=4.0) <= 4.0
    assert log_e([Span(n, 500, 500, 0, 49_500) for n in range(3)], cap=4.0) > 8.0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.integers(0, 20),
            st.integers(1, 40),
            st.integers(0, 30),
            st.integers(1, 400),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 7),
)
def test_one_more_bad_event_of_the_candidate_never_takes_evidence_away(
    rows: list[tuple[int, int, int, int, int]], which: int
) -> None:
    spans = [Span(*row) for row in rows]
    worse = [*spans]
    s = worse[which % len(spans)]
    worse[which % len(spans)] = Span(
        s.at, s.bad + 1, s.exposures, s.control_bad, s.control_exposures
    )
    assert (
        log_e(worse, ratio=1.25, floor=0.001, cap=3.0)
        >= log_e(spans, ratio=1.25, floor=0.001, cap=3.0) - 1e-9
    )


@given(st.permutations(range(6)))
def test_the_order_of_spans_says_nothing(order: list[int]) -> None:
    spans = [Span(n % 3, n, 20 + n, 2 * n, 300) for n in range(6)]
    assert log_e([spans[n] for n in order]) == pytest.approx(log_e(spans))


def test_without_exposures_in_both_arms_there_is_no_evidence() -> None:
    assert log_e([]) == pytest.approx(0.0)
    assert log_e([Span(0, 5, 5, 0, 0), Span(1, 0, 0, 5, 5)]) == pytest.approx(0.0)


@given(st.integers(0, 200), st.integers(1, 2000))
def test_the_bounds_hold_the_rate_that_was_seen(bad: int, more: int) -> None:
    exposures = bad + more
    seen = bad / exposures
    assert 0 <= rate_lower(bad, exposures, 0.025) <= seen
    assert seen <= rate_upper(bad, exposures, 0.025) <= 1
    assert rate_upper(bad + 1, exposures, 0.025) >= rate_upper(bad, exposures, 0.025)


@pytest.mark.parametrize("rate", [0.005, 0.1, 0.4])
def test_the_bounds_hold_at_every_look(rate: float) -> None:
    rng = random.Random(7)
    alpha, rounds, misses = 0.05, 200, 0
    for _ in range(rounds):
        bad = 0
        missed = False
        for look in range(1, 40):
            bad += sum(rng.random() < rate for _ in range(25))
            of = look * 25
            missed |= rate_upper(bad, of, alpha) < rate or rate_lower(bad, of, alpha) > rate
        misses += missed
    assert misses <= 2 * alpha * rounds


@pytest.mark.parametrize("margin", [0.1, 0.05, 0.01, 0.005])
def test_the_count_that_is_needed_is_the_count_that_suffices(margin: float) -> None:
    needed = exposures_needed(margin, 0.025)
    assert rate_upper(0, needed, 0.025) <= margin * 1.001
    assert rate_upper(0, needed - 2, 0.025) > margin
