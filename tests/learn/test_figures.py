"""Figures against what can be counted by hand, and calibration against its definition."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_models import random_model
from learn.test_split import make
from seawall import limits
from seawall.bots.model import CUTS, score_of
from seawall.learn import calibrate, evaluate, metrics, report
from seawall.learn.accept import judge
from seawall.learn.metrics import share
from seawall.learn.records import Loaded


class TestShare:
    def test_known_intervals(self) -> None:
        # The rule of three, and bounds from the beta distribution's quantiles.
        assert share(0, 3000).upper == pytest.approx(1 - 0.05 ** (1 / 3000), rel=1e-9)
        assert share(5, 10).lower == pytest.approx(0.2224411, abs=1e-6)
        assert share(5, 10).upper == pytest.approx(0.7775589, abs=1e-6)
        assert share(1, 100).lower == pytest.approx(0.00051280, abs=1e-7)
        assert share(1, 100).upper == pytest.approx(0.0465598, abs=1e-6)

    def test_ends(self) -> None:
        assert (share(0, 7).lower, share(7, 7).upper) == (0.0, 1.0)
        empty = share(0, 0)
        assert (empty.value, empty.lower, empty.upper) == (None, None, None)

    @given(st.integers(1, 400_000), st.floats(0, 1))
    @settings(max_examples=40, deadline=None)
    def test_the_bounds_hold_the_share(self, of: int, part: float) -> None:
        found = share(int(of * part), of)
        assert found.lower is not None
        assert found.upper is not None
        assert found.value is not None
        assert 0 <= found.lower <= found.value <= found.upper <= 1

    def test_how_many_trials_show_a_budget(self) -> None:
        assert metrics.needed(0.001) == 2995
        assert (share(0, 2995).upper or 1) <= 0.001 < (share(0, 2994).upper or 1)


def _pairs_auc(values: Any, human: Any, weight: Any) -> float:
    won = total = 0.0
    for a, wa in zip(values[human], weight[human], strict=True):
        for b, wb in zip(values[~human], weight[~human], strict=True):
            total += wa * wb
            won += wa * wb * (1.0 if a > b else 0.5 if a == b else 0.0)
    return won / total


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_area_is_the_share_of_ordered_pairs(seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = chance.integers(0, 9, 40).astype(float)
    human = chance.random(40) < 0.4
    human[:2] = (True, False)
    weight = chance.random(40) + 0.1
    assert metrics.auc(values, human, weight) == pytest.approx(_pairs_auc(values, human, weight))


def test_area_of_one_side_alone_is_that_of_knowing_nothing() -> None:
    assert metrics.auc(np.ones(3), np.ones(3, bool), np.ones(3)) == 0.5


class TestOperating:
    def test_the_highest_score_within_the_budget_by_its_upper_bound(self) -> None:
        human = np.array([99] * 5000 + [30, 20, 20, 20, 20, 20, 20])
        automated = np.arange(1, 100)
        found = metrics.operating(human, automated, 0.001)
        assert (found.score, found.proven, found.false_positives.count) == (19, True, 0)

    def test_no_budget_is_spent_for_nothing(self) -> None:
        human, automated = np.array([99] * 5000), np.array([1, 2, 7] * 10)
        assert metrics.operating(human, automated, 0.001).score == 7

    def test_too_few_people_prove_nothing(self) -> None:
        found = metrics.operating(np.array([99] * 100), np.array([1, 5]), 0.001)
        assert (found.score, found.proven) == (5, False)

    def test_no_score_keeps_the_budget(self) -> None:
        found = metrics.operating(np.array([1] * 10 + [99] * 10), np.array([1]), 0.001)
        assert (found.score, found.proven) == (0, False)

    def test_nobody(self) -> None:
        found = metrics.operating(np.array([], dtype=int), np.array([1]), 0.001)
        assert (found.score, found.proven) == (0, False)


def test_a_client_is_caught_by_its_lowest_early_score() -> None:
    scores, client = np.array([50, 3, 80, 90]), np.array([1, 1, 2, 2])
    ordinal = np.array([1, 2, 1, 2])
    assert metrics.lowest_by_client(scores, client, ordinal, 1).tolist() == [50, 80]
    assert metrics.lowest_by_client(scores, client, ordinal, 2).tolist() == [3, 80]
    nobody = np.array([], dtype=int)
    assert metrics.lowest_by_client(nobody, nobody, nobody, 3).tolist() == []


class TestCalibration:
    @given(st.integers(0, 1000), st.integers(1, 60))
    @settings(max_examples=40, deadline=None)
    def test_steps_rise_and_keep_the_mean(self, seed: int, count: int) -> None:
        chance = np.random.default_rng(seed)
        values = chance.integers(-5, 6, count).astype(float)
        outcome = (chance.random(count) < 0.5).astype(float)
        weight = chance.random(count) + 0.1
        centres, shares = calibrate.isotonic(values, outcome, weight)
        assert (np.diff(centres) > 0).all()
        assert (np.diff(shares) > 0).all()
        assert min(values) - 1e-9 <= centres[0] <= centres[-1] <= max(values) + 1e-9

    def test_a_known_case(self) -> None:
        centres, shares = calibrate.isotonic(
            np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4)
        )
        assert centres.tolist() == [1.0, 2.5, 4.0]
        assert shares.tolist() == [0.0, 0.5, 1.0]

    def test_scores_mean_what_they_say(self) -> None:
        chance = np.random.default_rng(3)
        margins = chance.normal(0, 2, 60_000)
        human = chance.random(60_000) < 1 / (1 + np.exp(-2 * margins + 1))
        cuts = calibrate.cuts(margins, human, np.ones(60_000))
        assert len(cuts) == CUTS
        assert list(cuts) == sorted(cuts)
        for margin in (-1.0, 0.0, 0.5, 1.5):
            wanted = 100 / (1 + math.exp(-2 * margin + 1))
            assert abs(score_of(margin, cuts) - wanted) <= 4
        scores = np.array([score_of(margin, cuts) for margin in margins[:20_000]])
        error, _ = metrics.calibration(scores, human[:20_000], np.ones(20_000))
        assert error < 0.02

    def test_nothing_is_claimed_beyond_what_was_seen(self) -> None:
        margins = np.array([-1.0, -1.0, 1.0, 1.0])
        human = np.array([True, False, True, True])
        human[3] = False
        cuts = calibrate.cuts(margins, human, np.array([1.0, 3.0, 3.0, 1.0]))
        assert score_of(-900.0, cuts) == 25
        assert score_of(900.0, cuts) == 75
        assert max(map(abs, cuts)) <= limits.BOT_MARGIN_MAX


class TestEvaluationOfOddRows:
    """Rows that hold one side only, one row, or one client are measured, not stumbled over."""

    @pytest.mark.parametrize("label", ["human", "bot", "tool"])
    @pytest.mark.parametrize("each", [1, 30])
    def test_one_class_alone(self, label: str, each: int, tmp_path: Path) -> None:
        rows = make({(label, "only"): 1}, each=each)
        found = evaluate.evaluate(random_model(3), rows, 0.001)
        assert found.rows == each
        assert found.auc == 0.5
        assert found.detection is None
        assert found.worst is None
        assert all(math.isfinite(value) for value in evaluate.headline(found).values())
        assert not judge(found, None).accepted
        assert judge(found, found).failed
        report.write(tmp_path, _report(found))
        assert (tmp_path / "report.md").read_text().count("nan") == 0

    def test_names_of_families_cannot_break_the_page(self, tmp_path: Path) -> None:
        evil = "x|y\n# <script>$a_b^{$"
        rows = make({("human", evil): 3, ("bot", evil): 3})
        report.write(tmp_path, _report(evaluate.evaluate(random_model(3), rows, 0.001)))
        page = (tmp_path / "report.md").read_text()
        assert "\n# <" not in page
        assert "<script" not in page
        assert "x\\|y" in page


def _report(found: evaluate.Evaluation) -> report.Report:
    return report.Report(
        created="2026-11-28",
        digest="0" * 64,
        evaluation=found,
        current=found,
        acceptance=judge(found, found),
        loaded=Loaded(),
        labels=(),
        parts={},
        notes=(),
    )
