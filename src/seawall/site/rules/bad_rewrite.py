"""A rewrite or redirect of a prefix on a route without one, or of a group that is not there."""

import re
from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.regex import compile_regex
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.route import RedirectSection, RewriteSection

RULE = Rule(
    id="bad-rewrite",
    severity=Severity.ERROR,
    meaning="A route rewrites a part of the path that it does not match, or refers to a group "
    "that does not exist.",
    why="`prefix` replaces what the route's own `prefix` matched; `\\1` is the first group.",
    remedy="Give the route a `prefix`, or rewrite with `regex` and `to`.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: old, path: /old, rewrite: {prefix: /new}}
"""),
    younger=True,
    alone=True,
)
_GROUP = re.compile(r"\\([0-9]|.|$)")
_FOREIGN_GROUP = re.compile(r"\$(?:[0-9]|\{)")
_HOW_TO_REDIRECT = "A redirect keeps the rest of the path with `prefix`, and takes no groups."


def check(draft: Draft) -> Iterator[Problem]:
    """Each rewrite, and each redirect that keeps the rest of the path."""
    for name, site in draft.sites.items():
        for index, route in enumerate(site.section.routes):
            subject = f"route {name}/{route.name}"
            by_path = route.path is not None or route.regex is not None
            for key in ("rewrite", "redirect"):
                section = getattr(route, key)
                if section is not None and section.prefix is not None and by_path:
                    what = "This replaces a prefix, but the route matches none."
                    yield RULE.found(site.at("routes", index, key, "prefix"), subject, what)
            if route.rewrite is not None and (what := _bad_group(route.rewrite)):
                yield RULE.found(site.at("routes", index, "rewrite", "to"), subject, what)
            if route.redirect is not None and (what := _group_in(route.redirect, route.regex)):
                at = site.at("routes", index, "redirect")
                yield RULE.found(at, subject, what, remedy=_HOW_TO_REDIRECT)


def _bad_group(rewrite: RewriteSection) -> str:
    if rewrite.regex is None or rewrite.to is None:
        return ""
    compiled = compile_regex(rewrite.regex)
    if compiled.pattern is None:
        return ""
    for found in _GROUP.finditer(rewrite.to):
        written = found[1]
        if written.isdigit() and int(written) > compiled.groups:
            return f"`\\{written}` names a group, but the expression has {compiled.groups}."
        if not written.isdigit() and written != "\\":
            return f"`\\{written}` means nothing here; write `\\\\` for a backslash."
    if compiled.groups and (foreign := _FOREIGN_GROUP.search(rewrite.to)):
        return f"`{foreign[0]}` is no group, but text; write `\\1` for the first one."
    return ""


def _group_in(redirect: RedirectSection, regex: str | None) -> str:
    found = _GROUP.search(redirect.to or "")
    if found is None and regex is not None and compile_regex(regex).groups:
        found = _FOREIGN_GROUP.search(redirect.to or "")
    return "" if found is None else f"`{found[0]}` would stand in the place to go to as it is."
