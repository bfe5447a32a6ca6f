"""Whether a site is served over https, for the rules that depend on it."""

from seawall.site.draft import Draft
from seawall.site.schema.site import SiteSection, SiteTlsSection


def has_https(draft: Draft, site: SiteSection) -> bool:
    """Whether https clients of `site` are shown a certificate; true when it cannot be told."""
    file = draft.top.section
    if draft.may_hold("listen", "") or draft.may_hold("tls", ""):
        return True
    made = site.tls is None and file.tls.development_ca
    return bool(file.listen.https) and (made or isinstance(site.tls, SiteTlsSection))
