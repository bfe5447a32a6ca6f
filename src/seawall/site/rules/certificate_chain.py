"""A certificate file whose certificates do not lead from the site's own to an authority."""

from collections.abc import Iterator

from seawall.site.certificates import CertificateError, read_chain
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="certificate-chain",
    severity=Severity.WARNING,
    meaning="The certificates in a file do not form a chain from the site's own to a CA.",
    why="Browsers may know the missing certificate and still connect. curl, programs and "
    "phones refuse.",
    remedy="Put the site's own certificate first, then the one that issued it, and so on (with "
    "certbot the file `fullchain.pem`); the root may be left out.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/gap.pem, key: certs/shop.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each certificate file that can be read."""
    for files in draft.certificate_files.values():
        if files.chain is None:
            continue
        try:
            gap = read_chain(files.chain).gap
        except CertificateError:
            continue  # `bad-certificate` says so
        if gap:
            yield RULE.found(files.location, files.subject, gap)
