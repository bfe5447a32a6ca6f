"""From sections to the model: sites, origins and certificates of a draft, and the edge itself.

Defaults that are constants stand beside their description in the schema; those that depend on
something else are decided in `build_site` and `build_origin`.
"""

from typing import TypeVar

from seawall.errors import SeawallError
from seawall.ids import CertificateName, OriginName, SiteName
from seawall.model import (
    AccessLogPolicy,
    Certificate,
    Edge,
    EdgeLimits,
    Forward,
    Listen,
    Listener,
    Site,
    TlsVersion,
    TrustedProxies,
)
from seawall.secret import Secret
from seawall.site.build_keys import build_keys
from seawall.site.build_lists import build_lists
from seawall.site.build_model import build_models
from seawall.site.build_origin import build_origin
from seawall.site.build_rollout import build_golden, build_policy
from seawall.site.build_site import build_site, error_pages, route_origin_name, site_origin_name
from seawall.site.certificates import (
    CertificateError,
    read_chain,
    served_authorities,
    served_key,
)
from seawall.site.draft import CertificateFiles, Draft, Placed
from seawall.site.files import Named, absolute
from seawall.site.schema.edge import ListenerSection, SiteFile
from seawall.site.schema.origin import OriginSection
from seawall.site.schema.site import SiteSection, SiteTlsSection
from seawall.site.tree import Step

AnyT = TypeVar("AnyT")


def build_parts(draft: Draft) -> None:
    """Build everything that can be built; what cannot is a problem of the draft."""
    for name, placed in draft.certificates.items():
        _certificate(draft, name, placed, placed.section.cert, placed.section.key)
    for origin_name, origin in draft.origins.items():
        _origin(draft, origin_name, origin, f"origin {origin_name}")
    build_lists(draft)
    build_models(draft)
    build_keys(draft)
    for site_name, site in draft.sites.items():
        _inline_origins(draft, site_name, site)
        certificate = _site_certificate(draft, site_name, site)
        draft.built_sites[site_name] = _site(draft, site_name, site, certificate)


def build_edge(draft: Draft) -> Edge:
    """The edge of a draft without errors."""
    file = draft.top.section
    used = _used_origins(draft)
    shown = {site.certificate for site in draft.built_sites.values()}
    return Edge(
        listen=build_listen(file),
        trusted_proxies=TrustedProxies(file.trusted_proxies.cidrs, file.trusted_proxies.hops),
        tls_version_min=TlsVersion(file.tls.min_version),
        certificates=tuple(c for name, c in draft.built_certificates.items() if name in shown),
        origins=tuple(o for name, o in draft.built_origins.items() if name in used),
        sites=tuple(draft.built_sites.values()),
        access_log=AccessLogPolicy(
            file.access_log.sample,
            file.access_log.request_headers,
            file.access_log.response_headers,
        ),
        limits=EdgeLimits(
            connections_max=file.limits.max_connections,
            heap_size_bytes_max=file.limits.max_heap,
            header_size_bytes_max=file.limits.max_header_size,
            headers_max=file.limits.max_headers,
            header_timeout_s=file.limits.header_timeout,
            request_timeout_s=file.limits.request_timeout,
            idle_timeout_s=file.limits.idle_timeout,
            http2_streams_max=file.limits.max_http2_streams,
        ),
        lists=tuple(draft.built_lists.values()),
        bot_model=draft.built_model,
        bot_shadow=draft.built_shadow,
        clearance_keys=draft.built_keys,
        rollout=build_policy(file.rollout),
        golden=tuple(
            golden
            for name, placed in draft.sites.items()
            for golden in build_golden(
                name,
                placed.section,
                file.listen,
                has_certificate=draft.built_sites[name].certificate is not None,
            )
        ),
    )


def build_listen(file: SiteFile) -> Listen:
    """The listeners of a site file."""
    return Listen(_listeners(file.listen.http), _listeners(file.listen.https))


def _listeners(sections: tuple[ListenerSection, ...]) -> tuple[Listener, ...]:
    return tuple(
        Listener(s.address.host, s.address.port, s.proxy_protocol, s.public_port or 0)
        for s in sections
    )


def _used_origins(draft: Draft) -> set[OriginName]:
    return {
        route.action.origin
        for site in draft.built_sites.values()
        for route in site.routes
        if isinstance(route.action, Forward)
    }


# --- Origins --------------------------------------------------------------------------------------


def _origin(draft: Draft, name: OriginName, placed: Placed[OriginSection], subject: str) -> None:
    def read_ca(path: str) -> bytes | None:
        where = placed.at("tls", "ca")
        pem = draft.files.get(Named(absolute(placed.file, path), "ca", where, subject))
        return None if pem is None else served_authorities(pem)

    draft.origin_places[name] = placed
    section, before = placed.section, draft.known.origins.get(name)
    reads = section.tls is not None and section.tls.ca is not None
    if before is not None and before.section is section and not reads:
        draft.built_origins[name] = before.origin
    else:
        draft.built_origins[name] = build_origin(name, section, read_ca)


def _inline_origins(draft: Draft, name: SiteName, site: Placed[SiteSection]) -> None:
    section = site.section
    if isinstance(section.origin, OriginSection):
        placed = _below(site, section.origin, "origin")
        _inline_origin(draft, site_origin_name(name), placed, f"site {name}")
    for index, route in enumerate(section.routes):
        if isinstance(route.origin, OriginSection):
            placed = _below(site, route.origin, "routes", index, "origin")
            origin_name = route_origin_name(name, route.name)
            _inline_origin(draft, origin_name, placed, f"route {origin_name}")


def _inline_origin(
    draft: Draft, name: OriginName, placed: Placed[OriginSection], subject: str
) -> None:
    if name in draft.origins and not placed.gone():
        draft.error(
            "duplicate-name",
            placed.at(),
            subject,
            f"The origin written here is called `{name}` like its site, and so is another one.",
            why=f"That one is at {draft.origins[name].at()}.",
            remedy=f"Write `origin: {name}` to use it, or rename it.",
        )
        return
    _origin(draft, name, placed, subject)


def _below(placed: Placed[SiteSection], section: AnyT, *steps: Step) -> Placed[AnyT]:
    return Placed(section, placed.file, placed.root, placed.path + steps)


# --- Certificates ---------------------------------------------------------------------------------


def _certificate(
    draft: Draft, name: CertificateName, placed: Placed[AnyT], cert: str, key: str
) -> None:
    """Read the files of one certificate and build it, if they make sense."""
    subject = f"certificate {name}"
    where, key_where = placed.at("cert"), placed.at("key")
    chain = secret = None
    chain_path = absolute(placed.file, cert)
    if not placed.lost("cert"):
        chain = draft.files.get(Named(chain_path, "certificate", where, subject))
    if not placed.lost("key"):
        secret = draft.files.get(Named(absolute(placed.file, key), "key", key_where, subject))
    key_pem = None if secret is None else Secret(secret)
    draft.certificate_files[name] = CertificateFiles(
        chain_path, chain, key_pem, where, key_where, subject
    )
    if chain is not None and key_pem is not None:
        _build_certificate(draft, name, chain, key_pem)


def _build_certificate(draft: Draft, name: CertificateName, chain: bytes, key: Secret) -> None:
    try:
        facts = read_chain(chain)
    except CertificateError:
        return  # the rule `bad-certificate` says so
    draft.built_certificates[name] = Certificate(
        name, facts.pem, served_key(key), facts.dns_names, facts.not_after_s, facts.serial
    )


def _site_certificate(
    draft: Draft, name: SiteName, site: Placed[SiteSection]
) -> CertificateName | None:
    """What the https clients of a site are shown."""
    tls = site.section.tls
    if isinstance(tls, SiteTlsSection) and tls.certificate is not None:
        return CertificateName(tls.certificate)
    if isinstance(tls, SiteTlsSection) and tls.cert is not None and tls.key is not None:
        inline = CertificateName(f"site/{name}")
        _certificate(draft, inline, _below(site, tls, "tls"), tls.cert, tls.key)
        return inline
    file = draft.top.section
    if tls is not None or not file.tls.development_ca or not file.listen.https:
        return None
    # A certificate that is made is kept on disk: not for half of a site, nor under no name of one.
    unnamed = any(p.id == "bad-name" and p.location == site.at() for p in draft.problems)
    if unnamed or site.lost("tls") or site.lost("hosts") or draft.development_certificate is None:
        return None
    try:
        chain, secret = draft.development_certificate(name, site.section.hosts)
    except SeawallError as error:
        draft.error(
            "development-ca-unusable", site.at(), f"site {name}", error.message, remedy=error.remedy
        )
        return None
    made = CertificateName(f"development/{name}")
    _build_certificate(draft, made, chain, secret)
    return made


def _site(
    draft: Draft,
    name: SiteName,
    placed: Placed[SiteSection],
    certificate: CertificateName | None,
) -> Site:
    def read_page(statuses: str, path: str) -> str | None:
        where = placed.at("error_pages", statuses)
        named = Named(absolute(placed.file, path), "error page", where, f"site {name}")
        content = draft.files.get(named)
        return None if content is None else content.decode("utf-8", "replace")

    pages = error_pages(placed.section, read_page)
    before = draft.known.sites.get(name)
    if (
        before is not None
        and before.section is placed.section
        and (before.site.certificate, before.site.error_pages) == (certificate, pages)
    ):
        return before.site
    return build_site(name, placed.section, certificate, pages)
