"""The whole edge: what one configuration says, ready to compile."""

from dataclasses import dataclass

from seawall.model.clearance import ClearanceKeys
from seawall.model.lists import IpList
from seawall.model.origin import Origin
from seawall.model.rollout import DEFAULT_POLICY, Golden, RolloutPolicy
from seawall.model.site import Site
from seawall.model.tls import Certificate, TlsVersion


@dataclass(frozen=True, slots=True)
class Listener:
    """One TCP address the edge accepts connections on.

    Attributes:
        address: IPv4 or IPv6 address, for example `0.0.0.0` or `::`.
        proxy_protocol: every connection must begin with a PROXY protocol header (v1 or v2).
        public_port: what clients call the port, where something in front maps one to the other; 0
            where nothing does.
    """

    address: str
    port: int
    proxy_protocol: bool = False
    public_port: int = 0

    @property
    def asked_port(self) -> int:
        """The port that clients ask."""
        return self.public_port or self.port


@dataclass(frozen=True, slots=True)
class Listen:
    """All listeners. Either kind may be empty, not both."""

    http: tuple[Listener, ...]
    https: tuple[Listener, ...]


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Who may tell us the real client address in `x-forwarded-for`.

    Attributes:
        cidrs: networks of proxies that are believed; empty believes nobody.
        hops: when > 0, exactly this many rightmost entries were added by trusted proxies;
            when 0, entries inside `cidrs` are skipped from the right.
    """

    cidrs: tuple[str, ...] = ()
    hops: int = 0


@dataclass(frozen=True, slots=True)
class AccessLogPolicy:
    """What is recorded of each request.

    Attributes:
        sample_share: share of ordinary requests recorded; errors are recorded besides.
        request_headers: extra request headers to record, lower-case.
        response_headers: extra response headers to record, lower-case.
        off: nothing is recorded, not even errors; only a kill switch sets it.
    """

    sample_share: float
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    off: bool = False


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Bounds that protect the edge itself; per Envoy process.

    Attributes:
        request_timeout_s: until a request is there whole, its body too; 0 for no bound.
    """

    connections_max: int
    heap_size_bytes_max: int
    header_size_bytes_max: int
    headers_max: int
    header_timeout_s: float
    request_timeout_s: float
    idle_timeout_s: float
    http2_streams_max: int


@dataclass(frozen=True, slots=True)
class BotModel:
    """The model that scores requests, as a file; `seawall.bots.artifact` reads it.

    Attributes:
        digest: SHA-256 of `content`, which names the model.
    """

    digest: str
    content: bytes

    def __repr__(self) -> str:
        return f"BotModel({self.digest[:12]}, {len(self.content)} bytes)"


@dataclass(frozen=True, slots=True)
class Edge:
    """A complete, checked configuration with all defaults applied.

    Attributes:
        rollout: how a release is brought out. What is compiled does not depend on it.
        golden: requests that prove that the sites work, in the order of the sites; nor on them.
        lists: address lists that sites may name.
        bot_model: None scores nothing.
        bot_shadow: scores beside `bot_model` and decides nothing; None when there is none.
        clearance_keys: what clearances are signed with; None grants and accepts none.
    """

    listen: Listen
    trusted_proxies: TrustedProxies
    tls_version_min: TlsVersion
    certificates: tuple[Certificate, ...]
    origins: tuple[Origin, ...]
    sites: tuple[Site, ...]
    access_log: AccessLogPolicy
    limits: EdgeLimits
    rollout: RolloutPolicy = DEFAULT_POLICY
    golden: tuple[Golden, ...] = ()
    lists: tuple[IpList, ...] = ()
    bot_model: BotModel | None = None
    bot_shadow: BotModel | None = None
    clearance_keys: ClearanceKeys | None = None
