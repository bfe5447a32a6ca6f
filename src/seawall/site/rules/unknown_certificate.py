"""A site that names a certificate which is not defined, or only half of one."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.site import SiteTlsSection
from seawall.site.schema.values import did_you_mean

RULE = Rule(
    id="unknown-certificate",
    severity=Severity.ERROR,
    meaning="The `tls` of a site names a certificate that is not defined, or only one of its two "
    "files.",
    why="There would be no certificate for its clients.",
    remedy="Write `{certificate: NAME}` with a name of `certificates`, or "
    "`{cert: FILE, key: FILE}`.",
    example=one_site("""
origin: http://127.0.0.1:3000
tls: {certificate: shop}
"""),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The `tls` of each site."""
    for name, site in draft.sites.items():
        tls = site.section.tls
        if not isinstance(tls, SiteTlsSection) or site.lost("tls", "certificate"):
            continue
        subject, named = f"site {name}", tls.certificate
        if named is None:
            if tls.cert is None or tls.key is None:
                what = "`cert` and `key` are needed together."
                yield RULE.found(site.at("tls", of_key=True), subject, what)
        elif tls.cert is not None or tls.key is not None:
            what = "Both a named certificate and files are given."
            yield RULE.found(site.at("tls", of_key=True), subject, what)
        elif named not in draft.certificates and not draft.may_hold("certificates", named):
            hint = did_you_mean(named, draft.certificates)
            what = f"There is no certificate `{named}`."
            yield RULE.found(site.at("tls", "certificate"), subject, what, remedy=hint)
