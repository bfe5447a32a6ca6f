"""What a node may decide alone: only ever to go back, on gross harm, by its own windows.

A node sees a fraction of the fleet's evidence and a thousand nodes look at once, so its bounds are
wide: what is doubtful is left to the judge of the control side, which sees all nodes together.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from seawall.ids import SiteName
from seawall.judge.evidence import Evidence
from seawall.judge.gates import GATES_BY_NAME, Gate, count_of
from seawall.judge.judge import worse
from seawall.judge.pooling import span_of
from seawall.judge.sequential import rate_lower, rate_upper
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy, Verdict, combine
from seawall.limits import (
    BRAKE_ALPHA,
    BRAKE_MARGIN,
    BRAKE_MARGIN_SITE,
    BRAKE_RATIO,
    JUDGE_SPANS_MIN,
)
from seawall.telemetry.window import Window

_GROSS: Final = ("errors", "resets", "unanswered", "cpu")
_OVER_TIME: Final = ("errors", "resets")
_Spans = dict[int, list[float]]


def during_trial(evidence: Evidence) -> Verdict:
    """`Unhealthy` when this node's candidate is grossly worse than what it serves now.

    Never `Healthy`: that is for the judge of the control side to say.

    Args:
        evidence: gathered from this node's windows of the present trial, all its steps.
    """
    verdicts: list[Verdict] = [NotEnough(Reason.GATHERING, text="No gross harm on this node.")]
    for name in _GROSS:
        series = evidence.totals.get(name)
        if series is not None:
            alpha = GATES_BY_NAME[name].budget * BRAKE_ALPHA
            verdicts.extend(worse(series, evidence, alpha))
    for series in evidence.suspects:
        if series.gate in _GROSS:
            alpha = GATES_BY_NAME[series.gate].budget_sites * BRAKE_ALPHA / max(evidence.sites, 1)
            verdicts.extend(worse(series, evidence, alpha))
    return combine(verdicts)


def during_bake(before: Iterable[Window], after: Iterable[Window]) -> Verdict:
    """Whether the release that was just committed does gross harm, by the time before it.

    Nothing runs beside it any more, so a failing origin looks the same: the bounds are very wide,
    the harm must last, and who reverts should not put the blame on the release without looking.

    Args:
        before: windows of the slot that served, from the minutes before the commit.
        after: windows of the stable slot since the commit.
    """
    then, now = [*before], [*after]
    if not now:
        return NotEnough(Reason.NO_EVIDENCE, text="Nothing has been measured since the commit.")
    if not then:
        return NotEnough(Reason.MISSING, text="There are no measurements from before the commit.")
    verdicts: list[Verdict] = [Healthy("No gross harm since the commit.")]
    sites = sorted({site for window in now for site in window.sites})
    for name in _OVER_TIME:
        gate = GATES_BY_NAME[name]
        verdicts.extend(_grown(gate, None, then, now, margin=BRAKE_MARGIN, alpha=BRAKE_ALPHA))
        if len(sites) > 1:
            alpha = BRAKE_ALPHA / len(sites)
            for site in sites:
                verdicts.extend(
                    _grown(gate, site, then, now, margin=BRAKE_MARGIN_SITE, alpha=alpha)
                )
    return combine(verdicts)


def _grown(
    gate: Gate,
    site: SiteName | None,
    before: Sequence[Window],
    after: Sequence[Window],
    *,
    margin: float,
    alpha: float,
) -> list[Verdict]:
    spans: _Spans = {}
    for window in after:
        count = count_of(gate, site, window)
        if count is not None:
            span = spans.setdefault(span_of(window), [0.0, 0.0])
            span[0], span[1] = span[0] + count[0], span[1] + count[1]
    bad, of = sum(span[0] for span in spans.values()), sum(span[1] for span in spans.values())
    testify = sum(span[0] > margin * span[1] for span in spans.values())
    if testify < JUDGE_SPANS_MIN or bad <= margin * of:
        return []
    known = [count for window in before if (count := count_of(gate, site, window)) is not None]
    bad_then, of_then = sum(count[0] for count in known), sum(count[1] for count in known)
    # A site nobody asked for before has no past: its bound is then 1, and nothing is over it.
    usual = rate_upper(bad_then, of_then, alpha)
    allowed = max(BRAKE_RATIO * usual, usual + margin)
    least = rate_lower(bad, of, alpha)
    if least <= allowed:
        return []
    text = (
        f"{bad:,.0f} of {of:,.0f} requests since the commit {gate.title} (at least {least:.1%}), "
        f"{bad_then:,.0f} of {of_then:,.0f} before it; {allowed:.1%} are allowed."
    )
    return [Unhealthy(gate.name, site, text)]
