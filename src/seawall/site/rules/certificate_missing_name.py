"""A host that its site's certificate does not cover."""

from collections.abc import Iterator

from seawall.site.certificates import covers
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="certificate-missing-name",
    severity=Severity.WARNING,
    meaning="The certificate of a site does not cover one of its hosts.",
    why="Browsers refuse it for that host (RFC 9525).",
    remedy="Get a certificate with that name, or move the host to a site of its own.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/other.pem, key: certs/other.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each host of each site with a certificate that was read."""
    for name, site in draft.sites.items():
        shown = draft.built_sites[name].certificate
        certificate = draft.built_certificates.get(shown) if shown else None
        if certificate is None:
            continue
        for index, host in enumerate(site.section.hosts):
            if not covers(certificate.dns_names, host):
                names = ", ".join(certificate.dns_names[:5]) or "no name at all"
                what = f"The certificate does not cover `{host}`, but {names}."
                yield RULE.found(site.at("hosts", index), f"site {name}", what)
