"""Three speeds on one path: what each takes of a site's policy, and how long a rollout may last.

A feed comes by itself and often: two short steps, and it must be through before the next one
comes. A switch is for emergencies: one node, then all, within a minute. Everything else follows
the site file.
"""

from collections.abc import Iterator
from dataclasses import replace

from seawall import limits
from seawall.errors import UsageError
from seawall.model.rollout import RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.rollout.state import Speed

_FEED_TASTE_SHARE = 0.2
_FEED_STEPS_SHARE = 0.4
_FEED_BAKE_SHARE = 0.2


def paced(policy: RolloutPolicy, speed: Speed, period_s: float | None = None) -> RolloutPolicy:
    """The policy as a release of this speed follows it.

    Args:
        policy: of the site file.
        speed: of the release.
        period_s: of a feed, how often it comes; None when it does not say.

    Raises:
        UsageError: the steps cannot all be taken in the time a rollout may have.
    """
    made = policy
    if speed is Speed.FEED:
        made = _feed(policy, _period(period_s))
    elif speed is Speed.SWITCH:
        made = replace(
            policy,
            steps=(),
            waves=(Wave(),),
            taste_deadline_s=min(policy.taste_deadline_s, limits.SWITCH_TASTE_S),
            without_traffic=WithoutTraffic.PROBES,
        )
    _require_possible(made)
    return made


def deadline_s(policy: RolloutPolicy, speed: Speed, period_s: float | None = None) -> float:
    """From its start until a rollout must have committed everywhere.

    Args:
        policy: as `paced` made it.
        speed: of the release.
        period_s: of a feed.
    """
    if speed is Speed.FEED:
        return _period(period_s)
    if speed is Speed.SWITCH:
        return limits.SWITCH_DEADLINE_S
    return policy.longest_s + limits.ROLLOUT_SLACK_S


def _feed(policy: RolloutPolicy, period_s: float) -> RolloutPolicy:
    """Of one period: a fifth to taste, two fifths for all steps of all waves, a fifth to bake."""
    shares = limits.FEED_STEP_SHARES_PERMILLE
    waves = tuple(_first_waves(policy)) or (Wave(share=0.1),)
    rounds = len(shares) * (len(waves) + 1)
    each_s = min(limits.FEED_STEP_DEADLINE_S_MAX, period_s * _FEED_STEPS_SHARE / rounds)
    soak_s = min(limits.FEED_STEP_SOAK_S, each_s / 2)
    return replace(
        policy,
        steps=tuple(Step(share, soak_s, each_s) for share in shares),
        waves=waves,
        taste_deadline_s=min(
            policy.taste_deadline_s, period_s * _FEED_TASTE_SHARE / (len(waves) + 1)
        ),
        bake_s=min(policy.bake_s, period_s * _FEED_BAKE_SHARE),
    )


def _first_waves(policy: RolloutPolicy) -> Iterator[Wave]:
    """As far as the first share of all nodes: in a group before it there may be none."""
    for wave in policy.waves:
        yield wave
        if not wave.group:
            return


def _period(period_s: float | None) -> float:
    period_s = limits.FEED_PERIOD_S if period_s is None else period_s
    if period_s < limits.FEED_PERIOD_S_MIN:
        raise UsageError(
            "feed-too-fast",
            f"A feed that comes every {period_s:g} s leaves no time to try each release.",
            remedy=f"Push it at most every {limits.FEED_PERIOD_S_MIN:g} s.",
        )
    return period_s


def _require_possible(policy: RolloutPolicy) -> None:
    longest_s = policy.longest_s
    if longest_s > limits.ROLLOUT_DURATION_S_MAX:
        raise UsageError(
            "policy-cannot-finish",
            f"{len(policy.waves) + 1} waves at their deadlines take {longest_s:.0f} s; a rollout "
            f"may take {limits.ROLLOUT_DURATION_S_MAX} s.",
            remedy="Shorten the deadlines of the steps in `rollout:`, or use fewer waves.",
        )
    for step in policy.steps:
        if step.soak_s > step.deadline_s:
            raise UsageError(
                "policy-cannot-finish",
                f"A step soaks for {step.soak_s:g} s but ends after {step.deadline_s:g} s.",
                remedy="Make `deadline` longer than `soak` in `rollout:`.",
            )
