"""A fleet after the clock was set: what goes on began as long ago as before. Pure.

Times of a rollout are Unix seconds, because a restart must not lose them, and most of what they
are for is durations: how long a step soaked, when it is out of time, how long a node has not
answered. So they move with the clock, and nothing is passed, told or withdrawn for its sake.
"""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from seawall import limits
from seawall.rollout.draft import Draft
from seawall.rollout.state import Findings, Fleet, Inventory, Plan, Rollout

_NOBODY: Final = Inventory({}, 0.0)
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def set_by_s(fleet: Fleet, now_s: float, moved_s: float) -> float:
    """By how much the clock was set; 0 when it goes as it should.

    Args:
        fleet: as stored.
        now_s: Unix seconds.
        moved_s: how much more has passed by this clock than really, since somebody last looked.
    """
    if abs(moved_s) >= limits.CLOCK_SET_S_MIN:
        return moved_s
    # Set back while no control process ran, or this one took over from one whose clock is ahead.
    began_s = fleet.running.step_started_s if fleet.running is not None else now_s
    return now_s - began_s if began_s - now_s >= limits.CLOCK_SET_S_MIN else 0.0


def retimed(fleet: Fleet, by_s: float, now_s: float) -> Plan:
    """All of the fleet's times `by_s` later, and a sentence in the history of what is running."""
    following = replace(
        fleet,
        frozen=replace(fleet.frozen, since_s=fleet.frozen.since_s + by_s)
        if fleet.frozen is not None
        else None,
        rollouts=tuple(_retimed(rollout, by_s) for rollout in fleet.rollouts),
        assigned=MappingProxyType(
            {name: replace(told, at_s=told.at_s + by_s) for name, told in fleet.assigned.items()}
        ),
    )
    draft = Draft(following, _NOBODY, Findings(), now_s)
    where = "ahead" if by_s > 0 else "back"
    words = f"the clock was set {where} by {_span(abs(by_s))}: its steps last as long as before"
    draft.say(following.running, "clock-set", words)
    return replace(draft.plan(), assignments=tuple(following.assigned.values()))


def _retimed(rollout: Rollout, by_s: float) -> Rollout:
    held, paused = rollout.held, rollout.paused
    return replace(
        rollout,
        queued_s=rollout.queued_s + by_s,
        started_s=rollout.started_s + by_s,
        step_started_s=rollout.step_started_s + by_s,
        deadline_s=rollout.deadline_s + by_s,
        held=None if held is None else replace(held, since_s=held.since_s + by_s),
        paused=None if paused is None else replace(paused, since_s=paused.since_s + by_s),
        passed=tuple(replace(one, at_s=one.at_s + by_s) for one in rollout.passed),
    )


def _span(duration_s: float) -> str:
    """The two largest units of a duration: `1 d 2 h`."""
    left, words = round(duration_s), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words[:2])
