"""A rule for bots that turns everybody away."""

from collections.abc import Iterator

from seawall.bots.expression import ALWAYS
from seawall.model import BotDo
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import bot_rules
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bot-rule-blocks-everyone",
    severity=Severity.ERROR,
    meaning="A bot rule blocks without a condition.",
    why="It would block everybody whom no earlier rule lets in, people included.",
    remedy="Write `when`. To close a site, use a route with `respond`.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots: {mode: enforce, rules: [{name: all, do: block}]}
"""),
    alone=True,
)
_REFUSES = (BotDo.BLOCK, BotDo.PAYMENT)


def check(draft: Draft) -> Iterator[Problem]:
    """Each rule that always holds and refuses."""
    for rule in bot_rules(draft):
        if rule.does in _REFUSES and rule.condition() == ALWAYS:
            what = f"The rule `{rule.section.name}` turns everybody away."
            yield RULE.found(rule.at(), rule.subject, what)
