"""Sites: host names and the routes behind them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall.ids import CertificateName, ListName, SiteName
from seawall.model.bots import OBSERVING, BotPolicy
from seawall.model.route import HeaderChanges, Route


class Compression(StrEnum):
    """A content coding the edge may apply.

    Of those that a client accepts the first one of the site is taken. Here they stand in the order
    of a site that says nothing: Envoy's zstd keeps back what it is given until an answer ends or
    128 KiB have come, so that a page or text that is sent bit by bit would seem to hang.
    """

    BROTLI = "br"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Hsts:
    """HTTP Strict Transport Security (RFC 6797), sent on https only."""

    max_age_s: int
    include_subdomains: bool
    preload: bool


EDGE_STATUSES: Final = (
    *(400, 403, 404, 408, 413, 421, 426, 429, 431),
    *(500, 501, 502, 503, 504, 505, 507),
)
"""Statuses that the edge itself can answer with; pages for others would never be shown."""


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Body for errors that the edge itself answers on this site, for statuses min to max.

    `body` may hold the placeholders `{request_id}` and `{status}`.
    """

    status_min: int
    status_max: int
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Site:
    """One website.

    Attributes:
        hosts: lower-case names; exact (`a.example`), wildcard (`*.a.example`) or `*` (any).
        certificate: slot shown to TLS clients of these hosts; None when https is not served.
        redirect_to_https: plain HTTP is answered with a 308 to https.
        routes: tried in order; the site builder has appended the catch-all when the site
            names an origin of its own.
        deny: address lists whose clients are answered with 403.
    """

    name: SiteName
    hosts: tuple[str, ...]
    routes: tuple[Route, ...]
    certificate: CertificateName | None
    redirect_to_https: bool
    hsts: Hsts | None
    compression: tuple[Compression, ...]
    request_headers: HeaderChanges
    response_headers: HeaderChanges
    error_pages: tuple[ErrorPage, ...]
    deny: tuple[ListName, ...] = ()
    bots: BotPolicy = OBSERVING
