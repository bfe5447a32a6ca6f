"""A site for plain http on an edge that listens for https only."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="site-without-listener",
    severity=Severity.WARNING,
    meaning="A site has `tls: false`, but the edge has no listener for plain http.",
    why="No client can reach it.",
    remedy="Write `listen.http`, give the site a certificate, or remove it.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="listen: {https: 127.0.0.1:8443}\ntls: {development_ca: true}",
    )
    + "  blog: {hosts: [blog.example.com], origin: 'http://127.0.0.1:3001', tls: false}\n",
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each site that no listener is for; `https-without-certificate` tells where that is each."""
    listen = draft.top.section.listen
    if listen.http or not listen.https or draft.top.lost("listen", "http"):
        return
    plain = {name: site for name, site in draft.sites.items() if site.section.tls is False}
    for name, site in plain.items() if len(plain) < len(draft.sites) else ():
        if not site.lost("tls"):
            what = (
                f"The site `{name}` is for plain http alone, and the edge listens for https only."
            )
            yield RULE.found(site.at("tls"), f"site {name}", what)
