"""A step of the canary that another control process began: it begins again. Pure.

What nodes measure is kept in memory, by the process that they report to. One that takes over, or
is started anew, has seen nothing of the step: by its deadline too little would be known, as if
nobody had come, and golden requests alone would decide.
"""

from dataclasses import replace

from seawall.rollout.draft import Draft
from seawall.rollout.state import Findings, Fleet, Inventory, Plan, Stage
from seawall.rollout.words import step_text

_NOBODY = Inventory({}, 0.0)


def begun_again(fleet: Fleet, now_s: float) -> Plan | None:
    """The fleet whose step lasts from now on; None when no step of a canary goes on.

    The rollout is to be over when it was: a control process that ends again and again must not
    leave a candidate with clients for ever.

    Args:
        fleet: as stored.
        now_s: Unix seconds, of a process that has just begun to carry out.
    """
    rollout = fleet.running
    if rollout is None or rollout.stage is not Stage.CANARY or rollout.step_started_s >= now_s:
        return None
    draft = Draft(fleet, _NOBODY, Findings(), now_s)
    draft.put(replace(rollout, step_started_s=now_s))
    words = (
        f"{step_text(rollout)} begins again: this control process has just taken over and has no "
        "measurements of it"
    )
    draft.say(rollout, "step-again", words)
    return draft.plan()
