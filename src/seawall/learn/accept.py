"""May a new model replace the current one? Every comparison is told, with its numbers.

Both are measured on the same rows, which the new one was not trained on. (The current one may have
been: that makes it look better and the new one's task harder, never easier.) A figure that is
missing is a failure with a name, never a pass.

Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from seawall import limits
from seawall.learn.evaluate import Evaluation, Family
from seawall.learn.metrics import needed, share
from seawall.learn.rows import HUMAN

VARIETY: Final = "human-variety"
STRANGERS: Final = "strangers"
AUC_SLACK: Final = 0.001
DETECTION_SLACK: Final = 0.005
CALIBRATION_SLACK: Final = 0.005
"""How much worse a figure may be and still count as not worse; a gain must be larger than it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes:
        name: stable kebab-case; `--force` names it.
        words: the numbers and what was asked of them.
        new: the figure of the new model; None when it is missing.
        current: of the current model; None without one.
    """

    name: str
    passed: bool
    words: str
    new: float | None = None
    current: float | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All comparisons; a model is accepted when each passed or was forced by name."""

    checks: tuple[Check, ...]
    forced: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """What did not pass and was not forced."""
        return tuple(c for c in self.checks if not c.passed and c.name not in self.forced)

    @property
    def accepted(self) -> bool:
        """Whether it may be released."""
        return not self.failed


def judge(
    new: Evaluation,
    current: Evaluation | None,
    forced: Sequence[str] = (),
    beside: Sequence[Check] = (),
) -> Acceptance:
    """Compare the new model with the current one, or a first model with the least that is asked.

    `beside` are checks that look at more than figures: `seawall.learn.variety` and `strangers`.
    """
    checks = [
        _budget(new, current),
        _area(new, current),
        _detection(new, current),
        _families(new, current),
        _calibration(new, current),
    ]
    checks += beside
    if current is not None:
        checks.append(_gain(new, current))
    return Acceptance(tuple(checks), tuple(forced))


NAMES: Final = (
    "false-positive-budget",
    "area-under-roc",
    "detection",
    "human-families",
    "calibration",
    VARIETY,
    STRANGERS,
    "gain",
)
"""All checks there are."""


def _budget(new: Evaluation, current: Evaluation | None) -> Check:
    point = new.operating
    upper = point.false_positives.upper if point.score else None
    before = None
    if current is not None and current.operating.score:
        before = current.operating.false_positives.upper
    seen = point.false_positives
    if not point.score:
        words = (
            f"no score keeps the budget of {new.budget:.3%}: people get score 1 too often "
            f"({seen.of:,} human requests)"
        )
    elif point.proven:
        words = (
            f"at score {point.score} and below {seen.count} of {seen.of:,} human requests, "
            f"at most {upper or 0.0:.3%} with 95 % confidence; the budget is {new.budget:.3%}"
        )
    else:
        least = upper if upper is not None else 1.0
        words = (
            f"at score {point.score} and below {seen.count} of {seen.of:,} human requests, which "
            f"shows no less than {least:.3%}; to show {new.budget:.3%} takes "
            f"{needed(new.budget):,} without one"
        )
    return Check("false-positive-budget", point.proven and point.score > 0, words, upper, before)


def _area(new: Evaluation, current: Evaluation | None) -> Check:
    if current is None:
        passed = new.auc >= limits.LEARN_AUC_MIN
        return Check(
            "area-under-roc", passed, f"{new.auc:.4f}; at least {limits.LEARN_AUC_MIN}", new.auc
        )
    passed = new.auc >= current.auc - AUC_SLACK
    words = f"{new.auc:.4f} after {current.auc:.4f}"
    return Check("area-under-roc", passed, words, new.auc, current.auc)


def _detection(new: Evaluation, current: Evaluation | None) -> Check:
    if new.detection is None:
        return Check("detection", passed=False, words="the test data has no bots or no people")
    worst = new.worst
    least = f"; least of {worst.name}: {worst.caught.value or 0.0:.1%}" if worst else ""
    words = f"{new.detection:.2%} of requests, mean over families of bots{least}"
    if current is None:
        return Check("detection", new.detection > 0, words, new.detection)
    before = current.detection or 0.0
    passed = new.detection >= before - DETECTION_SLACK
    return Check("detection", passed, f"{words}; before {before:.2%}", new.detection, before)


def _families(new: Evaluation, current: Evaluation | None) -> Check:
    harmed = list(_harmed(new, current))
    count = sum(family.label == HUMAN for family in new.families)
    if not count:
        return Check("human-families", passed=False, words="the test data has no people")
    if not harmed:
        return Check("human-families", passed=True, words=f"none of {count} families is harmed")
    said = "; ".join(
        f"{f.name}: {f.caught.count} of {f.caught.of:,} requests (before {before})"
        for f, before in harmed
    )
    return Check("human-families", passed=False, words=said, new=float(len(harmed)))


def _harmed(new: Evaluation, current: Evaluation | None) -> Iterator[tuple[Family, int]]:
    """Families of people that are caught more often than before and beyond the budget."""
    earlier = {f.name: f.caught.count for f in current.families} if current else {}
    for family in new.families:
        if family.label != HUMAN:
            continue
        before = earlier.get(family.name, 0)
        lower = share(family.caught.count, family.caught.of).lower
        if family.caught.count > before and (lower is None or lower > new.budget):
            yield family, before


def _calibration(new: Evaluation, current: Evaluation | None) -> Check:
    bound = limits.LEARN_CALIBRATION_ERROR_MAX
    before = None
    if current is not None:
        before = current.calibration_error
        bound = before + CALIBRATION_SLACK
    words = f"error {new.calibration_error:.3f}; at most {bound:.3f}"
    passed = new.calibration_error <= bound
    return Check("calibration", passed, words, new.calibration_error, before)


def _gain(new: Evaluation, current: Evaluation) -> Check:
    """Better in one thing at least: else the current model, which is known, stays."""
    gains = {
        "area under the ROC": (new.auc - current.auc, AUC_SLACK),
        "detection": ((new.detection or 0.0) - (current.detection or 0.0), DETECTION_SLACK),
        "detection of the worst family": (
            _worst(new) - _worst(current),
            DETECTION_SLACK,
        ),
        "calibration": (current.calibration_error - new.calibration_error, CALIBRATION_SLACK),
    }
    better = [f"{name} by {gain:.4f}" for name, (gain, slack) in gains.items() if gain > slack]
    words = f"better in {', '.join(better)}" if better else "no better than the current model"
    return Check("gain", bool(better), words)


def _worst(found: Evaluation) -> float:
    return (found.worst.caught.value or 0.0) if found.worst else 0.0
