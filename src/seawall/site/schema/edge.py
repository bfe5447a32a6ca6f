"""The site file as a whole."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from seawall import limits
from seawall.site.feeds import FEED_TYPES
from seawall.site.schema.base import Section, one_or_many, short_form
from seawall.site.schema.jobs import RangesSection, RetrainSection
from seawall.site.schema.network import PORT_MAX, Cidr, HeaderName, ListenAddress
from seawall.site.schema.origin import OriginSection
from seawall.site.schema.rollout import RolloutSection
from seawall.site.schema.site import CertificateSection, SiteSection
from seawall.site.schema.values import (
    Checked,
    FilePath,
    Flag,
    Name,
    count,
    duration,
    one_of,
    per_cent,
    refuse,
    shown,
    size,
)

VERSION = 1
"""The version of the site file that this program reads and writes."""


class ListenerSection(Section):
    """One address to listen on. Short form: the address."""

    address: ListenAddress = Field(
        description="`IP:PORT`, `[IPv6]:PORT`, or `:PORT`, which means `0.0.0.0:PORT`. `[::]:PORT` "
        "listens on IPv6 and IPv4."
    )
    proxy_protocol: Flag = Field(
        default=False,
        description="Require a PROXY protocol header (v1 or v2) at the start of every connection.",
    )
    public_port: Annotated[int, count(1, PORT_MAX)] | None = Field(
        default=None,
        description="The port that clients use, if something in front maps it to this one (443 "
        "to 8443, say). Redirects to https name it. Default: the port of the address.",
    )


_Listeners = Annotated[
    tuple[
        Annotated[
            ListenerSection,
            short_form(
                lambda v: {"address": v} if isinstance(v, str | int) else None,
                "an address such as `0.0.0.0:80`",
            ),
        ],
        ...,
    ],
    Field(max_length=limits.LISTENERS_MAX),
    BeforeValidator(one_or_many),
]


class ListenSection(Section):
    """Where the edge listens: an address, a mapping, or a list of either."""

    http: _Listeners = Field(default=(), description="Plain HTTP/1.1.")
    https: _Listeners = Field(default=(), description="HTTP/1.1 and HTTP/2 over TLS.")


class TrustedProxiesSection(Section):
    """Proxies whose `x-forwarded-for` is trusted to give the real client address."""

    cidrs: Annotated[
        tuple[Cidr, ...], Field(max_length=limits.TRUSTED_PROXIES_MAX), BeforeValidator(one_or_many)
    ] = Field(
        default=(),
        description="Networks of the proxies in front of this edge. An IPv4 network also matches "
        "addresses written as `::ffff:10.0.0.1`. A header entry that is not a plain address "
        "(one with a port, for example) is ignored, and the proxy's own address counts as the "
        "client's.",
    )
    hops: Annotated[int, count(0, 16)] = Field(
        default=0,
        description="Number of proxies that every request passes. `0`: decide by `cidrs`.",
    )


def _version(value: Any) -> str:
    if isinstance(value, float):
        refuse("wrong-type", f"{shown(value)} is a number.", f'Write it in quotes: "{value}".')
    return str(one_of("1.2", "1.3").check(value))


class TlsSection(Section):
    """TLS towards clients."""

    min_version: Annotated[str, Checked(_version, '`"1.2"` \\| `"1.3"`')] = Field(
        default="1.2", description="Lowest version. TLS 1.0 and 1.1 are never offered (RFC 8996)."
    )
    development_ca: Flag = Field(
        default=False,
        description="For development: issue certificates to sites that have none, from a CA in "
        "the data directory.",
    )


class LimitsSection(Section):
    """Limits that protect the edge itself. They apply to each Envoy process."""

    max_connections: Annotated[int, count(1, 1_000_000)] = Field(
        default=50_000, description="Open client connections."
    )
    max_heap: Annotated[int, size("128MiB", "1024GiB")] = Field(
        default=limits.GIB,
        description="Memory. Above 90 % of it Envoy sheds some requests, above 95 % all new ones.",
    )
    max_header_size: Annotated[int, size("1KiB", "96KiB")] = Field(
        default=60 * limits.KIB, description="Total size of the headers of one request."
    )
    max_headers: Annotated[int, count(10, 1000)] = Field(
        default=100,
        description="Number of headers of one request. Over HTTP/2 browsers send each cookie as a "
        "header of its own: a visitor with more gets no page, only a protocol error.",
    )
    header_timeout: Annotated[float, duration("100ms", "5m")] = Field(
        default=10.0, description="Longest wait for the complete headers of a request."
    )
    request_timeout: Annotated[float, duration("1s", "24h", zero="no limit")] = Field(
        default=0.0,
        description="Longest wait for the complete request, body included, or for the response "
        "to begin; then 408. It also cuts off longer uploads, so set it only if you have none, "
        "or while [slow clients](hardening.md#slow-clients) hold the connections of an origin.",
    )
    idle_timeout: Annotated[float, duration("1s", "24h")] = Field(
        default=300.0, description="A client connection without requests is closed after this time."
    )
    max_http2_streams: Annotated[int, count(1, 10_000)] = Field(
        default=100, description="Concurrent requests on one HTTP/2 connection."
    )


_LoggedHeaders = Annotated[
    tuple[HeaderName, ...],
    Field(max_length=limits.ACCESS_LOG_FIELDS_MAX),
    BeforeValidator(one_or_many),
]


class AccessLogSection(Section):
    """What is recorded about requests."""

    sample: Annotated[float, per_cent(0, 100)] = Field(
        default=1.0,
        description="Share of ordinary requests to record. Errors and slow requests are recorded "
        "in addition.",
    )
    request_headers: _LoggedHeaders = Field(
        default=(), description="Additional request headers to record."
    )
    response_headers: _LoggedHeaders = Field(
        default=(), description="Additional response headers to record."
    )


class EdgeBotsSection(Section):
    """Bot settings shared by all sites."""

    model: FilePath | None = Field(
        default=None,
        description="The model that scores requests. A change on disk is picked up "
        "automatically. Without this key, the model last pushed with `seawall feed push "
        "bot-model` is used; until the first push, the one shipped with Seawall.",
    )
    shadow: FilePath | None = Field(
        default=None,
        description="A second model that scores the same requests and decides nothing. A change "
        "on disk is picked up automatically. Without this key, the model last pushed with "
        "`seawall feed push bot-model-shadow` is used, if there is one.",
    )
    retrain: RetrainSection | None = Field(
        default=None, description="Retrain the model at intervals. Off without this key."
    )
    ranges: RangesSection | None = Field(
        default=None,
        description="Fetch those `lists` that are published bot ranges at intervals. Off without "
        "this key.",
    )


class ListSection(Section):
    """An address list that sites can name: a file, or the content of `seawall feed push`."""

    file: FilePath | None = Field(
        default=None,
        description="The file. A change on disk is picked up automatically. Without this key, "
        "the list is what was pushed last, and empty until the first push.",
    )
    format: Annotated[str, one_of(*FEED_TYPES)] = Field(
        default="cidr", description="`cidr`: one network per line; `#` starts a comment."
    )
    may_be_empty: Flag = Field(
        default=False,
        description="Accept an empty list. By default it is refused, since it usually means a "
        "broken generator.",
    )


_Lists = Annotated[
    dict[
        Name,
        Annotated[
            ListSection,
            short_form(lambda v: {"file": v} if isinstance(v, str) else None, "`{file: PATH}`"),
        ],
    ],
    Field(max_length=limits.LISTS_MAX),
]
_Origins = dict[Name, OriginSection]
_Certificates = dict[Name, CertificateSection]
_Sites = dict[Name, SiteSection]


def _format_version(value: Any) -> int:
    if value == str(VERSION):
        refuse("bad-version", f"`{value}` is text here.", f"Write `{VERSION}`, without quotes.")
    if value != VERSION or not isinstance(value, int) or isinstance(value, bool):
        refuse("bad-version", f"{shown(value)} is not a version this program knows.", "Write `1`.")
    return VERSION


class IncludedFile(Section):
    """A file named by `includes`. It holds only sites, origins and certificates."""

    version: Annotated[int, Checked(_format_version, "`1`")] = Field(
        default=VERSION, description="Version of this format. Optional here."
    )
    certificates: _Certificates = Field(default_factory=dict, description="Named certificates.")
    origins: _Origins = Field(default_factory=dict, description="Named origins.")
    sites: _Sites = Field(default_factory=dict, description="Websites.")


class SiteFile(Section):
    """The site file."""

    version: Annotated[int, Checked(_format_version, "`1`")] = Field(
        description="Version of this format."
    )
    includes: Annotated[
        tuple[FilePath, ...], Field(max_length=64), BeforeValidator(one_or_many)
    ] = Field(default=(), description="Patterns of more files to read, such as `sites/*.yaml`.")
    listen: ListenSection = Field(description="Addresses to listen on.")
    trusted_proxies: TrustedProxiesSection = Field(
        default=TrustedProxiesSection.model_validate({}),
        description="Proxies in front of this edge. None by default.",
    )
    tls: TlsSection = Field(
        default=TlsSection.model_validate({}), description="TLS towards clients."
    )
    limits: LimitsSection = Field(
        default=LimitsSection.model_validate({}), description="Limits of the edge itself."
    )
    access_log: AccessLogSection = Field(
        default=AccessLogSection.model_validate({}), description="Access records."
    )
    rollout: RolloutSection = Field(
        default=RolloutSection.model_validate({}),
        description="How a release is rolled out.",
    )
    bots: EdgeBotsSection = Field(
        default=EdgeBotsSection.model_validate({}), description="The bot model and its upkeep."
    )
    lists: _Lists = Field(
        default_factory=dict, description="Address lists, for `deny` and for verifying bots."
    )
    certificates: _Certificates = Field(default_factory=dict, description="Named certificates.")
    origins: _Origins = Field(default_factory=dict, description="Named origins.")
    sites: _Sites = Field(default_factory=dict, description="Websites.")
