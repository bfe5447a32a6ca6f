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

    cert: FilePath = Field(description="PEM file: the certificate, then the intermediate ones.")
    key: FilePath = Field(description="PEM file: the private key, without passphrase.")


class SiteTlsSection(Section):
    """The certificate of a site: either a name, or two files."""

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
        description="How long browsers use https only; `0s` makes them forget it.",
    )
    include_subdomains: Flag = Field(default=False, description="Also for all names below.")
    preload: Flag = Field(default=False, description="Ask to be put on the list inside browsers.")


def _hsts(value: Any) -> Any:
    return {} if value is True else value if value is False else None


def _header_or_off(value: Any) -> str | bool:
    return False if value is False else header_value(value)


HeaderOrOff: TypeAlias = Annotated[str | bool, Checked(_header_or_off, "text or `false`")]


class SecurityHeadersSection(Section):
    """Values of the default security headers; `false` leaves one out."""

    content_type_options: HeaderOrOff = Field(
        default="nosniff", description="`x-content-type-options`"
    )
    frame_options: HeaderOrOff = Field(default="SAMEORIGIN", description="`x-frame-options`")
    referrer_policy: HeaderOrOff = Field(
        default=False,
        description="`referrer-policy`; without it browsers do `strict-origin-when-cross-origin`",
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
    """A website: host names, and what is behind them."""

    hosts: Annotated[
        tuple[Host, ...], Field(max_length=limits.HOSTS_PER_SITE_MAX), BeforeValidator(one_or_many)
    ] = Field(description="`www.example.com`, `*.example.com`, or `*` for every other name.")
    origin: OriginReference | None = Field(
        default=None,
        description="Where requests go that no route takes: a name, a URL or a mapping.",
    )
    route_class: RouteClassWord = Field(
        default="page",
        alias="class",
        description="What is served: `page`, `api`, `feed` or `static`.",
    )
    tls: Annotated[
        SiteTlsSection | Literal[False] | None,
        short_form(lambda v: v if v is False else None, "`{certificate: NAME}` or `{cert, key}`"),
    ] = Field(default=None, description="The certificate; `false`: plain http only, on purpose.")
    redirect_to_https: Flag = Field(
        default=False,
        description="Answer plain http with a 308 to https; "
        "not what a trusted proxy says it took in over https.",
    )
    hsts: Annotated[HstsSection | Literal[False], short_form(_hsts, "`true` or a mapping")] = Field(
        default=False, description="Tell browsers to use https only."
    )
    compression: CompressionList = Field(
        default=_USUAL_CODINGS,
        description="Codings in order of preference; `false`: none. Not for gRPC and WebSocket. "
        "`zstd` keeps back an answer that is sent bit by bit, up to its end. A strong `etag` of "
        "what is compressed becomes weak, which no `if-match` meets: an API that lives by it says "
        "`cache-control: no-transform`, which leaves an answer as it is.",
    )
    security_headers: Annotated[
        SecurityHeadersSection | Literal[False],
        short_form(lambda v: {} if v is True else v if v is False else None, "`true` or `false`"),
    ] = Field(
        default=SecurityHeadersSection.model_validate({}),
        description="Headers that are set where the origin did not set them.",
    )
    deny: Annotated[
        tuple[Name, ...], Field(max_length=limits.LISTS_MAX), BeforeValidator(one_or_many)
    ] = Field(default=(), description="Entries of `lists`: clients on one of them get a 403.")
    bots: Bots | None = Field(
        default=None, description="What is done with automated clients; default: `observe`."
    )
    error_pages: dict[StatusKey, FilePath] = Field(
        default_factory=dict,
        description="Status (`404`), class (`5xx`) or range (`500-503`) to an HTML file, for "
        "errors that the edge itself answers; `{request_id}`, or the time of what was refused "
        "before it had one, and `{status}` are filled in.",
    )
    headers: HeadersSection | None = Field(
        default=None,
        description="Header changes on all routes; they leave what a challenge lives by alone.",
    )
    host_rewrite: OneHost | None = Field(
        default=None,
        description="Host sent to the origin; default: what the client sent. The origin is told "
        "the client's by `x-forwarded-host`, unless the file itself changes that header.",
    )
    timeout: RequestTimeout = Field(
        default=15.0,
        description="Until the answer begins, of each attempt, from when the origin can be asked: "
        "a wait for one of its `max_connections` is bounded by `total_timeout` and `idle_timeout` "
        "alone. The answer may last longer than that.",
    )
    total_timeout: RequestTimeout = Field(
        default=0.0,
        description="Until the whole answer is there. It cuts off what lasts longer, downloads and "
        "event streams too.",
    )
    idle_timeout: IdleTimeout = Field(default=300.0, description="Longest silence on a request.")
    max_body: BodySize = Field(default=10_485_760, description="Largest request body.")
    retries: Retries = Field(
        default=RetriesSection.model_validate({}), description="Automatic retries; `false`: none."
    )
    golden: GoldenList = Field(
        default=(),
        description="Requests that prove that the site works: asked of every release before, and "
        "while, it meets people.",
    )
    routes: Annotated[tuple[RouteSection, ...], Field(max_length=limits.ROUTES_PER_SITE_MAX)] = (
        Field((), description="Tried in order, before `origin`.")
    )
