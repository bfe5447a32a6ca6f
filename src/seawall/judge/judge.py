"""Is this release healthy? Evidence and demands in, a verdict out.

Every gate that counts is asked twice. Is the candidate worse, beyond reasonable doubt, in any step
so far? Then `Unhealthy`. Is it shown, in this step, to be no worse than the step's margin? Only
when every gate says so, and the step has lasted, `Healthy`. Between the two there is no verdict but
a reason to wait, and where requests are too few for one before the deadline, that is said at once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from seawall.judge.evidence import Evidence, Memory, Series
from seawall.judge.gates import GATES, GATES_BY_NAME, Control, Count, Gate
from seawall.judge.sequential import (
    STAKE,
    exposures_needed,
    most_log_e,
    rate_lower,
    rate_upper,
)
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy, Verdict, combine
from seawall.judge.weigh import (
    arms,
    control_of,
    log_evidence,
    odds_against,
    tolerance_of,
    worst_site,
)
from seawall.limits import (
    JUDGE_ALPHA,
    JUDGE_DOUBT,
    JUDGE_MEMORY_GROWTH_BYTES,
    JUDGE_MEMORY_RATIO_MAX,
    JUDGE_MISSING_SHARE_MAX,
    JUDGE_SUSPICION,
    JUDGE_WARMING_S_MAX,
    MIB,
)

RATIO_TO_ADVANCE: Final = 1.5
"""Up to so many times the control's rate is inside the margin, where that is more than the margin
in percentage points."""
RATIO_SEEN: Final = 1.25
"""A candidate with less than so many times the baseline slot's rate is not the cause."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What a step asks of the evidence.

    Attributes:
        share: of new connections that meet the candidate, 0 to 1.
        elapsed_s: since the step began.
        soak_s: how long it lasts at least.
        deadline_s: how long it may last.
        rate_per_s: requests a second of all slots together in the recent past; None when unknown.
        alpha: chance of a false `Unhealthy` in a whole rollout.
        doubt: chance of a false `Healthy` for a candidate worse by a whole margin.
        slack: factor on the margins that must be ruled out to advance; 2 promotes sooner, on less.
        sites: how many sites the release has; the budget for single sites is split among them.
    """

    share: float
    elapsed_s: float
    soak_s: float
    deadline_s: float
    rate_per_s: float | None = None
    alpha: float = JUDGE_ALPHA
    doubt: float = JUDGE_DOUBT
    slack: float = 1.0
    sites: int = 0


def judge(evidence: Evidence, demands: Demands) -> Verdict:
    """The verdict on a candidate in its present step."""
    return combine(
        [
            *_facts(evidence),
            *_memory_gate(evidence),
            *_harm(evidence, demands),
            *_advance(evidence, demands),
            Healthy(_summary(evidence, demands)),
        ]
    )


def describe(verdict: Verdict) -> str:
    """One or two sentences for people."""
    match verdict:
        case Healthy(text):
            return f"Healthy: {text}"
        case NotEnough(reason, gate, text):
            return f"Not enough evidence ({reason.value}{', ' if gate else ''}{gate}): {text}"
        case Unhealthy(gate, site, text):
            return f"Unhealthy ({gate}{f', site {site}' if site else ''}): {text}"


def requests_needed(gate: Gate, share: float, *, doubt: float = JUDGE_DOUBT) -> int | None:
    """Requests on the candidate before a gate without one bad event lets a step pass.

    None for a gate that is not asked at this share.
    """
    margin = gate.margin(share)
    return None if margin is None else exposures_needed(margin, doubt / 2)


def can_decide(rate_per_s: float, share: float, deadline_s: float, gate: Gate) -> bool:
    """Whether a step can end with a verdict: enough requests are expected before its deadline.

    Args:
        rate_per_s: requests a second of all slots together.
        share: of them that meet the candidate.
        deadline_s: time that is left.
        gate: which gate is to decide; `GATES_BY_NAME["errors"]` is the hungriest.
    """
    needed = requests_needed(gate, share)
    return needed is None or rate_per_s * share * deadline_s >= needed


def is_futile(evidence: Evidence, demands: Demands) -> bool:
    """Whether a candidate just as good as its control could not be shown to be, by the deadline.

    Asked of what the control showed in the soak, never of the candidate: a bad one is waited for.
    """
    gate = GATES_BY_NAME["errors"]
    series, margin = evidence.totals.get(gate.name), gate.margin(demands.share)
    rate = demands.rate_per_s
    if series is None or margin is None or rate is None or demands.elapsed_s < demands.soak_s:
        return False
    _, (bad, of) = arms(series, gate, baseline=evidence.baseline, current=True)
    if of <= 0:
        return False
    usual, requests = bad / of, rate * demands.deadline_s
    ours, others = requests * demands.share, max(of, requests * (1 - demands.share))
    lower = rate_lower(usual * others, others, demands.doubt / 2)
    allowed = max(lower + margin, RATIO_TO_ADVANCE * lower)
    return rate_upper(usual * ours, ours, demands.doubt / 2) > allowed


def worse(series: Series, evidence: Evidence, alpha: float) -> Iterator[Verdict]:
    """`Unhealthy` when the candidate is worse by this gate, with false alarms at most `alpha`."""
    gate = GATES_BY_NAME[series.gate]
    wanted = -math.log(alpha) if alpha > 0 else math.inf
    candidate, stable, fresh = series.sums()
    control = control_of(gate, stable, fresh, baseline=evidence.baseline)
    tolerance = tolerance_of(gate, baseline=evidence.baseline)
    # No release is worse that does not even look worse: than its control, and than the baseline
    # slot, which has new connections only and so the same clients.
    if not (_looks_worse(candidate, control, *tolerance) and _looks_worse(candidate, fresh)):
        return
    if most_log_e(candidate[0], max(evidence.clump, series.clump)) < wanted:
        return
    cap = (wanted + STAKE) / gate.spans
    found = log_evidence(series, clump=evidence.clump, baseline=evidence.baseline, cap=cap)
    if found >= wanted:
        yield Unhealthy(
            series.gate,
            series.site,
            f"{_arm_text(*candidate)} {gate.title}, {_arm_text(*control)} on "
            f"{_control_text(gate, baseline=evidence.baseline)}. The odds that this is not "
            f"chance are {_odds(found)} to 1; {_odds(wanted)} to 1 are required.",
        )


def _looks_worse(
    candidate: Count, control: Count, ratio: float = RATIO_SEEN, floor: float = 0.0
) -> bool:
    (bad, of), (control_bad, beside) = candidate, control
    return bad * beside >= of * (ratio * control_bad + floor * beside)


def _facts(evidence: Evidence) -> Iterator[Verdict]:
    facts = evidence.facts
    if facts.probes_differed:
        yield Unhealthy(
            "probes",
            text=f"{facts.probes_differed} of {facts.probes_asked} golden requests were answered "
            f"wrongly. {facts.first}".strip(),
        )
    if facts.nacks:
        yield Unhealthy(
            "nack", text=f"Envoy refused {facts.nacks} resources. {facts.first}".strip()
        )
    if facts.restarts:
        yield Unhealthy("restarts", text=f"The candidate died; restarts: {facts.restarts}.")
    if facts.warming_s is None:
        return
    if facts.warming_s > JUDGE_WARMING_S_MAX:
        yield Unhealthy(
            "warming",
            text=f"Not ready for traffic after {facts.warming_s:.0f} s "
            f"(at most {JUDGE_WARMING_S_MAX:.0f} s).",
        )
    else:
        yield NotEnough(
            Reason.WARMING, "warming", f"Getting ready for {facts.warming_s:.0f} s so far."
        )


def _memory_gate(evidence: Evidence) -> Iterator[Verdict]:
    for memory in evidence.memory:
        verdict = _memory(memory)
        if verdict is not None:
            yield verdict
    if evidence.windows and not evidence.memory:
        yield NotEnough(Reason.MISSING, "memory", "No measurement window reports memory use.")


def _memory(memory: Memory) -> Verdict | None:
    if memory.control is None:
        return NotEnough(
            Reason.MISSING,
            "memory",
            f"Node {memory.node}: there is no memory use of a control to compare with.",
        )
    (first, last), (control_first, control_last) = memory.candidate, memory.control
    gained = (last - first) - (control_last - control_first)
    # A large release takes its memory at once or when the first requests come: both are no leak.
    allowed = max(JUDGE_MEMORY_GROWTH_BYTES, (JUDGE_MEMORY_RATIO_MAX - 1) * control_last)
    if max(gained, last - control_last) <= allowed:
        return None
    return Unhealthy(
        "memory",
        text=f"On node {memory.node} the candidate's heap went from {first / MIB:.0f} to "
        f"{last / MIB:.0f} MiB, its control's from {control_first / MIB:.0f} to "
        f"{control_last / MIB:.0f} MiB (allowed: {allowed / MIB:.0f} MiB more).",
    )


def _harm(evidence: Evidence, demands: Demands) -> Iterator[Verdict]:
    for series in evidence.totals.values():
        gate = GATES_BY_NAME[series.gate]
        yield from worse(series, evidence, gate.budget * demands.alpha)
    many = max(demands.sites, evidence.sites)
    if many <= 1:
        return
    for series in evidence.suspects:
        gate = GATES_BY_NAME[series.gate]
        yield from worse(series, evidence, gate.budget_sites * demands.alpha / many)


def _advance(evidence: Evidence, demands: Demands) -> Iterator[Verdict]:
    """Why the step cannot be left yet."""
    expected = _expected(evidence, demands)
    if evidence.requests <= 0 or not evidence.totals:
        reason = Reason.NO_EVIDENCE if expected is None else _lacking(0, expected, demands)
        yield NotEnough(reason, "errors", f"The candidate got no requests. {_outlook(expected)}")
        return
    for gate in GATES:
        series = evidence.totals[gate.name]
        if series.missing > JUDGE_MISSING_SHARE_MAX * evidence.windows:
            yield NotEnough(
                Reason.MISSING,
                gate.name,
                f"{series.missing} of {evidence.windows} measurement windows of the candidate do "
                f"not report how many requests {gate.title}.",
            )
        yield from _not_shown(series, gate, evidence, demands)
    yield from _doubtful_site(evidence, demands)
    if demands.elapsed_s < demands.soak_s:
        yield NotEnough(
            Reason.GATHERING,
            "soak",
            f"The step lasts at least {demands.soak_s:.0f} s, {demands.elapsed_s:.0f} s so far.",
        )


def _not_shown(
    series: Series, gate: Gate, evidence: Evidence, demands: Demands
) -> Iterator[Verdict]:
    """Nothing when the candidate is shown to be inside the margin in this step, else why not."""
    margin = gate.margin(demands.share)
    if margin is None:
        return
    margin *= demands.slack
    ours, theirs = arms(series, gate, baseline=evidence.baseline, current=True)
    upper = rate_upper(*ours, demands.doubt / 2)
    lower = rate_lower(*theirs, demands.doubt / 2)
    allowed = max(lower + margin, RATIO_TO_ADVANCE * lower)
    if upper <= allowed:
        odds = odds_against(series, evidence)
        if odds >= JUDGE_SUSPICION:
            yield NotEnough(
                Reason.GATHERING,
                gate.name,
                f"{_arm_text(*ours)} {gate.title}, {_arm_text(*theirs)} on "
                f"{_control_text(gate, baseline=evidence.baseline)}: odds of "
                f"{_odds(math.log(odds))} to 1 against the candidate are no proof, but too high "
                "to continue.",
            )
        return
    needed = exposures_needed(margin, demands.doubt / 2)
    expected = _expected(evidence, demands)
    yield NotEnough(
        _lacking(needed, expected, demands),
        gate.name,
        f"{_arm_text(*ours)} {gate.title}: up to {upper:.2%} are possible, {allowed:.2%} are "
        f"allowed. At least {needed} requests are needed. {_outlook(expected)}",
    )


def _doubtful_site(evidence: Evidence, demands: Demands) -> Iterator[Verdict]:
    """A site that may be harmed, though the whole edge is shown to be well."""
    odds, series = worst_site(evidence, demands.sites)
    if series is None or odds < JUDGE_SUSPICION:
        return
    gate = GATES_BY_NAME[series.gate]
    ours, theirs = arms(series, gate, baseline=evidence.baseline)
    yield NotEnough(
        Reason.GATHERING,
        gate.name,
        f"On site {series.site}, {_arm_text(*ours)} {gate.title}, {_arm_text(*theirs)} on "
        f"{_control_text(gate, baseline=evidence.baseline)}: odds of {_odds(math.log(odds))} to "
        "1 that a site is harmed are no proof, but too high to continue.",
    )


def _expected(evidence: Evidence, demands: Demands) -> float | None:
    """Requests on the candidate by the deadline; None when nobody knows the traffic."""
    rate_per_s = demands.rate_per_s
    if demands.elapsed_s > 0 and evidence.requests_all > 0:
        rate_per_s = max(rate_per_s or 0.0, evidence.requests_all / demands.elapsed_s)
    if rate_per_s is None:
        return None
    left_s = max(0.0, demands.deadline_s - demands.elapsed_s)
    return evidence.requests + rate_per_s * demands.share * left_s


def _lacking(needed: int, expected: float | None, demands: Demands) -> Reason:
    over = demands.elapsed_s >= demands.deadline_s
    if expected is None or over:
        return Reason.GATHERING
    least = requests_needed(GATES_BY_NAME["errors"], demands.share, doubt=demands.doubt) or 1
    wanted = max(needed, least / demands.slack)
    return Reason.NO_TRAFFIC if expected < wanted else Reason.GATHERING


def _outlook(expected: float | None) -> str:
    if expected is None:
        return "The expected number of requests is not known yet."
    return f"About {expected:.0f} requests are expected by the deadline."


def _summary(evidence: Evidence, demands: Demands) -> str:
    series = evidence.totals.get("errors")
    if series is None:
        return "Nothing counts against it."
    gate = GATES_BY_NAME["errors"]
    ours, theirs = arms(series, gate, baseline=evidence.baseline, current=True)
    text = (
        f"{_arm_text(*ours)} {gate.title}, {_arm_text(*theirs)} on "
        f"{_control_text(gate, baseline=evidence.baseline)}; no gate is worse than the margin of "
        f"a {demands.share:.1%} share allows."
    )
    if not evidence.baseline:
        text += " Without a baseline slot, the fine gates had wider margins."
    return text


def _control_text(gate: Gate, *, baseline: bool) -> str:
    if gate.control is Control.CURRENT:
        return "the current release"
    return "the baseline slot" if baseline else "the stable slot (no baseline: wider margin)"


def _arm_text(bad: float, of: float) -> str:
    return f"{bad:,.0f} of {of:,.0f} requests"


def _odds(log_odds: float) -> str:
    return f"{math.exp(log_odds):,.0f}" if log_odds < math.log(1e9) else "over 1,000,000,000"
