"""Rules for bots that are written and not carried out."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bot-rules-observed",
    severity=Severity.WARNING,
    meaning="A site has bot rules or categories, but no `mode`.",
    why="Without `mode: enforce` the edge only records what they would do.",
    remedy="Write `mode: enforce`, or `mode: observe` if you mean that.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots: {rules: [{name: low, when: score <= 2, do: challenge}]}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each site with a policy and no mode."""
    for name, placed in draft.sites.items():
        bots = placed.section.bots
        if bots is None or "mode" in bots.model_fields_set:
            continue
        if bots.rules or bots.categories:
            what = "The rules for bots are recorded and not carried out."
            yield RULE.found(placed.at("bots"), f"site {name}", what)
