"""A golden request over a protocol that its site is not served by."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.rules.served import has_https

RULE = Rule(
    id="golden-unreachable",
    severity=Severity.ERROR,
    meaning="A golden request uses http or https, but the site is not served over that.",
    why="Nothing listens there, or there is no certificate for it.",
    remedy="Change `https`, or listen there.",
    example=one_site("""
origin: http://127.0.0.1:3000
golden: [{path: /, https: true}]
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each golden request that says which protocol."""
    listens = draft.top.section.listen.http or draft.top.lost("listen", "http")
    for name, site in draft.sites.items():
        for index, golden in enumerate(site.section.golden):
            at = site.at("golden", index, "https")
            if golden.https and not has_https(draft, site):
                what = "The site is not served over https."
                yield RULE.found(at, f"site {name}", what)
            elif golden.https is False and not listens:
                what = "Nothing listens for plain http."
                yield RULE.found(at, f"site {name}", what)
