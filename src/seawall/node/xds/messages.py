"""What goes in and out of an xDS session, as plain values: no gRPC, no protobuf.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from seawall.compiler.snapshot import Resource, TypeUrl


@dataclass(frozen=True, slots=True)
class Request:
    """One `DeltaDiscoveryRequest`.

    Attributes:
        nonce: of the response this acknowledges; empty for a spontaneous request.
        error: Envoy's words when it refuses that response; None when it does not.
    """

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One `DeltaDiscoveryResponse`."""

    type_url: TypeUrl
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Envoy refused a response; the session has already turned back to what it held before.

    Attributes:
        serial: of the target the response belonged to.
        names: the resources in the refused response.
        words: Envoy's message.
    """

    serial: int
    type_url: TypeUrl
    names: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Envoy has acknowledged every addition and change of the target `serial`."""

    serial: int


Effect = Response | Rejected | Settled
