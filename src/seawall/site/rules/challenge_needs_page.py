"""A challenge on a site that has no page to show it on."""

from collections.abc import Iterator

from seawall.model import BotDo, RouteClass
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.bot_rules import rules_of
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="challenge-needs-page",
    severity=Severity.WARNING,
    meaning="A bot rule challenges clients of a site that has no route of class `page`.",
    why="An HTML challenge is shown for pages only. Here the rule answers 403 to everybody "
    "whom it matches, and nobody can pass.",
    remedy="Use `{rate: ...}` or `block`, or set `class: page` where pages are served.",
    example=one_site("""
origin: http://127.0.0.1:3000
class: api
bots: {mode: enforce, rules: [{name: low, when: score <= 2, do: challenge}]}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each rule that challenges on a site without pages."""
    for name, placed in draft.sites.items():
        routes = draft.built_sites[name].routes
        if placed.gone("routes") or any(
            route.route_class is RouteClass.PAGE and route.bots for route in routes
        ):
            continue
        for rule in rules_of(name, placed):
            if rule.does is BotDo.CHALLENGE:
                what = f"The rule `{rule.section.name}` challenges, and the site has no pages."
                yield RULE.found(rule.at("do"), rule.subject, what)
