"""A golden request with a method that may change something."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="golden-unsafe-method",
    severity=Severity.ERROR,
    meaning="The method of a golden request is not `GET`, `HEAD` or `OPTIONS`.",
    why="Golden requests are sent many times, by several processes, unattended. They must not "
    "change anything (RFC 9110 section 9.2.1).",
    remedy="Request something that can be read, such as a health page.",
    example=one_site("""
origin: http://127.0.0.1:3000
golden: [{path: /orders, method: POST}]
"""),
    alone=True,
)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def check(draft: Draft) -> Iterator[Problem]:
    """The method of each golden request."""
    for name, site in draft.sites.items():
        for index, golden in enumerate(site.section.golden):
            if golden.method not in SAFE_METHODS:
                what = f"`{golden.method}` may change something."
                yield RULE.found(site.at("golden", index, "method"), f"site {name}", what)
