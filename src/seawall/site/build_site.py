"""Sites and routes: from what is written to the model, with every default applied."""

from collections.abc import Callable
from urllib.parse import urlsplit

from seawall.ids import CertificateName, ListName, OriginName, RouteId, SiteName
from seawall.model import (
    Compression,
    ErrorPage,
    FixedResponse,
    Forward,
    HeaderChanges,
    Hsts,
    PathExact,
    PathMatch,
    PathPrefix,
    PathRegex,
    Redirect,
    Retries,
    Rewrite,
    Route,
    RouteClass,
    RouteMatch,
    Site,
    StringMatch,
    StringMatchKind,
    Timeouts,
)
from seawall.site.build_bots import build_bots
from seawall.site.schema.origin import OriginSection, status_range
from seawall.site.schema.route import (
    HeaderChangesSection,
    MatchSection,
    RedirectSection,
    RetriesSection,
    RouteSection,
)
from seawall.site.schema.site import SecurityHeadersSection, SiteSection

CATCH_ALL = "default"
"""Name of the route that the builder appends for a site's own `origin`."""
_NO_CHANGES = HeaderChanges()
_EVERYTHING = RouteMatch(PathPrefix("/"))
_CATCH_ALL = RouteSection.model_validate({"name": CATCH_ALL})


def build_site(
    name: SiteName,
    section: SiteSection,
    certificate: CertificateName | None,
    pages: tuple[ErrorPage, ...],
) -> Site:
    """The site `name`.

    Args:
        name: of the site.
        section: as written.
        certificate: what its https clients are shown.
        pages: its error pages.
    """
    routes = [_route(name, section, route) for route in section.routes]
    if section.origin is not None:
        routes.append(_catch_all(name, section))
    changes = section.headers
    return Site(
        name=name,
        hosts=section.hosts,
        routes=tuple(routes),
        certificate=certificate,
        redirect_to_https=section.redirect_to_https,
        hsts=_hsts(section),
        compression=tuple(Compression(coding) for coding in section.compression),
        request_headers=_changes(changes.request if changes else None),
        response_headers=_changes(
            changes.response if changes else None, _security_headers(section.security_headers)
        ),
        error_pages=pages,
        deny=tuple(ListName(name) for name in section.deny),
        bots=build_bots(section.bots),
    )


def site_origin_name(site: SiteName) -> OriginName:
    """The name of an origin written inside a site."""
    return OriginName(site)


def route_origin_name(site: SiteName, route: str) -> OriginName:
    """The name of an origin written inside a route."""
    return OriginName(f"{site}/{route}")


# --- Routes ---------------------------------------------------------------------------------------


def _route(site: SiteName, section: SiteSection, route: RouteSection) -> Route:
    changes = route.header_changes
    return Route(
        id=RouteId(f"{site}/{route.name}"),
        match=RouteMatch(
            path=_path(route),
            methods=route.methods,
            headers=tuple(_condition(name, match) for name, match in route.headers.items()),
            query=tuple(_condition(name, match) for name, match in route.query.items()),
        ),
        action=_action(site, section, route),
        route_class=RouteClass(route.route_class or section.route_class),
        request_headers=_changes(changes.request if changes else None),
        response_headers=_changes(changes.response if changes else None),
        bots=route.bots is None,
    )


def _path(route: RouteSection) -> PathMatch:
    if route.path is not None:
        return PathExact(route.path)
    if route.regex is not None:
        return PathRegex(route.regex)
    return PathPrefix(route.prefix or "/")


def _condition(name: str, match: MatchSection) -> StringMatch:
    kind = next(iter(match.model_fields_set))
    value = getattr(match, kind)
    if kind == "present":
        return StringMatch(name, StringMatchKind.PRESENT if value else StringMatchKind.ABSENT)
    return StringMatch(name, StringMatchKind(kind), value)


def _action(
    site: SiteName, section: SiteSection, route: RouteSection
) -> Forward | Redirect | FixedResponse:
    if route.redirect is not None:
        return _redirect(route.redirect)
    if route.respond is not None:
        return FixedResponse(route.respond.status, route.respond.body, route.respond.content_type)
    rewrite = route.rewrite
    return Forward(
        origin=_origin_of(site, section, route),
        timeouts=_timeouts(section, route),
        retries=_retries(section.retries if route.retries is None else route.retries),
        rewrite=Rewrite(rewrite.prefix, rewrite.regex, rewrite.to or "") if rewrite else None,
        host_rewrite=route.host_rewrite or section.host_rewrite or "",
        websocket=route.websocket,
        grpc=route.grpc,
        body_size_bytes_max=section.max_body if route.max_body is None else route.max_body,
    )


def _catch_all(site: SiteName, section: SiteSection) -> Route:
    return Route(
        id=RouteId(f"{site}/{CATCH_ALL}"),
        match=_EVERYTHING,
        action=_action(site, section, _CATCH_ALL),
        route_class=RouteClass(section.route_class),
        request_headers=_NO_CHANGES,
        response_headers=_NO_CHANGES,
    )


def _origin_of(site: SiteName, section: SiteSection, route: RouteSection) -> OriginName:
    if isinstance(route.origin, OriginSection):
        return route_origin_name(site, route.name)
    if isinstance(section.origin, OriginSection) and route.origin is None:
        return site_origin_name(site)
    name = route.origin or section.origin
    return OriginName(name) if isinstance(name, str) else OriginName("")


def _timeouts(section: SiteSection, route: RouteSection) -> Timeouts:
    streams = route.websocket or route.grpc
    answer_s, total_s = route.timeout, route.total_timeout
    if answer_s is None:
        answer_s = 0.0 if streams else section.timeout
    if total_s is None:
        total_s = 0.0 if streams else section.total_timeout
    idle_s = section.idle_timeout if route.idle_timeout is None else route.idle_timeout
    retries = section.retries if route.retries is None else route.retries
    return Timeouts(answer_s, idle_s, retries.per_try_timeout if retries else 0.0, total_s)


def _retries(section: RetriesSection | bool) -> Retries:
    if isinstance(section, bool) or section.attempts == 0:
        return Retries(0, ())
    return Retries(section.attempts, section.on, section.any_method)


def _redirect(section: RedirectSection) -> Redirect:
    if section.prefix is not None and section.to is None:
        return Redirect(section.status, prefix=section.prefix, strip_query=section.strip_query)
    parts = urlsplit(section.to or "/")
    host = parts.hostname or ""
    return Redirect(
        status=section.status,
        scheme=parts.scheme,
        host=f"[{host}]" if ":" in host else host,
        port=parts.port or 0,
        path="" if section.prefix else _path_and_query(parts.path, parts.query),
        prefix=section.prefix or "",
        strip_query=section.strip_query,
        fragment=parts.fragment,
    )


def _path_and_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


# --- What holds for a whole site ------------------------------------------------------------------


def _hsts(section: SiteSection) -> Hsts | None:
    written = section.hsts
    if not written:
        return None
    return Hsts(int(written.max_age), written.include_subdomains, written.preload)


def _changes(
    section: HeaderChangesSection | None, set_if_absent: tuple[tuple[str, str], ...] = ()
) -> HeaderChanges:
    if section is None:
        return HeaderChanges(set_if_absent=set_if_absent) if set_if_absent else _NO_CHANGES
    decided = {*section.set, *section.remove}
    return HeaderChanges(
        set=tuple(section.set.items()),
        add=tuple(section.add.items()),
        remove=section.remove,
        set_if_absent=tuple(pair for pair in set_if_absent if pair[0] not in decided),
    )


def _security_headers(section: SecurityHeadersSection | bool) -> tuple[tuple[str, str], ...]:
    if isinstance(section, bool):
        return ()
    pairs = (
        ("x-content-type-options", section.content_type_options),
        ("x-frame-options", section.frame_options),
        ("referrer-policy", section.referrer_policy),
        ("permissions-policy", section.permissions_policy),
        ("content-security-policy", section.content_security_policy),
    )
    return tuple((name, value) for name, value in pairs if isinstance(value, str))


def error_pages(
    section: SiteSection, read_page: Callable[[str, str], str | None]
) -> tuple[ErrorPage, ...]:
    """Narrow ranges first, so that `404` wins over `4xx` wherever it was written.

    Args:
        section: of the site.
        read_page: text of the error page of a status key, or None when it cannot be read.
    """
    pages = []
    for statuses, path in section.error_pages.items():
        least, most = status_range(statuses)
        body = read_page(statuses, path)
        pages.append(ErrorPage(least, most, "text/html; charset=utf-8", body or ""))
    return tuple(sorted(pages, key=lambda page: page.status_max - page.status_min))
