"""A rule for bots whose condition is not one."""

from collections.abc import Iterator

from seawall.bots.expression_parse import Fault, parse
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import bot_rules
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bad-bot-rule",
    severity=Severity.ERROR,
    meaning="The condition of a bot rule is invalid.",
    why="If the rule were ignored silently, you would believe that it works.",
    remedy="See docs/bot-policy.md for the language and all names.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots: {mode: enforce, rules: [{name: low, when: "scor <= 2", do: challenge}]}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each condition of each site."""
    for rule in bot_rules(draft):
        found = parse(rule.when)
        if isinstance(found, Fault):
            what = f"Column {found.column} of the condition: {found.what}"
            yield RULE.found(rule.at("when"), rule.subject, what, remedy=found.remedy)
