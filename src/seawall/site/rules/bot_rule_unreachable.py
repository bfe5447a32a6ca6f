"""A rule for bots that an earlier one always decides before."""

from collections.abc import Iterator

from seawall.bots.expression import ALWAYS, Every, Expression
from seawall.model import BotDo
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import WrittenRule, rules_of
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bot-rule-unreachable",
    severity=Severity.ERROR,
    meaning="A bot rule can never decide: an earlier one decides whenever it would match.",
    why="Rules are tried in order, and the first that matches and decides wins.",
    remedy="Move it above the other rule, or remove it.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots:
  mode: enforce
  rules:
    - {name: everybody, do: allow}
    - {name: low, when: score <= 2, do: challenge}
"""),
    alone=True,
)
_FINAL = (BotDo.ALLOW, BotDo.BLOCK, BotDo.PAYMENT)
"""What always decides; a rate or a challenge lets some pass on to the next rule."""


def check(draft: Draft) -> Iterator[Problem]:
    """Each rule behind one that holds whenever it does."""
    for name, placed in draft.sites.items():
        earlier: list[tuple[WrittenRule, Expression]] = []
        for rule in rules_of(name, placed):
            condition = rule.condition()
            if condition is None:
                continue
            cover = next((one for one, held in earlier if _covers(held, condition)), None)
            if cover is not None:
                what = f"The rule `{rule.section.name}` can never decide."
                why = f"The rule `{cover.section.name}` above decides whenever it would hold."
                yield RULE.found(rule.at(), rule.subject, what, why=why)
            elif rule.does in _FINAL:
                earlier.append((rule, condition))


def _covers(earlier: Expression, later: Expression) -> bool:
    """Whether `earlier` surely holds whenever `later` does."""
    parts = later.parts if isinstance(later, Every) else (later,)
    wanted = earlier.parts if isinstance(earlier, Every) else (earlier,)
    return earlier == ALWAYS or all(part in parts for part in wanted)
