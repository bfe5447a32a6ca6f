"""Whether a site is served over https, for the rules that depend on it."""

from seawall.site.draft import Draft, Placed
from seawall.site.schema.site import SiteSection, SiteTlsSection


def has_https(draft: Draft, site: Placed[SiteSection]) -> bool:
    """Whether https clients of `site` are shown a certificate; true when it cannot be told."""
    top, tls = draft.top, site.section.tls
    if top.lost("listen", "https") or top.lost("tls", "development_ca") or site.lost("tls"):
        return True
    made = tls is None and top.section.tls.development_ca
    return bool(top.section.listen.https) and (made or isinstance(tls, SiteTlsSection))
