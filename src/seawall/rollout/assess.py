"""From what nodes measured and said to what the judge finds on the step that runs; a pure function.

It chooses which windows are evidence: those of the nodes on trial, under the generation each was
given for this step, and those of earlier steps for signs of harm; of nodes that have committed,
those before and after. The verdict is the judge's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from seawall import limits
from seawall.ids import NodeName
from seawall.judge.brake import during_bake
from seawall.judge.evidence import Evidence, Facts, gather
from seawall.judge.gates import GATES_BY_NAME, Count, count_of
from seawall.judge.judge import Demands, is_futile, judge
from seawall.judge.pooling import CANDIDATE, STABLE, pooled_in_time
from seawall.judge.verdict import NotEnough, Reason, Unhealthy, Verdict
from seawall.judge.weigh import odds_against, worst_site
from seawall.rollout.ports import TrialPhase
from seawall.rollout.state import (
    Findings,
    Fleet,
    Inventory,
    Rollout,
    Stage,
)
from seawall.rollout.traffic import is_worth_waiting, rate_per_s, rates_per_s, shows_harm
from seawall.telemetry.window import Window

_PERMILLE = 1_000


def assess(fleet: Fleet, inventory: Inventory, windows: Sequence[Window], now_s: float) -> Findings:
    """What the judge says of the running step; `NO_EVIDENCE` when no step runs.

    Args:
        fleet: as stored.
        inventory: what nodes said.
        windows: of all nodes and slots, as many as are kept.
        now_s: Unix seconds.
    """
    if not fleet.rollouts:
        return Findings()
    found = Findings(rates_per_s=rates_per_s(windows, now_s))
    rollout = fleet.running
    if rollout is None:
        return found
    found = replace(found, bake=_bake(fleet, rollout, windows))
    if rollout.stage is not Stage.CANARY or not rollout.step_generation:
        return found
    step = rollout.policy.steps[rollout.step - 1]
    rate = rate_per_s(rollout.members, windows)
    counted, facts = _of_step(fleet, rollout, windows), _facts(rollout, inventory)
    evidence = _gathered(rollout, counted, facts)
    demands = Demands(
        share=step.share_permille / _PERMILLE,
        elapsed_s=max(0.0, now_s - rollout.step_started_s),
        soak_s=step.soak_s,
        deadline_s=step.deadline_s,
        rate_per_s=rate,
        sites=evidence.sites,
    )
    later = _decides_at(rollout, rate or 0.0)
    verdict = _verdict(evidence, demands, later)
    loudest = _loudest(verdict, rollout, counted) if isinstance(verdict, Unhealthy) else None
    alone = None
    if isinstance(verdict, Unhealthy) and loudest is not None:
        others = _gathered(rollout, [w for w in counted if w.node != loudest], facts)
        alone = None if _speaks_against(others, verdict, demands) else loudest
    return replace(
        found,
        verdict=verdict,
        alone=alone,
        step_generation=rollout.step_generation,
        requests=int(evidence.requests),
        shows_harm=shows_harm(step, rate or 0.0),
        suspicion=_suspicion(evidence),
        decides_at_step=later,
        hesitates=isinstance(verdict, NotEnough) and _hesitates(evidence),
    )


def _gathered(rollout: Rollout, windows: Iterable[Window], facts: Facts) -> Evidence:
    return gather(
        windows,
        rollout.step_generation,
        earlier=[
            passed.generation
            for passed in rollout.passed
            if passed.step and passed.generation and passed.generation != rollout.step_generation
        ],
        facts=facts,
    )


def _speaks_against(others: Evidence, found: Unhealthy, demands: Demands) -> bool:
    """Whether what other nodes measured points the same way; proof is not asked of a part of it."""
    if isinstance(judge(others, demands), Unhealthy):
        return True
    series = others.totals.get(found.gate)
    if found.site is not None:
        theirs = (each for each in others.suspects if each.gate == found.gate)
        series = next((each for each in theirs if each.site == found.site), None)
    return odds_against(series, others) >= limits.JUDGE_SUSPICION


def _loudest(verdict: Unhealthy, rollout: Rollout, windows: Iterable[Window]) -> NodeName | None:
    """Whose candidate has most bad events beyond the usual; None when only one node measured any.

    By the gate of the verdict; without one (`memory`) whose candidate uses most.
    """
    gate = GATES_BY_NAME.get(verdict.gate)
    sums: dict[NodeName, Count] = {}
    for window in windows:
        if window.slot == CANDIDATE and window.generation >= rollout.first_generation:
            bad, of = sums.get(window.node, (0.0, 0.0))
            if gate is None:
                heap = window.edge.get("memory_allocated_bytes", 0.0)
                sums[window.node] = max(bad, heap), 0.0
            else:
                more_bad, more = count_of(gate, verdict.site, window) or (0.0, 0.0)
                sums[window.node] = bad + more_bad, of + more
    if len(sums) < 2:  # noqa: PLR2004 - another one to compare with
        return None
    all_bad, all_of = map(sum, zip(*sums.values(), strict=True))
    usual = all_bad / all_of if all_of > 0 else 0.0
    return max(sums, key=lambda name: sums[name][0] - usual * sums[name][1])


def _verdict(evidence: Evidence, demands: Demands, later: int | None) -> Verdict:
    """The judge's; what the usual errors hide is not waited for where a larger step follows.

    The largest one is: harm that is less than gross still shows there.
    """
    found = judge(evidence, demands)
    waits = isinstance(found, NotEnough) and found.reason is Reason.GATHERING
    if isinstance(found, NotEnough) and waits and later and is_futile(evidence, demands):
        text = (
            f"{found.text} At the usual error rate there will be too few errors to judge before "
            "the deadline."
        )
        return replace(found, reason=Reason.NO_TRAFFIC, text=text)
    return found


def _bake(fleet: Fleet, rollout: Rollout, windows: Iterable[Window]) -> Verdict | None:
    """Of the nodes that serve the release: since the commit, by what they served before it.

    Only of nodes that were told to serve it: no other one can have measured it.
    """
    before, began_s = rollout.before, rollout.started_s
    if before is None or not rollout.committed:
        return None
    told = {name for name, known in fleet.assigned.items() if known.release == rollout.release}
    stable = [w for w in windows if w.slot == STABLE and w.node in told]
    after = [w for w in stable if w.release == rollout.release and w.start_s >= began_s]
    serving = {window.node for window in after}
    past = [w for w in stable if w.release == before.release and w.node in serving]
    return during_bake(pooled_in_time(past), pooled_in_time(after)) if after else None


def _of_step(fleet: Fleet, rollout: Rollout, windows: Iterable[Window]) -> list[Window]:
    """Windows of this step under the step's own number, though a node was told again since.

    Only of nodes that were given this release to try: no other one can have measured it.
    """
    tried = {*rollout.members, *rollout.committed, *rollout.aside}
    told = {
        name: assigned.generation
        for name in rollout.members
        if (assigned := fleet.assigned.get(name)) is not None
    }
    return [
        replace(window, generation=rollout.step_generation)
        if window.generation == told.get(window.node)
        else window
        for window in windows
        if window.node in tried
    ]


def _facts(rollout: Rollout, inventory: Inventory) -> Facts:
    """Beside the counts. The planner waits for every candidate, so none is warming any more."""
    restarts = nacks = asked = differed = 0
    first = ""
    for name in rollout.members:
        report = inventory.report(name)
        trial = report.trial if report is not None else None
        if trial is None or trial.digest != rollout.digest or trial.phase is TrialPhase.FAILED:
            continue
        restarts += trial.restarts
        nacks += len(trial.nacks)
        asked += trial.probes.asked
        differed += trial.probes.differed
        first = first or trial.probes.first
    return Facts(restarts, nacks, None, asked, differed, first)


def _hesitates(evidence: Evidence) -> bool:
    """Whether a few requests more may show that the edge, or a site of it, fails."""
    if odds_against(evidence.totals.get("errors"), evidence) >= limits.JUDGE_HESITATION:
        return True
    site, _ = worst_site(evidence, evidence.sites)
    return site >= limits.JUDGE_HESITATION


def _suspicion(evidence: Evidence) -> str:
    """The first gate by which the odds are against the candidate, in words."""
    for series in evidence.totals.values():
        if odds_against(series, evidence) >= limits.JUDGE_SUSPICION:
            (bad, of), stable, baseline = series.sums()
            title = GATES_BY_NAME[series.gate].title
            return (
                f"{bad:.0f} of {of:.0f} requests on the candidate {title}, "
                f"{stable[0] + baseline[0]:.0f} of {stable[1] + baseline[1]:.0f} next to it"
            )
    return ""


def _decides_at(rollout: Rollout, rate_per_s: float) -> int | None:
    for number, step in enumerate(rollout.policy.steps, 1):
        if number > rollout.step and is_worth_waiting(step, rate_per_s):
            return number
    return None
