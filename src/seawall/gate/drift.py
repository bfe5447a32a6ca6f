"""How far scores move from one model to the next: counts and shares over whole vectors. Pure.

Both models score the same vectors, so every difference is the model's. Four views of it, since each
misses something: how many scores move far, how far all move together, how many clients come to
another side of a threshold, and whether the scores as a whole have another shape. A score that is
not there takes no part: nothing is measured where there is nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seawall import limits
from seawall.bots.features import from_text
from seawall.bots.model import SCORE_MAX
from seawall.bots.scripted import ScriptedModel
from seawall.gate.probes import time_s
from seawall.telemetry.bots import parse_verdict
from seawall.telemetry.records import AccessRecord

_BINS: Final = 10
_BIN_WIDTH: Final = (SCORE_MAX + _BINS) // _BINS
_SMOOTHING: Final = 0.5
"""Added to every bin: an empty one must not make the index infinite (Siddiqi 2006)."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What two models say of the same vectors.

    Attributes:
        count: vectors that both scored.
        moved: of those, scores that differ by more than `limits.BOT_DRIFT_MOVED_POINTS`.
        mean_points: mean absolute difference.
        crossed: by threshold, how many are on another side of it.
        psi: population stability index of the scores.
        least: the lowest score of the new model; `most` the highest.
    """

    count: int
    moved: int
    mean_points: float
    crossed: Mapping[int, int]
    psi: float
    least: int
    most: int

    @property
    def moved_share(self) -> float:
        """0 to 1."""
        return self.moved / self.count

    @property
    def one_score(self) -> bool:
        """Whether the new model gives every vector the same."""
        return self.least == self.most


def measured(
    old: ScriptedModel, new: ScriptedModel, vectors: Iterable[tuple[int, ...]]
) -> Drift | None:
    """Both models on the same vectors; None when there is none."""
    known: dict[tuple[int, ...], tuple[int, int]] = {}
    pairs: list[tuple[int, int]] = []
    for codes in vectors:
        if codes not in known:
            known[codes] = old.score(codes), new.score(codes)
        pairs.append(known[codes])
    return of_pairs(pairs)


def of_pairs(pairs: Sequence[tuple[int, int]]) -> Drift | None:
    """The same of scores, old and new; None when there is none."""
    if not pairs:
        return None
    gaps = [abs(was - now) for was, now in pairs]
    return Drift(
        count=len(pairs),
        moved=sum(gap > limits.BOT_DRIFT_MOVED_POINTS for gap in gaps),
        mean_points=sum(gaps) / len(pairs),
        crossed={
            threshold: sum((was <= threshold) is not (now <= threshold) for was, now in pairs)
            for threshold in limits.BOT_DRIFT_THRESHOLDS
        },
        psi=_stability([was for was, _ in pairs], [now for _, now in pairs]),
        least=min(now for _, now in pairs),
        most=max(now for _, now in pairs),
    )


def _stability(was: Sequence[int], now: Sequence[int]) -> float:
    """The population stability index: 0 for equal shapes; every term is at least 0."""
    shares = zip(_shares(was), _shares(now), strict=True)
    return sum((after - before) * math.log(after / before) for before, after in shares)


def _shares(scores: Sequence[int]) -> list[float]:
    counts = [_SMOOTHING] * _BINS
    for score in scores:
        counts[min(score // _BIN_WIDTH, _BINS - 1)] += 1
    total = sum(counts)
    return [count / total for count in counts]


# --- Judging --------------------------------------------------------------------------------------


def traffic_lines(drift: Drift) -> Iterator[tuple[str, bool]]:
    """Each view of recent traffic in words, and whether it is over its bound."""
    yield _share_line(
        f"moved by more than {limits.BOT_DRIFT_MOVED_POINTS} points",
        drift.moved,
        drift.count,
        limits.BOT_DRIFT_MOVED_SHARE_MAX,
    )
    bound = limits.BOT_DRIFT_MEAN_POINTS_MAX
    text = f"mean difference {drift.mean_points:.2f} points, bound {bound:g}"
    yield text, drift.mean_points > bound
    for threshold, crossed in drift.crossed.items():
        what = f"came to another side of {threshold}"
        yield _share_line(what, crossed, drift.count, limits.BOT_DRIFT_CROSSED_SHARE_MAX)
    bound = limits.BOT_DRIFT_PSI_MAX
    yield f"stability index of the scores {drift.psi:.3f}, bound {bound:g}", drift.psi > bound


def golden_lines(drift: Drift) -> Iterator[tuple[str, bool]]:
    """The same of golden vectors, which are chosen and no sample of anything."""
    yield _share_line(
        f"moved by more than {limits.BOT_DRIFT_MOVED_POINTS} points",
        drift.moved,
        drift.count,
        limits.BOT_DRIFT_GOLDEN_MOVED_SHARE_MAX,
    )


def _share_line(what: str, count: int, total: int, bound: float) -> tuple[str, bool]:
    share = count / total
    return f"{count} of {total} ({share:.1%}) {what}, bound {bound:.0%}", share > bound


# --- Vectors --------------------------------------------------------------------------------------


def golden_vectors(*models: ScriptedModel) -> list[tuple[int, ...]]:
    """The golden vectors of models, each once."""
    texts = dict.fromkeys(golden.vector for model in models for golden in model.golden)
    return [codes for text in texts if (codes := from_text(text)) is not None]


def recent_vectors(records: Iterable[AccessRecord], now_s: float) -> list[tuple[int, ...]]:
    """A bounded sample of what clients showed of late, newest first; no client counts for many."""
    found: list[tuple[int, ...]] = []
    of_client: dict[str, int] = {}
    for record in records:
        if len(found) >= limits.BOT_DRIFT_VECTORS_MAX:
            break
        verdict = parse_verdict(record.bots) if record.bots else None
        if verdict is None or not 0 <= now_s - time_s(record.time) <= limits.BOT_DRIFT_AGE_S:
            continue
        of_client[verdict.client] = of_client.get(verdict.client, 0) + 1
        if of_client[verdict.client] <= limits.BOT_DRIFT_CLIENT_VECTORS_MAX:
            found.append(verdict.codes)
    return found
