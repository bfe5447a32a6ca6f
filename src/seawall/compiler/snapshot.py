"""The compiled form of an edge: named Envoy resources, immutable and named by their content.

A `Snapshot` is everything Envoy is told over xDS. Equal edges give equal bytes and so an equal
digest. Resource bodies are serialized messages, kept as bytes from the compiler to the wire: they
are never parsed and serialized again on the way, so a digest stays true.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from seawall.compiler.tables import Table
from seawall.errors import invariant
from seawall.ids import Digest


class TypeUrl(StrEnum):
    """Resource types, declared in the order in which a make-before-break update sends them.

    Order of the xDS protocol: clusters, then what they need, listeners, then what they need;
    removals go the other way round. `BOOTSTRAP` stands first and never crosses xDS: it is what
    only a new Envoy process can take (overload manager, stats rules, runtime layers).
    https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
    """

    BOOTSTRAP = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
    SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - a type name
    CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
    ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"

    @property
    def short(self) -> str:
        """The message name alone, for example `Cluster`."""
        return self.value.rpartition(".")[2]


@dataclass(frozen=True)
class Resource:
    """One xDS resource.

    Attributes:
        type_url: its type.
        name: its xDS name, unique within the type.
        body: the serialized message of that type (the value of the `Any`).
        owner: what of the site file wrote it: `site shop`, `origin api`, `certificate shop`,
            `listener http 0.0.0.0:80`, or `edge` for what belongs to no single one.
    """

    type_url: TypeUrl
    name: str
    body: bytes
    owner: str

    @cached_property
    def version(self) -> str:
        """Content version told to Envoy: first 16 hex digits of the SHA-256 of `body`."""
        return hashlib.sha256(self.body).hexdigest()[:16]

    @cached_property
    def sha256(self) -> bytes:
        """The whole SHA-256 of `body`."""
        return hashlib.sha256(self.body).digest()

    @cached_property
    def table(self) -> Table:
        """The body of a route table taken apart; kept as long as the resource is.

        Raises:
            ValueError: it is none.
        """
        return Table.read(self.body)

    def __repr__(self) -> str:  # a secret's body must never reach a log
        return f"Resource({self.type_url.short} {self.name!r}, {len(self.body)} bytes)"


@dataclass(frozen=True)
class Snapshot:
    """All resources of one release, sorted by type and name; build with `Snapshot.of`."""

    resources: tuple[Resource, ...]

    @staticmethod
    def of(resources: Iterable[Resource]) -> "Snapshot":
        """Sort and check.

        Raises:
            InternalError: two resources of one type share a name.
        """
        order = {type_url: index for index, type_url in enumerate(TypeUrl)}
        ordered = tuple(sorted(resources, key=lambda r: (order[r.type_url], r.name)))
        snapshot = Snapshot(ordered)
        invariant(
            len(snapshot.by_key) == len(ordered), "two compiled resources share type and name"
        )
        return snapshot

    @cached_property
    def by_key(self) -> dict[tuple[TypeUrl, str], Resource]:
        """Resources by type and name."""
        return {(r.type_url, r.name): r for r in self.resources}

    def of_type(self, type_url: TypeUrl) -> tuple[Resource, ...]:
        """The resources of one type, by name."""
        return tuple(r for r in self.resources if r.type_url is type_url)

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 over types, names and bodies, in order."""
        sha = hashlib.sha256()
        for r in self.resources:
            for part in (r.type_url.value.encode(), r.name.encode(), r.body):
                sha.update(len(part).to_bytes(8, "big"))
                sha.update(part)
        return Digest(sha.hexdigest())
