"""Steps or waves of the rollout that do not grow."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import per_cent

RULE = Rule(
    id="rollout-not-growing",
    severity=Severity.ERROR,
    meaning="A step or wave of `rollout` is not larger than the one before it.",
    why="A release gets more traffic only as it proves itself. A smaller step proves nothing.",
    remedy="Write shares in growing order, each node group once, and nothing after `100%`.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="listen: {http: 127.0.0.1:8080}\nrollout: {steps: [10%, 1%]}",
    ),
)
_SHARE = per_cent(0, 100)


def check(draft: Draft) -> Iterator[Problem]:
    """Each step and wave next to those before it."""
    section = draft.top.section.rollout
    before = None
    for index, step in enumerate(section.steps):
        if before is not None and step.share <= before.share:
            what = f"The step of {step} comes after one of {before}."
            yield RULE.found(draft.top.at("rollout", "steps", index), "", what)
        before = step
    largest, seen = "", set[str]()
    for index, wave in enumerate(section.waves):
        what = ""
        if wave in seen:
            what = f"The wave `{wave}` is written twice."
        elif largest and _SHARE.check(largest) >= 1:
            what = f"The wave `{wave}` comes when all nodes have the release."
        elif "%" in wave and largest and _SHARE.check(wave) <= _SHARE.check(largest):
            what = f"The wave of {wave} comes after one of {largest}."
        if what:
            yield RULE.found(draft.top.at("rollout", "waves", index), "", what)
        seen.add(wave)
        if "%" in wave:
            largest = wave
