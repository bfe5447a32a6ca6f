"""A certificate whose time is over, or has not begun."""

from collections.abc import Iterator

from seawall.phrases import minute
from seawall.site.draft import CertificateFiles, Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.dates import validity
from seawall.site.rules.rule import Rule, one_site, served_already

RULE = Rule(
    id="certificate-expired",
    severity=Severity.ERROR,
    meaning="A certificate has expired, or is not valid yet. If that very file is in use already, "
    "this is a warning.",
    why="Browsers refuse it.",
    remedy="Renew it; if it is new, check the clock of this machine.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/expired.pem, key: certs/expired.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each certificate from a file, by the time of this load."""
    for files, begin_s, end_s in validity(draft):
        if end_s <= draft.now_s:
            what = f"The certificate expired on {minute(end_s)}."
        elif begin_s > draft.now_s:
            what = f"The certificate is valid from {minute(begin_s)} only."
        else:
            continue
        problem = RULE.found(files.location, files.subject, what)
        yield served_already(problem) if _serves(draft, files) else problem


def _serves(draft: Draft, files: CertificateFiles) -> bool:
    """Whether time passed over a certificate that was good when it was released."""
    if draft.served is None or files.chain is None:
        return False
    return draft.served.holds(files.chain_path, files.chain)
