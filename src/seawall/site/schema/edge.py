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
        description="`IP:PORT`, `[IPv6]:PORT`, or `:PORT`, "
        "which is `0.0.0.0:PORT`. `[::]:PORT` listens on IPv6 and IPv4."
    )
    proxy_protocol: Flag = Field(
        default=False,
        description="Every connection begins with a PROXY protocol header (v1 or v2).",
    )
    public_port: Annotated[int, count(1, PORT_MAX)] | None = Field(
        default=None,
        description="What clients call this port, where something in front maps one to the other, "
        "such as 443 to 8443: redirects to https name it. Default: the port of the address.",
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
    """Who may tell the real client address in `x-forwarded-for`."""

    cidrs: Annotated[
        tuple[Cidr, ...], Field(max_length=limits.TRUSTED_PROXIES_MAX), BeforeValidator(one_or_many)
    ] = Field(
        default=(),
        description="Networks of the proxies in front of this edge, also where one of them writes "
        "an IPv4 address as `::ffff:10.0.0.1`. An entry of the header that is no plain address, "
        "such as one with a port, is not read: the proxy's own address counts.",
    )
    hops: Annotated[int, count(0, 16)] = Field(
        default=0, description="How many proxies each request passed; 0: as `cidrs` say."
    )


def _version(value: Any) -> str:
    if isinstance(value, float):
        refuse("wrong-type", f"{shown(value)} is a number.", f'Write it in quotes: "{value}".')
    return str(one_of("1.2", "1.3").check(value))


class TlsSection(Section):
    """TLS towards clients."""

    min_version: Annotated[str, Checked(_version, '`"1.2"` \\| `"1.3"`')] = Field(
        default="1.2", description="Lowest version; older ones are not offered (RFC 8996)."
    )
    development_ca: Flag = Field(
        default=False,
        description="Make certificates from an authority in the data directory, for sites "
        "without one. For development.",
    )


class LimitsSection(Section):
    """Bounds that protect the edge itself, for each Envoy process."""

    max_connections: Annotated[int, count(1, 1_000_000)] = Field(
        default=50_000, description="Open client connections."
    )
    max_heap: Annotated[int, size("128MiB", "1024GiB")] = Field(
        default=limits.GIB,
        description="Memory; from 90 % of it requests are shed, from 95 % all new ones.",
    )
    max_header_size: Annotated[int, size("1KiB", "96KiB")] = Field(
        default=60 * limits.KIB, description="All headers of one request."
    )
    max_headers: Annotated[int, count(10, 1000)] = Field(
        default=100,
        description="Headers of one request. Over HTTP/2 browsers send each cookie as one: a "
        "visitor with more gets no page, only an error of the protocol.",
    )
    header_timeout: Annotated[float, duration("100ms", "5m")] = Field(
        default=10.0, description="Until all headers of a request are there."
    )
    request_timeout: Annotated[float, duration("1s", "24h", zero="no bound")] = Field(
        default=0.0,
        description="Until a request is there whole, its body too, or its answer begins; then 408. "
        "Longer uploads are cut off: it is for sites without, or while "
        "[slow clients](hardening.md#slow-clients) hold the connections of an origin.",
    )
    idle_timeout: Annotated[float, duration("1s", "24h")] = Field(
        default=300.0, description="A client connection without requests is closed after this time."
    )
    max_http2_streams: Annotated[int, count(1, 10_000)] = Field(
        default=100, description="Requests at once on one HTTP/2 connection."
    )


_LoggedHeaders = Annotated[
    tuple[HeaderName, ...],
    Field(max_length=limits.ACCESS_LOG_FIELDS_MAX),
    BeforeValidator(one_or_many),
]


class AccessLogSection(Section):
    """What is recorded of requests."""

    sample: Annotated[float, per_cent(0, 100)] = Field(
        default=1.0,
        description="Share of ordinary requests; errors and slow ones are recorded besides.",
    )
    request_headers: _LoggedHeaders = Field(
        default=(), description="Request headers to record as well."
    )
    response_headers: _LoggedHeaders = Field(
        default=(), description="Response headers to record as well."
    )


class EdgeBotsSection(Section):
    """What all sites use that look at bots."""

    model: FilePath | None = Field(
        default=None,
        description="The model that scores requests; taken up by itself when it changes on disk. "
        "Without a file it is what `seawall feed push bot-model` brought last, and before that "
        "the one that Seawall ships.",
    )
    shadow: FilePath | None = Field(
        default=None,
        description="A second model, which scores beside the first and decides nothing; taken up "
        "by itself when it changes on disk. Without a file it is what `seawall feed push "
        "bot-model-shadow` brought last, or there is none.",
    )
    retrain: RetrainSection | None = Field(
        default=None, description="Train the model anew at intervals; off without this key."
    )
    ranges: RangesSection | None = Field(
        default=None,
        description="Fetch the published ranges among `lists` at intervals; off without this key.",
    )


class ListSection(Section):
    """An address list that sites may name: a file, or what `seawall feed push` brings."""

    file: FilePath | None = Field(
        default=None,
        description="The list; taken up by itself when it changes on disk. Without a file, the "
        "list is what was pushed last, and holds nothing before that.",
    )
    format: Annotated[str, one_of(*FEED_TYPES)] = Field(
        default="cidr", description="`cidr`: one network a line, `#` begins a remark."
    )
    may_be_empty: Flag = Field(
        default=False, description="An empty list is meant, and not a broken generator."
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
    """A file named by `includes`: only sites, origins and certificates."""

    version: Annotated[int, Checked(_format_version, "`1`")] = Field(
        default=VERSION, description="Version of this format; may be left out."
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
    ] = Field(default=(), description="Patterns of further files, such as `sites/*.yaml`.")
    listen: ListenSection = Field(description="Addresses to listen on.")
    trusted_proxies: TrustedProxiesSection = Field(
        default=TrustedProxiesSection.model_validate({}),
        description="Proxies in front of this edge; nobody by default.",
    )
    tls: TlsSection = Field(
        default=TlsSection.model_validate({}), description="TLS towards clients."
    )
    limits: LimitsSection = Field(
        default=LimitsSection.model_validate({}), description="Bounds of the edge itself."
    )
    access_log: AccessLogSection = Field(
        default=AccessLogSection.model_validate({}), description="Access records."
    )
    rollout: RolloutSection = Field(
        default=RolloutSection.model_validate({}),
        description="How a release is brought out.",
    )
    bots: EdgeBotsSection = Field(
        default=EdgeBotsSection.model_validate({}), description="What bots are judged with."
    )
    lists: _Lists = Field(default_factory=dict, description="Address lists, for `deny`.")
    certificates: _Certificates = Field(default_factory=dict, description="Named certificates.")
    origins: _Origins = Field(default_factory=dict, description="Named origins.")
    sites: _Sites = Field(default_factory=dict, description="Websites.")
