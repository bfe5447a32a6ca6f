"""HSTS on a site that browsers could then not reach."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.rules.served import has_https

RULE = Rule(
    id="hsts-without-https",
    severity=Severity.ERROR,
    meaning="A site tells browsers to use https only, but is not served over https.",
    why="The header is never sent, since browsers ignore it on plain http (RFC 6797 section 8.1).",
    remedy="Give the edge an https listener and the site a certificate, or remove `hsts`.",
    example=one_site("origin: http://127.0.0.1:3000\nhsts: true"),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each such site."""
    for name, site in draft.sites.items():
        if site.section.hsts and not has_https(draft, site):
            what = f"The site `{name}` has `hsts`, but is not served over https."
            yield RULE.found(site.at("hsts"), f"site {name}", what)
