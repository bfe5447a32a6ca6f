"""What a comparison of a model with its shadow says. Light: the CLI pays for every import."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ShadowState(StrEnum):
    """What there is to compare."""

    ABSENT = "absent"
    """There is no shadow."""
    NO_RECORDS = "no-records"
    """No record here names both: none is written yet, or they lie on other machines."""
    TOO_LITTLE = "too-little"
    """Some do, and too few to recommend anything."""
    COMPARED = "compared"


class Advice(StrEnum):
    """What to do; a person decides."""

    WAIT = "wait"
    """There is too little yet."""
    LOOK = "look"
    """It decides much otherwise: look whether that is better."""
    KEEP_BACK = "keep-back"
    """It fails, or it is the model itself."""
    PROMOTE = "promote"
    """It decides nearly as the model does, over enough traffic."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Requests whose score the shadow moves by `least` to `most` points."""

    least: int
    most: int
    requests: int


@dataclass(frozen=True, slots=True)
class Side:
    """What a policy that asks for a score of `score` or less would do otherwise.

    Attributes:
        model_requests: at or below it by the model.
        shadow_requests: at or below it by the shadow.
        caught_requests: only by the shadow; `caught_clients` had at least one such request.
        spared_requests: only by the model; likewise.
    """

    score: int
    model_requests: int
    shadow_requests: int
    caught_requests: int
    caught_clients: int
    spared_requests: int
    spared_clients: int


@dataclass(frozen=True, slots=True)
class FamilyShift:
    """What the shadow thinks of one family of clients, by what the user agent claims.

    Attributes:
        mean_points: mean of the shadow's score minus the model's.
        otherwise_requests: on another side of one of the thresholds.
    """

    family: str
    requests: int
    mean_points: float
    otherwise_requests: int


@dataclass(frozen=True)
class ShadowReport:
    """The comparison.

    Attributes:
        advice: null without a shadow.
        reasons: of the advice, in words.
        model: first digits of the digest of the model; empty when there is none.
        shadow: likewise.
        records: read that carry a verdict.
        others: of these, given by another pair of models.
        repeated: of this pair, from clients that had sent enough already; they are left out.
        unscored: of this pair, which the model did not score either.
        faults: of this pair, which the model scored and the shadow could not.
        compared: of this pair, scored by both.
        clients: that these came from.
        since: of the oldest of them, RFC 3339; `until` of the newest. Empty without any.
        mean_points: mean absolute difference; null without any, like `psi`.
        psi: population stability index of the scores.
        families: those that moved most first, of enough requests each.
    """

    state: ShadowState
    advice: Advice | None = None
    reasons: tuple[str, ...] = ()
    model: str = ""
    shadow: str = ""
    records: int = 0
    others: int = 0
    repeated: int = 0
    unscored: int = 0
    faults: int = 0
    compared: int = 0
    clients: int = 0
    since: str = ""
    until: str = ""
    mean_points: float | None = None
    psi: float | None = None
    differences: tuple[Bin, ...] = ()
    sides: tuple[Side, ...] = ()
    families: tuple[FamilyShift, ...] = ()


NO_SHADOW: Final = ShadowReport(ShadowState.ABSENT, reasons=("There is no shadow model.",))
NO_RECORDS: Final = ShadowReport(
    ShadowState.NO_RECORDS, reasons=("None of these records names a shadow model.",)
)
