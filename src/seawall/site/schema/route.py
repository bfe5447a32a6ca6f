"""The `routes` of a site: which requests, and what is done with them."""

import re
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from seawall import limits
from seawall.site.schema.base import Section, one_or_many, short_form
from seawall.site.schema.network import (
    ChangedHeader,
    HeaderName,
    HeaderValue,
    Method,
    OneHost,
    Target,
    UrlPath,
)
from seawall.site.schema.origin import OriginReference
from seawall.site.schema.values import (
    Checked,
    Flag,
    Name,
    Text,
    count,
    duration,
    one_of,
    refuse,
    shown,
    size,
    text,
)

ROUTE_CLASSES = ("page", "api", "feed", "static")
RETRY_WORDS = (
    "connect-failure",
    "refused-stream",
    "reset-before-request",
    "reset",
    "5xx",
    "gateway-error",
    "retriable-4xx",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
)
"""What may be retried: Envoy's words.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
"""

RouteClassWord: TypeAlias = Annotated[str, one_of(*ROUTE_CLASSES)]
RequestTimeout: TypeAlias = Annotated[float, duration("10ms", "24h", zero="no limit")]
IdleTimeout: TypeAlias = Annotated[float, duration("1s", "24h", zero="no limit")]
BodySize: TypeAlias = Annotated[int, size("1B", "100GiB", unlimited=True)]


class HeaderChangesSection(Section):
    """Header changes in one direction, in the order `remove`, `set`, `add`.

    An origin's `alt-svc` is always removed, because it names ports of the origin; `set` writes
    your own. These cannot be changed: `server`, `x-request-id` and, with `hsts`,
    `strict-transport-security` of responses, which the edge writes last; hop-by-hop headers;
    `host` (see `host_rewrite`); `content-length`; and names that begin with `x-envoy-` or
    `x-seawall-`.
    """

    set: Annotated[
        dict[ChangedHeader, HeaderValue], Field(max_length=limits.HEADER_OPERATIONS_MAX)
    ] = Field(default_factory=dict, description="Header to value. Replaces existing values.")
    add: Annotated[
        dict[ChangedHeader, HeaderValue], Field(max_length=limits.HEADER_OPERATIONS_MAX)
    ] = Field(default_factory=dict, description="Header to value. Keeps existing values.")
    remove: Annotated[
        tuple[ChangedHeader, ...],
        Field(max_length=limits.HEADER_OPERATIONS_MAX),
        BeforeValidator(one_or_many),
    ] = Field(default=(), description="Headers to remove.")


class HeadersSection(Section):
    """Header changes on the way to the origin and back."""

    request: HeaderChangesSection | None = Field(
        default=None, description="On the way to the origin."
    )
    response: HeaderChangesSection | None = Field(
        default=None, description="On the way to the client."
    )


def _query_name(value: Any) -> str:
    name = text(value)
    if len(name.encode("utf-8", "replace")) > limits.QUERY_NAME_LENGTH_BYTES_MAX:
        bound = f"at most {limits.QUERY_NAME_LENGTH_BYTES_MAX:,} bytes"
        refuse("too-many", f"{shown(name)} is too long for a name.", f"Write {bound}.")
    return name


QueryName: TypeAlias = Annotated[str, Checked(_query_name, "text")]


class MatchSection(Section):
    """A condition on one value. Exactly one key. Short form: the exact text."""

    exact: HeaderValue | None = Field(default=None, description="Equals this.")
    prefix: Text | None = Field(default=None, description="Begins with this.")
    suffix: Text | None = Field(default=None, description="Ends with this.")
    contains: Text | None = Field(default=None, description="Contains this.")
    regex: Text | None = Field(
        default=None, description="This RE2 expression matches the whole value."
    )
    present: Flag | None = Field(
        default=None, description="`true`: is present; `false`: is absent."
    )

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if len(self.model_fields_set) != 1:
            refuse(
                "contradictory-keys",
                "A condition has exactly one of exact, prefix, suffix, contains, regex, present.",
                "Keep the one that you mean.",
            )
        return self


Match: TypeAlias = Annotated[
    MatchSection,
    short_form(
        lambda value: {"exact": value} if isinstance(value, str) else None,
        "the exact text in quotes, or a mapping such as `{present: true}`",
    ),
]


class RetriesSection(Section):
    """Automatic retries.

    A request is not repeated once more than 64 KiB of its body have arrived.
    """

    attempts: Annotated[int, count(0, 10)] = Field(
        default=1, description="Number of retries after the first attempt."
    )
    on: Annotated[
        tuple[Annotated[str, one_of(*RETRY_WORDS)], ...],
        Field(max_length=len(RETRY_WORDS)),
        BeforeValidator(one_or_many),
    ] = Field(
        default=("connect-failure", "refused-stream", "reset-before-request"),
        description="Failures to retry. The defaults are those in which no origin has seen the "
        "request. Where one may have seen it (`reset`, `5xx`, `gateway-error`, `retriable-4xx`), "
        "only `GET`, `HEAD`, `OPTIONS`, `PUT` and `DELETE` are retried.",
    )
    any_method: Flag = Field(
        default=False,
        description="Retry `POST` and all other methods in those cases too. Only for an origin "
        "that recognises repeated requests.",
    )
    per_try_timeout: Annotated[float, duration("10ms", "1h", zero="no limit of its own")] = Field(
        default=0.0,
        description="Longest wait of one attempt for the response to begin. `0s`: the `timeout`.",
    )


Retries: TypeAlias = Annotated[
    RetriesSection | Literal[False],
    short_form(lambda v: v if v is False else None, "a mapping, or `false`"),
]


def _status_of(*known: int) -> Checked:
    def check(value: Any) -> int:
        if value not in known or isinstance(value, bool | float):
            remedy = "Use " + ", ".join(str(status) for status in known) + "."
            refuse("bad-status", f"{shown(value)} is not a status for a redirect.", remedy)
        return int(value)

    return Checked(check, "status", ", ".join(str(status) for status in known))


class RedirectSection(Section):
    """Answer with a redirect. Short form: the target."""

    to: Target | None = Field(
        default=None,
        description="A path (`/new`) or a URL (`https://example.com/new`). A URL without path "
        "and query keeps the request's path; a target without query keeps the request's query. A "
        "fragment (`/new#top`) may follow.",
    )
    prefix: UrlPath | None = Field(
        default=None,
        description="Instead of `to` with a path: replaces the matched prefix and keeps the rest.",
    )
    status: Annotated[int, _status_of(301, 302, 303, 307, 308)] = Field(
        default=302, description="Browsers remember 301 and 308."
    )
    strip_query: Flag = Field(default=False, description="Drop the query instead of keeping it.")

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.to is None and self.prefix is None:
            refuse("missing-key", "A redirect needs `to` or `prefix`.", "Write where it leads.")
        return self


def _body(value: Any) -> str:
    body = text(value, empty=True)
    if len(body.encode("utf-8", "replace")) > limits.RESPONSE_BODY_SIZE_BYTES_MAX:
        bound = f"At most {limits.RESPONSE_BODY_SIZE_BYTES_MAX:,} bytes."
        refuse("too-many", "The body is too large.", f"{bound} Serve it from an origin.")
    return body


class RespondSection(Section):
    """Answer at the edge, without an origin."""

    status: Annotated[int, count(200, 599)] = Field(
        default=200,
        description="Status. With 201, Envoy adds a `location` header with the requested URL.",
    )
    body: Annotated[str, Checked(_body, "text")] = Field(default="", description="Body.")
    content_type: HeaderValue = Field(
        default="text/plain; charset=utf-8", description="Content type."
    )


_REPLACEMENT: Final = re.compile(r"[\x21\x22\x24-\x7e]+")
"""What a request line may hold: no spaces, no control characters, nothing but ASCII."""


def _replacement(value: Any) -> str:
    written = text(value)
    if not _REPLACEMENT.fullmatch(written):
        remedy = "No spaces and no `#`; write other characters as %XX."
        refuse("bad-path", f"{shown(written)} cannot stand in a path.", remedy)
    return written


class RewriteSection(Section):
    """Change the path before the origin sees it. Either `prefix`, or `regex` with `to`."""

    prefix: UrlPath | None = Field(default=None, description="Replaces the matched prefix.")
    regex: Text | None = Field(
        default=None, description="RE2 expression. What it matches is replaced."
    )
    to: Annotated[str, Checked(_replacement, "text")] | None = Field(
        default=None,
        description="The replacement; `\\1` is the first group. Do not write a `?` here: the "
        "request's query is appended with its own `?`.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_regex = self.regex is not None and self.to is not None and self.prefix is None
        by_prefix = self.prefix is not None and self.regex is None and self.to is None
        if not (by_regex or by_prefix):
            refuse(
                "contradictory-keys",
                "A rewrite has either `prefix`, or both `regex` and `to`.",
                "Keep the one that you mean.",
            )
        return self


class RouteSection(Section):
    """A route. The first route of a site whose conditions all match decides."""

    name: Name = Field(description="Unique in the site. Logs and messages use it.")
    path: UrlPath | None = Field(default=None, description="Condition: the path equals this.")
    prefix: UrlPath | None = Field(
        default=None, description="Condition: the path is this or below it (`/api`, `/api/x`)."
    )
    regex: Text | None = Field(
        default=None, description="Condition: this RE2 expression matches the whole path."
    )
    methods: Annotated[tuple[Method, ...], Field(max_length=32), BeforeValidator(one_or_many)] = (
        Field((), description="Condition: the method is one of these. Default: any.")
    )
    headers: Annotated[dict[HeaderName, Match], Field(max_length=32)] = Field(
        default_factory=dict,
        description="Conditions on request headers: name to text or mapping. If a header is sent "
        "several times, any of its values may match.",
    )
    query: Annotated[dict[QueryName, Match], Field(max_length=32)] = Field(
        default_factory=dict,
        description="Conditions on query parameters: name to text or mapping, written as in the "
        "URL (`a%20b`). If a parameter is sent several times, the first counts.",
    )
    route_class: RouteClassWord | None = Field(
        default=None,
        alias="class",
        description="Kind of content: `page`, `api`, `feed` or `static`. Default: the site's.",
    )
    bots: Annotated[str, one_of("off")] | None = Field(
        default=None, description="`off`: no bot checks here. Default: the site's."
    )
    origin: OriginReference | None = Field(
        default=None,
        description="Where requests go: a name, a URL or a mapping. Default: the site's.",
    )
    redirect: Annotated[
        RedirectSection | None,
        short_form(
            lambda v: {"to": v} if isinstance(v, str) else None, "a mapping with `to` and `status`"
        ),
    ] = Field(default=None, description="Answer with a redirect instead.")
    respond: RespondSection | None = Field(default=None, description="Answer at the edge instead.")
    rewrite: RewriteSection | None = Field(default=None, description="Change the path.")
    host_rewrite: OneHost | None = Field(
        default=None, description="Host sent to the origin. Default: the site's."
    )
    websocket: Flag = Field(
        default=False,
        description="Let WebSocket connections through. With `protocol: http2` or `auto`, the "
        "origin must support them over HTTP/2 (RFC 8441), as few do: clients of another one get "
        "its error, or 502. Connections close up to a second after the last message.",
    )
    grpc: Flag = Field(
        default=False,
        description="The route carries gRPC: no compression, and no timeout by default.",
    )
    timeout: RequestTimeout | None = Field(
        default=None,
        description="Longest wait for the response to begin, or with `grpc` to end. Default: the "
        "site's; `0s` with `websocket` or `grpc`.",
    )
    total_timeout: RequestTimeout | None = Field(
        default=None,
        description="Longest time until the response is complete. Default: the site's; `0s` with "
        "`websocket` or `grpc`.",
    )
    idle_timeout: IdleTimeout | None = Field(
        default=None, description="Longest time without data. Default: the site's."
    )
    max_body: BodySize | None = Field(
        default=None,
        description="Largest request body; with `grpc`, all that a client sends in one call. "
        "Default: the site's.",
    )
    retries: Retries | None = Field(
        default=None, description="Automatic retries. Default: the site's."
    )
    header_changes: HeadersSection | None = Field(
        default=None, description="Header changes, in addition to those of the site."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = self.model_fields_set
        for group in (("path", "prefix", "regex"), ("origin", "redirect", "respond")):
            if len(found := [key for key in group if key in given]) > 1:
                _contradiction(found[0], found[1])
        if answer := next((key for key in ("redirect", "respond") if key in given), None):
            for key in _FORWARD_KEYS:
                if key in given:
                    _contradiction(answer, key)
        return self


_FORWARD_KEYS = (
    "rewrite",
    "host_rewrite",
    "websocket",
    "grpc",
    "timeout",
    "total_timeout",
    "idle_timeout",
    "max_body",
    "retries",
)


def _contradiction(one: str, other: str) -> None:
    what = f"`{one}` and `{other}` cannot stand together."
    remedy = "Keep the one that is meant, or make two routes."
    refuse("contradictory-keys", what, remedy, key=other)
