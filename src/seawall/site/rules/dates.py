"""Validity of certificates, for the rules that look at it."""

from collections.abc import Iterator

from seawall.site.certificates import CertificateError, read_chain
from seawall.site.draft import CertificateFiles, Draft


def validity(draft: Draft) -> Iterator[tuple[CertificateFiles, float, float]]:
    """Each readable certificate with its first and last second."""
    for files in draft.certificate_files.values():
        if files.chain is None:
            continue
        try:
            facts = read_chain(files.chain)
        except CertificateError:
            continue  # `bad-certificate` says so
        yield files, facts.not_before_s, facts.not_after_s
