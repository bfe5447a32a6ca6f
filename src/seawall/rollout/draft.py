"""A plan while it is being made: the fleet as it changes, and what has been said on the way.

The one mutable value of the planner, alive for one call of `plan`. It knows how a rollout is
replaced, ends and is withdrawn, and keeps the words; when to do which is decided by `moves`.
"""

from dataclasses import replace

from seawall.ids import Digest, NodeName
from seawall.rollout.state import (
    Assigned,
    Blame,
    Event,
    Findings,
    Fleet,
    Freeze,
    Hold,
    Inventory,
    Plan,
    Rollout,
    Speed,
    Stage,
    Target,
)


class Draft:
    """See the module.

    Attributes:
        fleet: the next state so far.
        changed: assignments that change, by node.
    """

    def __init__(
        self, fleet: Fleet, inventory: Inventory, findings: Findings, now_s: float
    ) -> None:
        self.fleet = fleet
        self.inventory = inventory
        self.findings = findings
        self.now_s = now_s
        self.changed: dict[NodeName, Assigned] = {}
        self.withdrawn: list[NodeName] = []
        self._events: list[Event] = []
        self._blames: list[Blame] = []
        self._ended: list[Rollout] = []

    def plan(self) -> Plan:
        """What has come of it."""
        return Plan(
            fleet=self.fleet,
            assignments=tuple(self.changed[name] for name in sorted(self.changed)),
            withdrawn=tuple(self.withdrawn),
            events=tuple(self._events),
            blames=tuple(self._blames),
            ended=tuple(self._ended),
        )

    def say(self, rollout: Rollout | None, code: str, text: str) -> None:
        """Add a sentence to the history."""
        if rollout is None:
            self._events.append(Event(0, None, code, text))
        else:
            words = f"{rollout.release}: {text}"
            self._events.append(Event(rollout.number, rollout.release, code, words))

    def put(self, rollout: Rollout) -> None:
        """Replace a rollout by its next state."""
        rollouts = tuple(
            rollout if known.number == rollout.number else known for known in self.fleet.rollouts
        )
        self.fleet = replace(self.fleet, rollouts=rollouts)

    def aim(self, target: Target | None) -> None:
        """From now on nodes shall run `target` when no rollout says otherwise."""
        old = self.fleet.target
        if target is None or old is None or old.release != target.release:
            before = old.release if old else None
            self.fleet = replace(self.fleet, target=target, target_before=before)

    def blame(self, digest: Digest, reason: str) -> None:
        """Never assign `digest` again."""
        if digest not in self.fleet.quarantined:
            self._blames.append(Blame(digest, reason))
            self.fleet = replace(self.fleet, quarantined=self.fleet.quarantined | {digest})

    def hold(self, rollout: Rollout, code: str, reason: str) -> None:
        """Let it wait; said once for each code."""
        if rollout.held is None or rollout.held.code != code:
            since_s = rollout.held.since_s if rollout.held else self.now_s
            self.put(replace(rollout, held=Hold(code, reason, since_s)))
            self.say(rollout, "held", f"held: {reason}")

    def unhold(self, rollout: Rollout) -> Rollout:
        """Go on after a hold whose reason is gone; the time it took does not count."""
        if rollout.held is None:
            return rollout
        since_s, frozen = rollout.held.since_s, self.fleet.frozen
        freed = waited(replace(rollout, held=None), since_s, self.now_s, frozen)
        self.put(freed)
        self.say(rollout, "goes-on", "goes on")
        return freed

    def end(self, rollout: Rollout, stage: Stage, outcome: str) -> None:
        """It is over; nodes go to the target by the next assignments."""
        over = replace(
            rollout, stage=stage, ended_s=self.now_s, outcome=outcome, held=None, paused=None
        )
        self._ended.append(over)
        rest = tuple(known for known in self.fleet.rollouts if known.number != rollout.number)
        self.fleet = replace(self.fleet, rollouts=rest)
        self.say(rollout, stage.value, outcome)

    def withdraw(self, rollout: Rollout, stage: Stage, outcome: str) -> None:
        """End it, and let every node go back to what was the target before it."""
        target = self.fleet.target
        if target is not None and target.release == rollout.release:
            self.aim(self._way_back(rollout))
        self.end(rollout, stage, outcome)

    def _way_back(self, rollout: Rollout) -> Target | None:
        """What stood before, unless it is quarantined or unproven and something good is kept."""
        before = rollout.before
        if before is not None and self._leads_back(before):
            return before
        usable = (
            good
            for good in self.fleet.good
            if good.digest not in self.fleet.quarantined and good.release != rollout.release
        )
        return next(usable, before)

    def _leads_back(self, before: Target) -> bool:
        if before.digest in self.fleet.quarantined:
            return False
        return not before.unproven or any(g.digest == before.digest for g in self.fleet.good)


def waited(rollout: Rollout, since_s: float, now_s: float, frozen: Freeze | None) -> Rollout:
    """Later by a wait that is over; what must be quick is not given more time for it.

    Of time in which it waited for several reasons, each second counts once: what this wait shares
    with one that goes on counts when that one is over.

    Args:
        rollout: without the wait that is over.
        since_s: when that began.
        now_s: Unix seconds.
        frozen: the freeze that goes on, if one does.
    """
    others = [wait.since_s for wait in (rollout.held, rollout.paused) if wait is not None]
    if frozen is not None and rollout.stage is not Stage.BAKING:
        others.append(frozen.since_s)
    by_s = max(0.0, min((now_s, *others)) - max(since_s, rollout.step_started_s))
    more_s = by_s if rollout.speed is Speed.CONFIG else 0.0
    return replace(
        rollout,
        step_started_s=rollout.step_started_s + by_s,
        deadline_s=rollout.deadline_s + more_s,
    )
