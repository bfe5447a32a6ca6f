"""Two rules for bots of one site that share a name."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import WrittenRule, rules_of
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bot-rule-duplicate",
    severity=Severity.ERROR,
    meaning="Two bot rules of one site have the same name.",
    why="Records and `seawall why` name the rule that decided.",
    remedy="Rename one of them.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots:
  mode: enforce
  rules:
    - {name: low, when: score <= 2, do: block}
    - {name: low, when: score <= 20, do: challenge}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each rule whose name stands above."""
    for name, placed in draft.sites.items():
        seen: dict[str, WrittenRule] = {}
        for rule in rules_of(name, placed):
            earlier = seen.setdefault(rule.section.name, rule)
            if earlier is not rule and not rule.lost("name"):
                what = f"The name `{rule.section.name}` stands twice among the rules for bots."
                why = f"The other rule is at {earlier.at()}."
                yield RULE.found(rule.at("name"), rule.subject, what, why=why)
