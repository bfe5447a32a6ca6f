"""A redirect to https where there is no https."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.rules.served import has_https

RULE = Rule(
    id="redirect-without-https",
    severity=Severity.ERROR,
    meaning="A site redirects to https, but is not served over https.",
    why="Nobody could reach it any more.",
    remedy="Give the edge an https listener and the site a certificate, or remove "
    "`redirect_to_https`.",
    example=one_site("origin: http://127.0.0.1:3000\nredirect_to_https: true"),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each such site."""
    for name, site in draft.sites.items():
        if site.section.redirect_to_https and not has_https(draft, site):
            what = f"The site `{name}` redirects to https, but is not served there."
            yield RULE.found(site.at("redirect_to_https"), f"site {name}", what)
