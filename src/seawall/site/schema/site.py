"""The `sites` of the site file."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from seawall import limits
from seawall.model import Compression
from seawall.site.schema.base import Section, one_or_many, short_form
from seawall.site.schema.bots import Bots
from seawall.site.schema.network import Host, OneHost, header_value
from seawall.site.schema.origin import OriginReference, status_range
from seawall.site.schema.rollout import GoldenList
from seawall.site.schema.route import (
    BodySize,
    HeadersSection,
    IdleTimeout,
    RequestTimeout,
    Retries,
    RetriesSection,
    RouteClassWord,
    RouteSection,
)
from seawall.site.schema.values import Checked, FilePath, Flag, Name, duration, one_of


class CertificateSection(Section):
    """A certificate and its key, as PEM files."""

    cert: FilePath = Field(description="PEM file: the certificate, followed by its intermediates.")
    key: FilePath = Field(description="PEM file: the private key, without passphrase.")


class SiteTlsSection(Section):
    """The certificate of a site: either a name or two files."""

    certificate: Name | None = Field(
        default=None, description="Name of an entry of `certificates`."
    )
    cert: FilePath | None = Field(
        default=None, description="PEM file: certificate and intermediates."
    )
    key: FilePath | None = Field(default=None, description="PEM file: the private key.")


class HstsSection(Section):
    """Strict-Transport-Security (RFC 6797). Short form: `true` or `false`."""

    max_age: Annotated[float, duration("0s", "3650d")] = Field(
        default=31_536_000.0,
        description="How long browsers use https only. `0s` makes them forget it.",
    )
    include_subdomains: Flag = Field(default=False, description="Include all subdomains.")
    preload: Flag = Field(
        default=False, description="Consent to inclusion in the browsers' preload list."
    )


def _hsts(value: Any) -> Any:
    return {} if value is True else value if value is False else None


def _header_or_off(value: Any) -> str | bool:
    return False if value is False else header_value(value)


HeaderOrOff: TypeAlias = Annotated[str | bool, Checked(_header_or_off, "text or `false`")]


class SecurityHeadersSection(Section):
    """Values of the default security headers. `false` omits a header."""

    content_type_options: HeaderOrOff = Field(
        default="nosniff", description="`x-content-type-options`"
    )
    frame_options: HeaderOrOff = Field(default="SAMEORIGIN", description="`x-frame-options`")
    referrer_policy: HeaderOrOff = Field(
        default=False,
        description="`referrer-policy`; without it, browsers use `strict-origin-when-cross-origin`",
    )
    permissions_policy: HeaderOrOff = Field(default=False, description="`permissions-policy`")
    content_security_policy: HeaderOrOff = Field(
        default=False, description="`content-security-policy`"
    )


_USUAL_CODINGS: Final = tuple(coding.value for coding in Compression)


def _compression(value: Any) -> Any:
    if value is True:
        return _USUAL_CODINGS
    return () if value is False else one_or_many(value)


def _status_key(value: Any) -> str:
    status_range(value)
    return str(value)


StatusKey: TypeAlias = Annotated[str, Checked(_status_key, "status, class or range")]
CompressionList: TypeAlias = Annotated[
    tuple[Annotated[str, one_of(*_USUAL_CODINGS)], ...],
    Field(max_length=3),
    BeforeValidator(_compression),
]


class SiteSection(Section):
    """A website: host names, and what serves them."""

    hosts: Annotated[
        tuple[Host, ...], Field(max_length=limits.HOSTS_PER_SITE_MAX), BeforeValidator(one_or_many)
    ] = Field(description="`www.example.com`, `*.example.com`, or `*` for every other name.")
    origin: OriginReference | None = Field(
        default=None,
        description="Where requests go that match no route: a name, a URL or a mapping.",
    )
    route_class: RouteClassWord = Field(
        default="page",
        alias="class",
        description="Kind of content: `page`, `api`, `feed` or `static`.",
    )
    tls: Annotated[
        SiteTlsSection | Literal[False] | None,
        short_form(lambda v: v if v is False else None, "`{certificate: NAME}` or `{cert, key}`"),
    ] = Field(default=None, description="The certificate. `false`: deliberately plain http only.")
    redirect_to_https: Flag = Field(
        default=False,
        description="Redirect plain http to https with a 308, unless a trusted proxy says that "
        "the client used https.",
    )
    hsts: Annotated[HstsSection | Literal[False], short_form(_hsts, "`true` or a mapping")] = Field(
        default=False, description="Tell browsers to use https only."
    )
    compression: CompressionList = Field(
        default=_USUAL_CODINGS,
        description="Codings in order of preference; `false`: none. Not used for gRPC and "
        "WebSocket. Applies to text, JSON, XML, scripts, SVG, fonts and the like, and to "
        "responses without a `content-type`. `zstd` buffers a streamed response until its end. "
        "Compression makes a strong "
        "`etag` weak, and no `if-match` matches a weak one: an API that needs it sends "
        "`cache-control: no-transform`, and its responses are left as they are.",
    )
    security_headers: Annotated[
        SecurityHeadersSection | Literal[False],
        short_form(lambda v: {} if v is True else v if v is False else None, "`true` or `false`"),
    ] = Field(
        default=SecurityHeadersSection.model_validate({}),
        description="Headers to set if the origin did not set them.",
    )
    deny: Annotated[
        tuple[Name, ...], Field(max_length=limits.LISTS_MAX), BeforeValidator(one_or_many)
    ] = Field(default=(), description="Names of `lists`. Clients on one of them get a 403.")
    bots: Bots | None = Field(
        default=None, description="What to do with automated clients. Default: `observe`."
    )
    error_pages: dict[StatusKey, FilePath] = Field(
        default_factory=dict,
        description="Status (`404`), class (`5xx`) or range (`500-503`) to an HTML file, for "
        "errors that the edge itself returns. `{status}` and `{request_id}` are filled in; the "
        "latter is the time if the request was refused before it had an id.",
    )
    headers: HeadersSection | None = Field(
        default=None,
        description="Header changes on all routes. They do not affect the headers that "
        "challenges need.",
    )
    host_rewrite: OneHost | None = Field(
        default=None,
        description="Host sent to the origin. Default: the client's. With this key, "
        "`x-forwarded-host` carries the client's host, unless the site file changes that header "
        "itself.",
    )
    timeout: RequestTimeout = Field(
        default=15.0,
        description="Longest wait of each attempt for the response to begin. The response itself "
        "may last longer. Waiting for a free connection (`max_connections`) does not count; only "
        "`total_timeout` and `idle_timeout` bound that.",
    )
    total_timeout: RequestTimeout = Field(
        default=0.0,
        description="Longest time until the response is complete. It cuts off longer responses, "
        "including downloads and event streams.",
    )
    idle_timeout: IdleTimeout = Field(
        default=300.0, description="Longest time without data on a request."
    )
    max_body: BodySize = Field(default=10_485_760, description="Largest request body.")
    retries: Retries = Field(
        default=RetriesSection.model_validate({}), description="Automatic retries; `false`: none."
    )
    golden: GoldenList = Field(
        default=(),
        description="Requests that prove that the site works. Every release must answer them "
        "before and during its rollout.",
    )
    routes: Annotated[
        tuple[RouteSection, ...],
        Field(max_length=limits.ROUTES_PER_SITE_MAX),
        BeforeValidator(one_or_many),
    ] = Field((), description="Tried in order, before `origin`.")
