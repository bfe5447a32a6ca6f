"""A rule for bots that names a bot which Seawall does not know."""

import difflib
from collections.abc import Iterator

from seawall.bots.expression import Compare, Every, Expression, Not, OneOf, Some
from seawall.bots.expression_names import Name
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import bot_rules
from seawall.site.rules.rule import Rule, one_site
from seawall.verify.catalogue import catalogue

RULE = Rule(
    id="unknown-bot",
    severity=Severity.WARNING,
    meaning="A rule compares `verified`, `impostor` or `claims` with an unknown bot.",
    why="It can never be true.",
    remedy="docs/verified-bots.md lists the known bots.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots: {mode: enforce, rules: [{name: google, when: 'verified == "googelbot"', do: allow}]}
"""),
    alone=True,
)
_NAMES = frozenset({"verified", "impostor", "claims"})


def check(draft: Draft) -> Iterator[Problem]:
    """Each name of a bot in each condition."""
    known = {bot.name for bot in catalogue().bots}
    for rule in bot_rules(draft):
        condition = rule.condition()
        if condition is None:
            continue
        for bot in sorted(_bots(condition) - known - {""}):
            near = difflib.get_close_matches(bot, sorted(known), n=1)
            remedy = f"Did you mean `{near[0]}`?" if near else ""
            what = f"No bot is called `{bot[:60]}`."
            yield RULE.found(rule.at("when"), rule.subject, what, remedy=remedy)


def _bots(condition: Expression) -> set[str]:
    match condition:
        case Every(parts) | Some(parts):
            return set().union(*(_bots(part) for part in parts))
        case Not(part):
            return _bots(part)
        case OneOf(Name(text=name), options) if name in _NAMES:
            return {str(option) for option in options}
        case Compare(Name(text=name), _, str(bot)) | Compare(str(bot), _, Name(text=name)):
            return {bot} if name in _NAMES else set()
        case _:
            return set()
