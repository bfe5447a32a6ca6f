"""What people and programs may ask of rollouts, each as a pure change of the fleet.

An order never assigns anything: it changes the state, and the next plan follows it. The caller
writes the plan with the version it read, so that of two orders at once one is told to look again.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from seawall import limits, phrases
from seawall.errors import ConflictError, NotFoundError, RefusedError
from seawall.ids import Digest, NodeName, ReleaseId
from seawall.model.rollout import RolloutPolicy
from seawall.rollout.behind import BRAKE, with_standing
from seawall.rollout.draft import Draft, waited
from seawall.rollout.speed import deadline_s, paced
from seawall.rollout.state import (
    NOTHING_JUDGED,
    Basis,
    Findings,
    Fleet,
    Freeze,
    Inventory,
    Pause,
    Plan,
    Rollout,
    Speed,
    Stage,
    Target,
)

NOBODY: Final = Inventory({}, 0.0)
"""No node was heard of, or what they said does not count."""


@dataclass(frozen=True, slots=True)
class Order:
    """A stored release that shall be brought out.

    Attributes:
        onto: what the caller saw as the target.
        break_glass: commit everywhere at once.
        forced: its digest is quarantined and was named.
    """

    release: ReleaseId
    digest: Digest
    policy: RolloutPolicy
    speed: Speed
    actor: str
    onto: ReleaseId | None
    reason: str = ""
    feed: str = ""
    period_s: float | None = None
    break_glass: bool = False
    forced: bool = False


def start(fleet: Fleet, order: Order, number: int, now_s: float) -> Plan:
    """Put a release on its way, or into the queue.

    Raises:
        ConflictError: another release is on its way, the target is not what the caller saw, or it
            is the target already.
        RefusedError: quarantined and not forced, or frozen.
        UsageError: the policy cannot finish in time.
    """
    if order.digest in fleet.quarantined and not order.forced:
        raise _quarantined(order.release)
    if fleet.target is not None and fleet.target.release == order.release:
        words = f"{order.release} is the target of every node already."
        raise ConflictError("already-the-target", words, remedy="See `seawall status`.")
    rollout = _made(fleet, order, number, now_s)
    if not (rollout.feed or may_follow(rollout, fleet.target)):
        raise _moved(rollout, fleet.target)
    if rollout.straight is None:
        unless_frozen(fleet)
    draft = Draft(fleet, NOBODY, Findings(NOTHING_JUDGED), now_s)
    for other in draft.fleet.rollouts:
        _make_room(draft, rollout, other)
    _coalesce(draft, rollout)
    if len(draft.fleet.waiting) >= limits.ROLLOUTS_WAITING_MAX:
        raise _too_many()
    draft.fleet = replace(draft.fleet, rollouts=(*draft.fleet.rollouts, rollout))
    draft.say(rollout, "ordered", _ordered(rollout))
    return draft.plan()


def unless_frozen(fleet: Fleet) -> None:
    """For what may not start now.

    Raises:
        RefusedError: frozen.
    """
    if fleet.frozen is not None:
        raise _frozen(fleet.frozen)


def pause(fleet: Fleet, actor: str, now_s: float) -> Plan:
    """Stop the running rollout where it stands.

    Raises:
        NotFoundError: no release is on its way.
    """
    rollout = _running(fleet)
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    if rollout.paused is None:
        draft.put(replace(rollout, paused=Pause(actor, now_s)))
        draft.say(rollout, "paused", f"paused by {actor}")
    return draft.plan()


def resume(fleet: Fleet, actor: str, now_s: float) -> Plan:
    """Lift a pause; of a held rollout, go on without what it waits for.

    Raises:
        NotFoundError: no release is on its way.
        ConflictError: it is neither paused nor held.
    """
    rollout = _running(fleet)
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    if rollout.paused is not None:
        since_s = rollout.paused.since_s
        draft.put(waited(replace(rollout, paused=None), since_s, now_s, fleet.frozen))
        draft.say(rollout, "resumed", f"resumed by {actor}")
    elif rollout.held is not None:
        since_s = rollout.held.since_s
        freed = replace(rollout, held=None, resumed_by=actor)
        draft.put(waited(freed, since_s, now_s, fleet.frozen))
        draft.say(
            rollout, "resumed", f"{actor} resumed it, although it was held: {rollout.held.reason}"
        )
    else:
        raise ConflictError(
            "not-waiting",
            f"{rollout.release} is neither paused nor held.",
            remedy="See `seawall status`.",
        )
    return draft.plan()


def abort(fleet: Fleet, actor: str, reason: str, now_s: float) -> Plan:
    """Withdraw the running rollout everywhere; without one, the one that waits longest.

    Raises:
        NotFoundError: no release is on its way, or nothing is there to go back to from it.
    """
    rollout = _running(fleet)
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    words = f"aborted by {actor}" + (f": {reason}" if reason else "")
    draft.withdraw(rollout, Stage.ABORTED, words)
    if draft.fleet.target is None and rollout.committed:
        raise NotFoundError(
            "nothing-to-go-back-to",
            f"{rollout.release} already serves, and there is no earlier release to return to.",
            remedy="Apply a better release"
            + (": " if rollout.stage is Stage.BAKING else " with `--break-glass REASON`: ")
            + "it replaces this one.",
        )
    return draft.plan()


def freeze(fleet: Fleet, actor: str, reason: str, now_s: float) -> Plan:
    """Stop every start and advance.

    Raises:
        ConflictError: the brake would take the freeze of a person over, and lift it later.
    """
    if actor == BRAKE and fleet.frozen is not None:
        raise ConflictError(
            "frozen-already", f"Releases are already frozen by {fleet.frozen.actor}."
        )
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    since_s = fleet.frozen.since_s if fleet.frozen else now_s
    kept = with_standing(fleet.frozen, reason)  # it must be known to whoever lifts the freeze
    draft.fleet = replace(fleet, frozen=Freeze(actor, kept, since_s))
    draft.say(None, "frozen", f"frozen by {actor}" + (f": {reason}" if reason else ""))
    return draft.plan()


def unfreeze(fleet: Fleet, actor: str, now_s: float) -> Plan:
    """Lift the freeze; the time it took does not count against a rollout's deadlines.

    Raises:
        ConflictError: nothing is frozen, or the brake would lift the freeze of a person.
    """
    if fleet.frozen is None:
        raise ConflictError("not-frozen", "Nothing is frozen.", remedy="See `seawall status`.")
    if actor == BRAKE != fleet.frozen.actor:
        raise ConflictError(
            "not-own-freeze",
            f"{fleet.frozen.actor} froze releases; only a person can lift this freeze.",
        )
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    draft.fleet = replace(fleet, frozen=None)
    running = fleet.running
    if running is not None and running.stage is not Stage.BAKING:
        draft.put(waited(running, fleet.frozen.since_s, now_s, None))
    draft.say(None, "unfrozen", f"unfrozen by {actor}")
    return draft.plan()


def forget(fleet: Fleet, name: NodeName, now_s: float) -> Plan:
    """A node was removed: it is told nothing any more, and no rollout waits for it."""
    draft = Draft(fleet, NOBODY, Findings(), now_s)
    for rollout in fleet.rollouts:
        held = rollout.held is not None and name in rollout.members
        left = draft.unhold(rollout) if held else rollout
        draft.put(
            replace(
                left,
                members=_without(name, left.members),
                aside=_without(name, left.aside),
                committed=_without(name, left.committed),
            )
        )
    if name in fleet.assigned:
        rest = {other: told for other, told in fleet.assigned.items() if other != name}
        draft.fleet = replace(draft.fleet, assigned=MappingProxyType(rest))
        draft.withdrawn.append(name)
    return draft.plan()


def _without(name: NodeName, names: tuple[NodeName, ...]) -> tuple[NodeName, ...]:
    return tuple(other for other in names if other != name)


def may_follow(rollout: Rollout, target: Target | None) -> bool:
    """Whether the rollout was made on what is the target now (compare-and-set).

    A newer release of a feed replaces an older one of the same feed that was made on the same
    base, since its content holds everything that the older one changed.
    """
    onto = target.release if target else None
    if rollout.onto == onto:
        return True
    return (
        target is not None
        and bool(rollout.feed)
        and rollout.feed == target.feed
        and (rollout.onto == target.base)
    )


def shown(target: Target | None) -> str:
    """The target's release, or `nothing`."""
    return target.release if target else "nothing"


def _made(fleet: Fleet, order: Order, number: int, now_s: float) -> Rollout:
    policy = paced(order.policy, order.speed, order.period_s)
    straight = _straight(fleet, order)
    return Rollout(
        number=number,
        release=order.release,
        digest=order.digest,
        speed=order.speed,
        policy=policy,
        actor=order.actor,
        onto=order.onto,
        before=None,
        stage=Stage.QUEUED,
        queued_s=now_s,
        started_s=now_s,
        step_started_s=now_s,
        deadline_s=now_s + deadline_s(policy, order.speed, order.period_s),
        feed=order.feed,
        reason=order.reason,
        straight=straight,
        forced=order.forced,
    )


def _straight(fleet: Fleet, order: Order) -> Basis | None:
    """Why the steps may be skipped; None when they may not."""
    if order.break_glass:
        return Basis.BREAK_GLASS
    if fleet.target is None:
        return Basis.FIRST
    if any(good.release == order.release for good in fleet.good) and not order.forced:
        return Basis.KNOWN_GOOD
    return None


def _make_room(draft: Draft, rollout: Rollout, other: Rollout) -> None:
    """End what need not be waited for.

    Raises:
        ConflictError: it has to be waited for.
    """
    if rollout.speed is Speed.FEED and rollout.straight is None:
        return
    if other.stage is Stage.BAKING:
        draft.end(other, Stage.SUPERSEDED, f"{rollout.release} replaced it while it was baking")
    elif other.stage is Stage.QUEUED and other.speed is Speed.FEED:
        pass
    elif _preempts(rollout, other):
        words = f"{rollout.actor} gave {rollout.release} priority"
        if _is_target(other, draft.fleet):
            # What comes was made on it: from the target before it, that could not begin any more.
            draft.end(other, Stage.SUPERSEDED, words)
        else:
            draft.withdraw(other, Stage.SUPERSEDED, words)
    else:
        raise _busy(other)


def _is_target(rollout: Rollout, fleet: Fleet) -> bool:
    """Whether it is committed everywhere at once, and so the target from its beginning."""
    return fleet.target is not None and fleet.target.release == rollout.release


def _preempts(rollout: Rollout, running: Rollout) -> bool:
    """Whether it need not wait: undoing and emergencies go first, then people, then machines."""
    if rollout.straight in {Basis.BREAK_GLASS, Basis.KNOWN_GOOD}:
        return True
    if rollout.speed is Speed.SWITCH:
        # A second switch is made of what holds the first: it waits for its turn.
        return running.speed is not Speed.SWITCH
    return rollout.speed is Speed.CONFIG and running.speed is Speed.FEED


def _coalesce(draft: Draft, rollout: Rollout) -> None:
    """Of one feed only the newest waits."""
    for waiting in draft.fleet.waiting:
        if rollout.feed and waiting.feed == rollout.feed:
            words = (
                f"a newer release of the same feed, {rollout.release}, replaced it before its turn"
            )
            draft.end(waiting, Stage.SUPERSEDED, words)


def _ordered(rollout: Rollout) -> str:
    words = f"{rollout.actor} started it, speed {rollout.speed.value}"
    why = {
        Basis.BREAK_GLASS: "; break-glass: every step is skipped",
        Basis.FIRST: "; the first release: nothing serves yet that it could harm, so there are no "
        "steps",
        Basis.KNOWN_GOOD: "; it was good before: committed at once",
    }
    words += why.get(rollout.straight, "") if rollout.straight else ""
    words += "; its content is quarantined, which was forced" if rollout.forced else ""
    return words + (f": {rollout.reason}" if rollout.reason else "")


def _running(fleet: Fleet) -> Rollout:
    rollout = fleet.running or next(iter(fleet.waiting), None)
    if rollout is None:
        raise NotFoundError(
            "no-rollout", "No release is on its way.", remedy="See `seawall releases`."
        )
    return rollout


def _quarantined(release: ReleaseId) -> RefusedError:
    return RefusedError(
        "release-quarantined",
        f"{release} is quarantined.",
        remedy="Fix the cause and apply again, or force its digest.",
    )


def _moved(rollout: Rollout, target: Target | None) -> ConflictError:
    return ConflictError(
        "parent-moved",
        f"{rollout.release} was made on top of {rollout.onto or 'nothing'}, but {shown(target)} "
        "is the target now.",
        remedy="Look at `seawall diff` again, then apply.",
    )


def _frozen(frozen: Freeze) -> RefusedError:
    return RefusedError(
        "frozen",
        phrases.frozen(frozen.actor, frozen.reason),
        remedy="`seawall unfreeze` lifts the freeze. A rollback to a good release works while "
        "frozen. In an emergency use `--break-glass REASON` with `apply` and `rollback`, or "
        "`--break-glass` with `kill` and `unkill`.",
    )


def _busy(running: Rollout) -> ConflictError:
    return ConflictError(
        "release-in-progress",
        f"Another release is on its way: {running.release} by {running.actor} "
        f"({running.stage.value}).",
        remedy="Wait until it has ended (`seawall status`), or `seawall abort` it.",
    )


def _too_many() -> RefusedError:
    return RefusedError(
        "too-many-waiting",
        f"{limits.ROLLOUTS_WAITING_MAX} releases of feeds are already waiting.",
        remedy="`seawall status` shows what they wait for.",
    )
