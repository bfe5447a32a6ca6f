"""A rollout whose steps can never all be taken."""

from collections.abc import Iterator

from seawall import limits
from seawall.site.build_rollout import build_policy
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import duration_text

RULE = Rule(
    id="rollout-cannot-finish",
    severity=Severity.ERROR,
    meaning="The steps of `rollout` can never be completed.",
    why="Either a step needs more than all connections, since the baseline takes the same "
    "share again, or all waves together, at their deadlines, take longer than a rollout "
    "may last.",
    remedy="Use steps of at most `50%`, or `baseline: false`; shorten deadlines and `bake`.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="listen: {http: 127.0.0.1:8080}\nrollout: {steps: [10%, 60%]}",
    ),
    younger=True,
)
_BOTH_SHARE_MAX = 0.5
_TIMES = ("steps", "waves", "taste_deadline", "bake")


def check(draft: Draft) -> Iterator[Problem]:
    """Each step with its baseline, and the time of all."""
    section = draft.top.section.rollout
    for index, step in enumerate(section.steps):
        if section.baseline and step.share > _BOTH_SHARE_MAX:
            what = (
                f"The step of {step} and a baseline of {step} are "
                f"{step.share * 200:g}% of the connections."
            )
            remedy = "Use a step of at most `50%`, or write `baseline: false`."
            yield RULE.found(draft.top.at("rollout", "steps", index), "", what, remedy=remedy)
    if any(draft.top.lost("rollout", key) for key in _TIMES):
        return
    total_s = build_policy(section).longest_s + section.bake
    if total_s > limits.ROLLOUT_DURATION_S_MAX:
        what = (
            f"All waves at their deadlines and a bake of {duration_text(section.bake)} take "
            f"{duration_text(total_s)}; a rollout may take "
            f"{duration_text(limits.ROLLOUT_DURATION_S_MAX)}."
        )
        remedy = "Shorten the deadlines or `bake`, or write fewer waves."
        yield RULE.found(draft.top.at("rollout", of_key=True), "", what, remedy=remedy)
