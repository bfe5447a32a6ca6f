"""Which node runs which release next: a pure function of what is stored, seen and judged.

`plan` reads one `Fleet` and says the next one, the assignments that change, and why in words. It
is called again and again and says the same until something new is seen: no advance depends on how
often it was asked. It never touches a store, a clock or a node; the moves are in `moves`, what each
node shall run is derived in `assign`, and `lint` refuses a plan that breaks an invariant.
"""

from dataclasses import replace

from seawall import limits
from seawall.errors import invariant
from seawall.rollout import behind
from seawall.rollout.assign import assign
from seawall.rollout.draft import Draft
from seawall.rollout.going import target_of
from seawall.rollout.moves import move
from seawall.rollout.orders import may_follow, shown
from seawall.rollout.standing import refuses
from seawall.rollout.state import Findings, Fleet, Inventory, Plan, Rollout, Speed, Stage
from seawall.rollout.words import names_text


def plan(fleet: Fleet, inventory: Inventory, findings: Findings, now_s: float) -> Plan:
    """The next state of the fleet.

    Args:
        fleet: as stored.
        inventory: what nodes said, and how long they have been silent.
        findings: of the judge on the step that runs.
        now_s: Unix seconds.
    """
    draft = Draft(fleet, inventory, findings, now_s)
    for _ in range(limits.ROLLOUT_MOVES_MAX):
        before = draft.fleet
        behind.look(draft)
        _leave_refused(draft)
        _begin_next(draft)
        running = draft.fleet.running
        if running is not None:
            move(draft, running)
        assign(draft)
        if draft.fleet == before:
            return draft.plan()
    invariant(condition=False, what="a plan comes to rest")
    return draft.plan()


def _leave_refused(draft: Draft) -> None:
    """Go back from a target that was never good, is refused, and serves nowhere.

    While its own rollout goes on, that one looks for it. It can be gone: a release by break-glass
    that reached nobody at first, and was followed by another one before it did. On such a target
    nothing could ever be tried, since no node serves it.
    """
    fleet, target = draft.fleet, draft.fleet.target
    running = fleet.running
    good = [g for g in fleet.good if g.digest not in fleet.quarantined]
    if target is None or not good or any(g.digest == target.digest for g in fleet.good):
        return
    if running is not None and running.release == target.release:
        return
    reports = [draft.inventory.report(name) for name in draft.inventory.nodes]
    if any(report is not None and report.digest == target.digest for report in reports):
        return
    refusing = [
        report.node
        for report in reports
        if report is not None and refuses(report, target, fleet.assigned.get(report.node))
    ]
    if not refusing:
        return
    words = f"{names_text(refusing)} refused it, and it serves nowhere"
    draft.blame(target.digest, words)
    if running is not None:
        why = (
            f"{target.release}, on top of which it was made, was refused by {names_text(refusing)}"
        )
        draft.end(running, Stage.SUPERSEDED, why)
    draft.aim(good[0])
    draft.say(None, "went-back", f"{target.release}: {words}; {good[0].release} is the target")


def _begin_next(draft: Draft) -> None:
    """Let a waiting rollout begin when nothing else moves nodes: people before feeds, then age."""
    if draft.fleet.running is not None or not draft.fleet.waiting:
        return
    rollout = min(draft.fleet.waiting, key=lambda r: (r.speed is Speed.FEED, r.number))
    target = draft.fleet.target
    if rollout.digest in draft.fleet.quarantined and not rollout.forced:
        draft.end(rollout, Stage.SUPERSEDED, "its content was quarantined while it waited")
    elif not may_follow(rollout, target):
        words = (
            f"{shown(target)} is the target now, but it was made on top of "
            f"{rollout.onto or 'nothing'}"
        )
        draft.end(rollout, Stage.SUPERSEDED, words)
    elif draft.fleet.frozen is None or rollout.straight is not None:
        _begin(draft, rollout)


def _begin(draft: Draft, rollout: Rollout) -> None:
    begun = replace(
        rollout,
        before=draft.fleet.target,
        started_s=draft.now_s,
        step_started_s=draft.now_s,
        deadline_s=draft.now_s + (rollout.deadline_s - rollout.queued_s),
        stage=Stage.TASTING,
    )
    if rollout.straight is None:
        draft.put(begun)
        return
    names = tuple(name for name in draft.inventory.nodes if draft.inventory.connected(name))
    draft.put(replace(begun, stage=Stage.COMMITTING, members=names, committed=names))
    draft.say(begun, "commit", f"commit on {names_text(names) or 'the first node that connects'}")
    draft.aim(target_of(begun))
