"""A redirect that says twice where it leads."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import shown

RULE = Rule(
    id="redirect-twice",
    severity=Severity.ERROR,
    meaning="A redirect has `prefix`, and a path or a query in `to`.",
    why="Only one of them can be the target.",
    remedy="Keep one of the two. Beside `prefix`, `to` may name the host.",
    example=one_site("routes: [{name: old, prefix: /old, redirect: {to: /new, prefix: /newer}}]"),
    younger=True,
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each redirect of a route."""
    for name, placed in draft.sites.items():
        for index, route in enumerate(placed.section.routes):
            redirect = route.redirect
            if redirect is None or redirect.prefix is None:
                continue
            parts = urlsplit(redirect.to or "")
            if parts.path in {"", "/"} and not parts.query:
                continue
            what = f"`prefix` says where to go, and so does the path of {shown(redirect.to)}."
            at = placed.at("routes", index, "redirect")
            yield RULE.found(at, f"route {name}/{route.name}", what)
