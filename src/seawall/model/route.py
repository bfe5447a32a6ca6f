"""Routes: which requests, and what is done with them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall.ids import OriginName, RouteId

METHODS_TAKEN: Final = "[A-SU-Z][A-Z]+"
"""Of which methods a request reaches a site's routes, as a regular expression: capital letters, as
TRACE and TRACK are the methods that begin with a T."""


class RouteClass(StrEnum):
    """What a route serves; decides which defences may answer with HTML (only for `page`)."""

    PAGE = "page"
    API = "api"
    FEED = "feed"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class PathExact:
    """The path equals `path` (after normalisation, without the query)."""

    path: str


@dataclass(frozen=True, slots=True)
class PathPrefix:
    """The path is `prefix` or lies under it on a `/` boundary; `/` matches every path."""

    prefix: str


@dataclass(frozen=True, slots=True)
class PathRegex:
    """The whole path matches the RE2 expression `regex`."""

    regex: str


PathMatch = PathExact | PathPrefix | PathRegex


class StringMatchKind(StrEnum):
    """How a header or query value is compared. `present` and `absent` ignore the value."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"
    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class StringMatch:
    """One condition on a named header (lower-case) or query parameter."""

    name: str
    kind: StringMatchKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """All conditions must hold. Empty `methods` means any method."""

    path: PathMatch
    methods: tuple[str, ...] = ()
    headers: tuple[StringMatch, ...] = ()
    query: tuple[StringMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """Header edits. Names are lower-case; values are literal text (`%` means a per cent sign).

    Attributes:
        remove: dropped first.
        set: overwrites what is there.
        add: appended next to what is there.
        set_if_absent: set only when the other side did not send the header (Envoy's
            `ADD_IF_ABSENT`); never holds a name that `set` or `remove` holds.
    """

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    set_if_absent: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The headers that it writes or takes away."""
        written = (*self.set, *self.add, *self.set_if_absent)
        return frozenset({*self.remove, *(name for name, _ in written)})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds on one exchange with the origin.

    Attributes:
        answer_s: until the answer begins, of each attempt; of a gRPC call until its end. 0 means no
            bound (streams, WebSockets).
        idle_s: longest silence on the stream in either direction.
        per_try_s: of one attempt in place of `answer_s`; 0 for the same.
        total_s: until the whole answer is there, over all attempts; 0 means no bound. For a gRPC
            call it counts where `answer_s`, which is the shorter one, bounds nothing.
    """

    answer_s: float
    idle_s: float
    per_try_s: float
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Retries:
    """Automatic retries.

    Attributes:
        attempts: after the first one; 0 turns them off.
        on: Envoy's `retry_on` words.
        any_method: repeat also what is not idempotent and what an origin may have seen.
    """

    attempts: int
    on: tuple[str, ...]
    any_method: bool = False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Path rewrite before the origin: by `prefix` (replaces the matched one) or by regex."""

    prefix: str | None = None
    regex: str | None = None
    substitution: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request to an origin.

    Attributes:
        host_rewrite: Host sent to the origin; empty keeps the client's.
        websocket: allow HTTP/1.1 Upgrade to WebSocket (and RFC 8441 extended CONNECT).
        grpc: the route carries gRPC: no compression, deadline from `grpc-timeout`.
    """

    origin: OriginName
    timeouts: Timeouts
    retries: Retries
    rewrite: Rewrite | None = None
    host_rewrite: str = ""
    websocket: bool = False
    grpc: bool = False
    body_size_bytes_max: int = 0
    """Largest request body; 0 means unlimited."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a redirect. Unset parts keep the request's."""

    status: int
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    """Full new path; excludes `prefix`."""
    prefix: str = ""
    """Replaces the matched prefix."""
    strip_query: bool = False
    fragment: str = ""
    """Follows path and query, behind a `#`."""


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """Answer from the edge itself."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Route:
    """One rule: the first route of a site whose match holds decides.

    Attributes:
        bots: the site's bot policy holds here; false: nobody is looked at.
    """

    id: RouteId
    match: RouteMatch
    action: Forward | Redirect | FixedResponse
    route_class: RouteClass
    request_headers: HeaderChanges
    response_headers: HeaderChanges
    bots: bool = True
