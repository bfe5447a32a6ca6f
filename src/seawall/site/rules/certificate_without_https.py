"""A site with a certificate on an edge that does not listen for https."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.site import SiteTlsSection

RULE = Rule(
    id="certificate-without-https",
    severity=Severity.WARNING,
    meaning="A site has a certificate, but the edge does not listen for https.",
    why="The certificate is never shown.",
    remedy="Write `listen: {https: 0.0.0.0:443}`, or remove `tls`.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/shop.pem, key: certs/shop.key}"
    ),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each such site."""
    if draft.top.section.listen.https or draft.top.lost("listen", "https"):
        return
    for name, site in draft.sites.items():
        if isinstance(site.section.tls, SiteTlsSection):
            what = f"The certificate of the site `{name}` is never shown."
            yield RULE.found(site.at("tls", of_key=True), f"site {name}", what)
