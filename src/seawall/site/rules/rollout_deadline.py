"""A step of the rollout whose deadline comes before its soak time ends."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import duration_text

RULE = Rule(
    id="rollout-deadline-too-short",
    severity=Severity.ERROR,
    meaning="The `deadline` of a step of `rollout` is shorter than its `soak`.",
    why="The step would be given up before it could pass.",
    remedy="Make `deadline` longer than `soak`.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="listen: {http: 127.0.0.1:8080}\n"
        "rollout: {steps: [{share: 1%, soak: 5m, deadline: 1m}]}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each step by itself."""
    for index, step in enumerate(draft.top.section.rollout.steps):
        if draft.top.lost("rollout", "steps", index):
            continue
        if step.deadline_s < step.soak_s:
            what = (
                f"The step of {step} must last {duration_text(step.soak_s)}, "
                f"but ends after {duration_text(step.deadline_s)}."
            )
            at = draft.top.at("rollout", "steps", index)
            remedy = f"Write `deadline: {duration_text(step.soak_s * 2)}`, or a shorter `soak`."
            yield RULE.found(at, "", what, remedy=remedy)
