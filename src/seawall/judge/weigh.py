"""How strongly the counts of a gate speak against a candidate: odds, and those of many sites. Pure.

Odds are e-values: what a fair bet against the release has made of 1. `sequential` has the bets.
"""

import math
from heapq import nlargest

from seawall.judge.evidence import Evidence, Series
from seawall.judge.gates import GATES_BY_NAME, Control, Count, Gate
from seawall.judge.sequential import Span, log_e
from seawall.limits import JUDGE_SITES_WEIGHED_MAX

_LOG_ODDS_MAX = 700.0


def arms(
    series: Series, gate: Gate, *, baseline: bool, current: bool = False
) -> tuple[Count, Count]:
    """Bad events and exposures of the candidate, and of what its gate compares it with."""
    candidate, stable, fresh = series.sums(current=current)
    return candidate, control_of(gate, stable, fresh, baseline=baseline)


def control_of(gate: Gate, stable: Count, fresh: Count, *, baseline: bool) -> Count:
    """What a gate compares with."""
    if gate.control is Control.BASELINE:
        return fresh if baseline else stable
    return stable[0] + fresh[0], stable[1] + fresh[1]


def tolerance_of(gate: Gate, *, baseline: bool) -> tuple[float, float]:
    """Times the control's rate, and a rate, that are no harm by a gate."""
    alone = gate.control is Control.BASELINE and not baseline
    return (gate.ratio_alone, gate.floor_alone) if alone else (gate.ratio, gate.floor)


def log_evidence(series: Series, *, clump: float, baseline: bool, cap: float = math.inf) -> float:
    """Logarithm of the evidence that the candidate is worse by this gate, over all steps so far."""
    gate = GATES_BY_NAME[series.gate]
    ratio, floor = tolerance_of(gate, baseline=baseline)
    spans = [
        Span(m.at, *m.candidate, *control_of(gate, m.stable, m.baseline, baseline=baseline))
        for m in series.moments
    ]
    together = max(clump, gate.clump, series.clump)
    return log_e(spans, ratio=ratio, floor=floor, clump=together, cap=cap)


def odds_against(series: Series | None, evidence: Evidence) -> float:
    """How many to 1 the odds are against the candidate; 0 when it looks no worse."""
    if series is None:
        return 0.0
    gate = GATES_BY_NAME[series.gate]
    (bad, of), (control, beside) = arms(series, gate, baseline=evidence.baseline)
    if bad * beside <= of * control:
        return 0.0
    found = log_evidence(series, clump=evidence.clump, baseline=evidence.baseline)
    return math.exp(min(found, _LOG_ODDS_MAX))


def worst_site(evidence: Evidence, sites: int) -> tuple[float, Series | None]:
    """The odds that some site is harmed by `errors`, though the whole edge may look well.

    They are the mean of the odds of all sites, which is an e-value again (Vovk and Wang, E-values:
    calibration, combination and applications, 2021): a thousand sites raise no more doubts than
    one. Sites where nothing went wrong count for 0, which can only make the mean less.

    Args:
        evidence: as gathered.
        sites: how many the release has.

    Returns:
        The odds, and the site that says most; 0 and None where it is the edge's only one.
    """
    many = max(sites, evidence.sites)
    if many <= 1:
        return 0.0, None
    suspects = (series for series in evidence.suspects if series.gate == "errors")
    worst = nlargest(JUDGE_SITES_WEIGHED_MAX, suspects, key=_surplus)
    odds = [(odds_against(series, evidence), series) for series in worst]
    total = sum(found for found, _ in odds) / many
    return total, max(odds, key=lambda pair: pair[0])[1] if total else None


def _surplus(series: Series) -> float:
    """Bad events on the candidate above its part of all."""
    (bad, of), *others = series.sums()
    every, every_of = bad + sum(b for b, _ in others), of + sum(n for _, n in others)
    return bad - every * of / every_of if every_of else 0.0
