"""Waves and steps of a running rollout: who tries it, what proves it, and what follows a pass.

Going on needs a `Pass` with its basis. What cannot be judged waits until the step's deadline, and
then the policy says whether golden requests suffice or a person is needed.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from seawall import limits
from seawall.errors import assert_never
from seawall.ids import NodeName
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy
from seawall.model.rollout import Step, WithoutTraffic
from seawall.rollout.draft import Draft
from seawall.rollout.going import all_ready, blocked, everywhere, joined, verdict_on
from seawall.rollout.standing import in_trial, steers, tries
from seawall.rollout.state import (
    NO_GENERATION,
    TASTE,
    Basis,
    Pass,
    Rollout,
    Stage,
)
from seawall.rollout.traffic import may_show_something
from seawall.rollout.wave import choose
from seawall.rollout.words import count_text, names_text, probes_text, step_text

_ALONE: Final = " without a baseline (no traffic to compare by)"


def open_wave(draft: Draft, rollout: Rollout) -> None:
    """Choose the members of the wave and let them taste; pass over a wave without nodes."""
    if blocked(draft, rollout):
        return
    members, coming = choose(rollout, draft.fleet, draft.inventory)
    if members:
        opened = replace(
            draft.unhold(rollout),
            stage=Stage.TASTING,
            step=TASTE,
            members=members,
            step_started_s=draft.now_s,
            step_generation=NO_GENERATION,
            compared=_can_be_compared(draft, rollout, members),
        )
        draft.put(opened)
        alone = opened.policy.baseline and not opened.compared
        words = f"{step_text(opened)} on {names_text(members)}"
        draft.say(opened, "wave", f"{words}{_ALONE if alone else ''}")
    elif coming:
        if draft.now_s - rollout.step_started_s > limits.ROLLOUT_NODE_PATIENCE_S:
            _unsettled(draft, rollout, coming)
    elif not rollout.last_wave:
        draft.put(replace(rollout, wave=rollout.wave + 1))
    elif rollout.committed:
        everywhere(draft, rollout)
    elif rollout.aside:
        words = f"no node could try it: {names_text(rollout.aside)} set aside"
        draft.withdraw(rollout, Stage.ROLLED_BACK, words)
    else:
        draft.hold(rollout, "no-node", "no node is connected")


def _can_be_compared(draft: Draft, rollout: Rollout, members: tuple[NodeName, ...]) -> bool:
    """Whether a baseline could say anything: not where golden requests will decide anyway."""
    policy = rollout.policy
    if policy.without_traffic is WithoutTraffic.HOLD or not policy.steps:
        return True  # it may wait for requests as long as it takes
    return may_show_something(policy, members, draft.findings.rates_per_s)


def _unsettled(draft: Draft, rollout: Rollout, nodes: tuple[NodeName, ...]) -> None:
    """Nodes that do not serve the target are not tried on; in the end they get the release."""
    if not rollout.committed and not rollout.resumed_by:
        words = f"{names_text(nodes)} does not serve the release that this one replaces"
        draft.hold(rollout, "unsettled", words)
        return
    draft.put(replace(rollout, aside=joined(rollout.aside, nodes), resumed_by=""))
    draft.say(
        rollout,
        "aside",
        f"{names_text(nodes)} set aside: not on the release that this one replaces",
    )


# --- Trials --------------------------------------------------------------------------------------


def try_members(draft: Draft, rollout: Rollout) -> None:
    """Look at the members' trials, and go on when all are so far and the evidence suffices."""
    looks = [in_trial(draft, rollout, name) for name in rollout.members]
    if not all_ready(draft, rollout, looks):
        return
    if rollout.stage is Stage.TASTING:
        _tasted(draft, rollout)
    else:
        _judge(draft, rollout)


def _tasted(draft: Draft, rollout: Rollout) -> None:
    if blocked(draft, rollout):
        return
    members, inventory = rollout.members, draft.inventory
    able = [name for name in members if tries(inventory.report(name))]
    if not able:
        words = f"{names_text(members)} cannot try a release next to the one that serves"
        _pass_rest(draft, rollout, Basis.UNTRIED, words)
        return
    words = f"{step_text(rollout)} on {count_text(able)}: {probes_text(able, inventory)}"
    if rollout.policy.steps and not any(steers(inventory.report(name)) for name in able):
        lack = "no node of this wave can split connections between two releases"
        if _may_do_without(draft, rollout, lack):
            passed = _pass(draft, rollout, Basis.TASTED, words)
            _promote(draft, replace(passed, resumed_by=rollout.resumed_by), lack)
        return
    _next_step(draft, _pass(draft, rollout, Basis.TASTED, words))


def _judge(draft: Draft, rollout: Rollout) -> None:
    if blocked(draft, rollout):
        return
    verdict = verdict_on(draft, rollout)
    step = rollout.policy.steps[rollout.step - 1]
    in_step_s = draft.now_s - rollout.step_started_s
    where = f"{step_text(rollout)} on {count_text(rollout.members)}"
    match verdict:
        case Healthy():
            if in_step_s >= step.soak_s:
                words = f"{where}: healthy after {draft.findings.requests} requests"
                words += f"; {verdict.text}" if verdict.text else ""
                _next_step(draft, _pass(draft, draft.unhold(rollout), Basis.HEALTHY, words))
        case NotEnough():
            _lacking(draft, rollout, verdict, step)
        case Unhealthy():
            pass
        case _ as never:
            assert_never(never)


def _lacking(draft: Draft, rollout: Rollout, verdict: NotEnough, step: Step) -> None:
    """Wait, or let a person or golden requests decide, or hold."""
    in_step_s = draft.now_s - rollout.step_started_s
    where = f"{step_text(rollout)} on {count_text(rollout.members)}"
    over = in_step_s > step.deadline_s
    soaked = in_step_s >= step.soak_s or not draft.findings.shows_harm
    enough = soaked and not draft.findings.hesitates
    suspicion = draft.findings.suspicion
    too_few = {} if suspicion else {Reason.NO_TRAFFIC: enough or over, Reason.GATHERING: over}
    if rollout.resumed_by:
        words = f"{where}: {rollout.resumed_by} continued it without evidence ({_lack(verdict)})"
        _next_step(draft, _pass(draft, rollout, Basis.PERSON, words))
    elif too_few.get(verdict.reason):
        _without_traffic(draft, rollout, _lack(verdict))
    elif over and verdict.reason not in too_few:
        lack = suspicion or _lack(verdict)
        code = "suspicion" if suspicion else verdict.reason.value
        draft.hold(rollout, code, f"{where}: {lack} after {in_step_s:.0f} s")


def _without_traffic(draft: Draft, rollout: Rollout, lack: str) -> None:
    """The policy's answer to a step that cannot be judged on requests."""
    if _may_do_without(draft, rollout, lack):
        _promote(draft, rollout, lack)


def _may_do_without(draft: Draft, rollout: Rollout, lack: str) -> bool:
    """Whether golden requests suffice, by the policy or a person; else it is held."""
    where = f"{step_text(rollout)} on {count_text(rollout.members)}"
    if rollout.policy.without_traffic is WithoutTraffic.HOLD and not rollout.resumed_by:
        draft.hold(rollout, "no-traffic", f"{where}: {lack}")
        return False
    if _probed(draft, rollout.members) or rollout.resumed_by:
        return True
    if draft.now_s - rollout.step_started_s > limits.ROLLOUT_NODE_PATIENCE_S:
        draft.hold(rollout, "no-probes", f"{where}: {lack}, and no golden request was asked")
    return False


def _promote(draft: Draft, rollout: Rollout, lack: str) -> None:
    """Past every step that could not be judged either."""
    where = f"{step_text(rollout)} on {count_text(rollout.members)}"
    probes = probes_text(rollout.members, draft.inventory)
    basis, words = Basis.PROBES, f"promoted on golden requests alone ({probes}): {lack}"
    if rollout.resumed_by:
        basis, words = Basis.PERSON, f"{rollout.resumed_by} continued it without traffic: {lack}"
    later = draft.findings.decides_at_step
    steps = len(rollout.policy.steps)
    until = later if later is not None and rollout.step < later <= steps else steps + 1
    passed = draft.unhold(rollout)
    for step in range(max(passed.step, TASTE + 1), until):
        passed = _pass(draft, replace(passed, step=step), basis, words, quiet=True)
    draft.say(rollout, "passed", f"{where}: {words}")
    _next_step(draft, passed)


def _probed(draft: Draft, members: Iterable[NodeName]) -> bool:
    """Whether each node that tries has asked the candidate something in this step."""
    able = [report for report in map(draft.inventory.report, members) if tries(report)]
    trials = [report.trial for report in able if report is not None]
    return bool(trials) and all(trial is not None and trial.probes.asked for trial in trials)


def _lack(verdict: NotEnough) -> str:
    gate = f" for {verdict.gate}" if verdict.gate else ""
    return verdict.text or f"{verdict.reason.value}{gate}"


def _pass(
    draft: Draft, rollout: Rollout, basis: Basis, words: str, *, quiet: bool = False
) -> Rollout:
    done = Pass(rollout.wave, rollout.step, basis, words, draft.now_s, rollout.step_generation)
    passed = replace(rollout, passed=(*rollout.passed, done), resumed_by="")
    draft.put(passed)
    if not quiet:
        draft.say(passed, "passed", words)
    return passed


def _pass_rest(draft: Draft, rollout: Rollout, basis: Basis, words: str) -> None:
    passed = rollout
    for step in range(rollout.step, len(rollout.policy.steps) + 1):
        passed = _pass(draft, replace(passed, step=step), basis, words, quiet=True)
    draft.say(rollout, "passed", words)
    _next_step(draft, passed)


def _next_step(draft: Draft, rollout: Rollout) -> None:
    if rollout.step < len(rollout.policy.steps):
        following = replace(
            rollout,
            stage=Stage.CANARY,
            step=rollout.step + 1,
            step_started_s=draft.now_s,
            step_generation=NO_GENERATION,
        )
        draft.put(following)
        draft.say(
            following, "step", f"{step_text(following)} on {count_text(following.members)} begins"
        )
        return
    committing = replace(
        rollout,
        stage=Stage.COMMITTING,
        committed=joined(rollout.committed, rollout.members),
        step_started_s=draft.now_s,
        step_generation=NO_GENERATION,
    )
    draft.put(committing)
    draft.say(committing, "commit", f"{step_text(committing)} on {names_text(rollout.members)}")
