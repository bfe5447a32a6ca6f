"""A certificate, key or authority file that is not what it should be."""

from collections.abc import Iterator

from seawall.site.certificates import (
    CertificateError,
    check_authorities,
    public_key_of,
    read_chain,
)
from seawall.site.draft import CertificateFiles, Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bad-certificate",
    severity=Severity.ERROR,
    meaning="A file contains no usable PEM certificate or private key.",
    why="The edge could not start with it.",
    remedy="Use PEM files: the certificate with its intermediates, and an RSA (2048 bits or more) "
    "or EC P-256/384 key without passphrase.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/not-pem.txt, key: certs/shop.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each certificate, key and authority file."""
    for files in draft.certificate_files.values():
        for at, what in ((files.location, _chain(files)), (files.key_location, _key(files))):
            if what:
                yield RULE.found(at, files.subject, what)
    for named in draft.files.named:
        if named.purpose == "ca" and (content := draft.files.content.get(named.path)) is not None:
            try:
                check_authorities(content)
            except CertificateError as error:
                what = f"The authority file cannot be used: {error}."
                yield RULE.found(named.location, named.subject, what)


def _chain(files: CertificateFiles) -> str:
    if files.chain is None:
        return ""
    try:
        facts = read_chain(files.chain)
    except CertificateError as error:
        return f"The certificate file cannot be used: {error}."
    if facts.key_accepted:
        return ""
    return f"The key of the certificate is {facts.key_words}, which is not accepted."


def _key(files: CertificateFiles) -> str:
    if files.key is None:
        return ""
    try:
        public_key_of(files.key)
    except CertificateError as error:
        return f"The key file cannot be used: {error}."
    return ""
