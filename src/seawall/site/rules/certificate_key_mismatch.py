"""A private key that does not belong to its certificate."""

from collections.abc import Iterator

from seawall.site.certificates import CertificateError, public_key_of, read_chain
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="certificate-key-mismatch",
    severity=Severity.ERROR,
    meaning="The private key does not belong to the certificate.",
    why="No handshake could succeed. The first certificate in the file must be the site's own.",
    remedy="Use the key that the certificate was made with.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/shop.pem, key: certs/other.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each pair of files that can be read."""
    for files in draft.certificate_files.values():
        if files.chain is None or files.key is None:
            continue
        try:
            matching = read_chain(files.chain).public_key == public_key_of(files.key)
        except CertificateError:
            continue  # `bad-certificate` says so
        if not matching:
            what = "The private key does not belong to the certificate."
            yield RULE.found(files.key_location, files.subject, what)
