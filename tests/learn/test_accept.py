"""A new model is accepted for reasons, and refused for reasons; both are told."""

from dataclasses import replace
from typing import Any

import pytest

from seawall.learn.accept import NAMES, STRANGERS, VARIETY, Check, judge
from seawall.learn.evaluate import Evaluation, Family
from seawall.learn.metrics import Operating, share


def _family(name: str, label: str, caught: int, of: int = 1000) -> Family:
    return Family(name, label, "later", share(caught, of), share(min(caught, 10), 10), 50)


GOOD = Evaluation(
    model="good",
    rows=9000,
    clients=900,
    auc=0.98,
    calibration_error=0.02,
    brier=0.02,
    budget=0.001,
    operating=Operating(20, proven=True, false_positives=share(0, 4000)),
    detection=0.9,
    unseen=0.8,
    false_positive_clients=share(0, 400),
    families=(
        _family("browser", "human", 0),
        _family("other", "human", 0),
        _family("easy", "bot", 1000),
        _family("hard", "bot", 800),
        _family("curl", "tool", 1000),
    ),
    early=(),
    bins=(),
    curve=(),
    histogram={"human": (0,) * 99, "tool": (0,) * 99, "bot": (0,) * 99},
    importance={},
)
BETTER = replace(GOOD, model="better", auc=0.99)


BESIDE = tuple(Check(name, passed=True, words="well") for name in (VARIETY, STRANGERS))


def _failed(new: Evaluation, current: Evaluation | None) -> list[str]:
    return [check.name for check in judge(new, current).failed]


def test_a_better_model_is_accepted_and_every_check_is_told() -> None:
    found = judge(BETTER, GOOD, beside=BESIDE)
    assert found.accepted
    assert tuple(check.name for check in found.checks) == NAMES
    assert all(check.words for check in found.checks)


def test_a_first_model_needs_no_gain() -> None:
    assert judge(GOOD, None).accepted
    assert "gain" not in [check.name for check in judge(GOOD, None).checks]


def test_the_same_again_is_no_gain() -> None:
    assert _failed(GOOD, GOOD) == ["gain"]


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"auc": 0.97}, ["area-under-roc"]),
        ({"detection": 0.89}, ["detection"]),
        ({"detection": None}, ["detection"]),
        ({"calibration_error": 0.03}, ["calibration"]),
        ({"calibration_error": float("nan")}, ["calibration"]),
        ({"auc": float("nan")}, ["area-under-roc"]),
        (
            {"operating": Operating(20, proven=False, false_positives=share(0, 800))},
            ["false-positive-budget"],
        ),
        (
            {"operating": Operating(0, proven=False, false_positives=share(0, 800))},
            ["false-positive-budget"],
        ),
        ({"families": ()}, ["human-families"]),
        (
            {"families": (_family("browser", "human", 9), *GOOD.families[1:])},
            ["human-families"],
        ),
    ],
)
def test_one_thing_that_is_worse_is_enough(change: dict[str, Any], failed: list[str]) -> None:
    gains: dict[str, Any] = {"detection": 0.95, "auc": 0.99}
    assert _failed(replace(GOOD, **(gains | change)), GOOD) == failed


def test_an_unproven_budget_says_how_much_is_missing() -> None:
    found = replace(BETTER, operating=Operating(20, proven=False, false_positives=share(0, 800)))
    (check,) = judge(found, GOOD).failed
    assert "0 of 800 human requests" in check.words
    assert "takes 2,995 without one" in check.words


def test_a_family_that_was_caught_before_is_not_harmed_again() -> None:
    harmed = (_family("browser", "human", 9), *GOOD.families[1:])
    assert _failed(replace(BETTER, families=harmed), replace(GOOD, families=harmed)) == []


def test_a_chance_find_in_one_family_is_no_harm() -> None:
    found = (_family("browser", "human", 1, 5000), *GOOD.families[1:])
    assert _failed(replace(BETTER, families=found), GOOD) == []


def test_people_who_are_all_alike_are_a_reason_to_refuse() -> None:
    narrow = Check(VARIETY, passed=False, words="agent-os (1 of 3)")
    assert judge(BETTER, GOOD, beside=[narrow]).failed == (narrow,)
    assert judge(BETTER, GOOD, [VARIETY], [narrow]).accepted


def test_force_names_what_may_fail_and_nothing_else() -> None:
    worse = replace(GOOD, auc=0.5, detection=0.95)
    assert judge(worse, GOOD, ["area-under-roc"]).accepted
    assert not judge(worse, GOOD, ["calibration"]).accepted
    assert judge(worse, GOOD, ["area-under-roc"]).checks[1].passed is False


def test_a_first_model_that_knows_nothing_is_refused() -> None:
    poor = replace(GOOD, auc=0.55, detection=0.0, calibration_error=0.3)
    assert _failed(poor, None) == ["area-under-roc", "detection", "calibration"]


def test_the_worst_family_is_told() -> None:
    assert GOOD.worst is not None
    assert GOOD.worst.name == "hard"
    assert replace(GOOD, families=()).worst is None
