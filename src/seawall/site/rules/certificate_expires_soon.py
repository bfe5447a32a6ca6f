"""A certificate with less than two weeks, and less than a third of its lifetime, to go."""

from collections.abc import Iterator

from seawall import limits
from seawall.phrases import minute
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.dates import validity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="certificate-expires-soon",
    severity=Severity.WARNING,
    meaning="A certificate expires within 14 days, and within a third of its lifetime.",
    why="After that day browsers refuse it.",
    remedy="Renew it now. The edge picks up the changed file without a restart.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/soon.pem, key: certs/soon.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each certificate from a file, by the time of this load."""
    for files, begin_s, end_s in validity(draft):
        left_s = end_s - draft.now_s
        late_s = (end_s - begin_s) * limits.CERTIFICATE_EXPIRY_WARNING_SHARE
        if 0 < left_s < min(limits.CERTIFICATE_EXPIRY_WARNING_S, late_s):
            days = int(left_s // 86_400)
            what = f"The certificate expires on {minute(end_s)}, in {days} days."
            yield RULE.found(files.location, files.subject, what)
