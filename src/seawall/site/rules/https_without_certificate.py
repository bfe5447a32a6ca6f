"""An https listener, and a site that has nothing to show there."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="https-without-certificate",
    severity=Severity.ERROR,
    meaning="The edge listens for https, but a site has no certificate.",
    why="The TLS handshake of its clients would fail.",
    remedy="Write `tls` on the site; `tls: false` if it is for plain http only; or "
    "`tls: {development_ca: true}` at the top for development.",
    example=one_site("origin: http://127.0.0.1:3000", top="listen: {https: 127.0.0.1:8443}"),
    younger=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each site that did not decide about https, and a listener that none is left for."""
    file = draft.top.section
    if not file.listen.https:
        return
    made = file.tls.development_ca or draft.top.lost("tls", "development_ca")
    for name, site in () if made else draft.sites.items():
        if site.section.tls is None and not site.lost("tls"):
            what = f"The site `{name}` has no certificate for https."
            yield RULE.found(site.at(), f"site {name}", what)
    sites = () if draft.misses("sites") else draft.sites.values()
    if sites and all(site.section.tls is False for site in sites):
        at = draft.top.at("listen", "https", of_key=True)
        yield RULE.found(at, "", "The edge listens for https, but no site has a certificate.")
