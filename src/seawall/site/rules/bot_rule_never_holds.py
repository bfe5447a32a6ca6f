"""A rule for bots whose condition no request can meet."""

from collections.abc import Iterator
from typing import Final

from seawall.bots.expression_names import Name
from seawall.bots.expression_reach import never_by
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import bot_rules
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bot-rule-never-holds",
    severity=Severity.WARNING,
    meaning="The condition of a bot rule can never be true.",
    why="The rule does nothing, but you would believe that it works.",
    remedy="Compare with a value that is possible; docs/bot-policy.md lists all names.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots: {mode: enforce, rules: [{name: login, when: 'path == "login" and score <= 20', do: block}]}
"""),
    alone=True,
)
_REMEDIES: Final = {
    "path": "A path begins with `/` and is without the query. /robots.txt, and what is below "
    "/.well-known/seawall/ and /.well-known/acme-challenge/, is let through before any rule.",
    "host": "A host is in lower case and without port here.",
    "method": "A method is in capitals: `POST`.",
    "kind": "/robots.txt is let through before any rule.",
    "false": "Remove the rule, or write its condition.",
}


def check(draft: Draft) -> Iterator[Problem]:
    """Each condition that no request meets."""
    for rule in bot_rules(draft):
        condition = rule.condition()
        name = never_by(condition) if condition is not None else None
        if name is not None:
            what = f"The rule `{rule.section.name}` never holds, whatever `{name.text}` is."
            yield RULE.found(rule.at("when"), rule.subject, what, remedy=_remedy(name))


def _remedy(name: Name) -> str:
    apart = f"What it asks of `{name.text}` cannot be all at once, or is out of reach."
    most = name.reach or name.most
    within = f"It is {name.least:,} to {most:,}." if most and not name.words else ""
    words = [word for word in (apart, within, name.scale) if word]
    return _REMEDIES.get(name.text) or " ".join(words)
