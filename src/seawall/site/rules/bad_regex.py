"""A regular expression that RE2 refuses, or that would be too costly on the request path."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.regex import compile_regex
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.route import RouteSection
from seawall.site.tree import Step

RULE = Rule(
    id="bad-regex",
    severity=Severity.ERROR,
    meaning="The edge cannot use a regular expression.",
    why="The edge uses RE2, which has no backreferences and no look-around, and limits its size.",
    remedy="See the RE2 syntax page, or use `path` and `prefix`.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: item, regex: "/item/(?=[0-9])"}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each expression of each route."""
    for name, site in draft.sites.items():
        for index, route in enumerate(site.section.routes):
            for regex, steps in _expressions(route):
                error = compile_regex(regex).error
                if error:
                    where = site.at("routes", index, *steps)
                    what = f"The expression `{regex[:80]}` cannot be used: {error}."
                    yield RULE.found(where, f"route {name}/{route.name}", what)


def _expressions(route: RouteSection) -> Iterator[tuple[str, tuple[Step, ...]]]:
    if route.regex is not None:
        yield route.regex, ("regex",)
    if route.rewrite is not None and route.rewrite.regex is not None:
        yield route.rewrite.regex, ("rewrite", "regex")
    for part, conditions in (("headers", route.headers), ("query", route.query)):
        for key, condition in conditions.items():
            if condition.regex is not None:
                yield condition.regex, (part, key, "regex")
