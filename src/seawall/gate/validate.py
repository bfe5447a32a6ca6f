"""What the real Envoy says to a snapshot before any node is given it.

The snapshot becomes one static bootstrap and goes through `envoy --mode validate`. Origins and
virtual hosts are most of an edge and most of the time: those whose exact bytes the same binary has
accepted under the same bootstrap (and, for a host, the same listeners) are left out, and then
routes may name origins that are not there (that every route's origin exists, and no domain stands
twice, is held by `compiler.check`). The first run of a process is always whole, and so is a second
look before anything is refused. Envoy does not name the origin it refuses: halving finds it.
"""

import asyncio
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from envoy.config.route.v3 import route_pb2

from seawall.clock import Clock
from seawall.compiler import nack
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.static import static_bootstrap
from seawall.compiler.wire import body_of
from seawall.errors import RefusedError, UnreachableError
from seawall.gate import process
from seawall.gate.process import Ending, Limits

_PLACES: Final = {"Secrets": TypeUrl.SECRET, "Listeners": TypeUrl.LISTENER}
_PLACE: Final = re.compile(
    r"StaticResourcesValidationError\.(?P<field>Secrets|Listeners)\[(?P<index>\d{1,6})\]"
)
_REMEDIES: Final = {
    Ending.REFUSED: "Fix what Envoy names and apply again.",
    Ending.MISSING: "Install Seawall again: its Envoy is missing.",
    Ending.NOT_EXECUTABLE: "Check the mode of the file, and that it was built for this machine.",
    Ending.TIMED_OUT: "Try again when the machine is less busy. If it happens again, report it.",
    Ending.OUT_OF_TIME: "The configuration is too costly to load: make it smaller, or report it.",
    Ending.OUT_OF_MEMORY: "The configuration is too large to load: make it smaller.",
    Ending.KILLED: "The machine may be out of memory. Free some and try again.",
    Ending.CRASHED: "This is a defect of Envoy or Seawall. Please report it with the diff.",
}


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What Envoy said.

    Attributes:
        ending: accepted, or why not.
        words: Envoy's own, bounded; empty when it accepted.
        owner: what of the site file wrote the refused part, for example `origin api`, or `edge`.
        resource: its xDS name; empty when unknown.
        duration_s: of all runs together.
        clusters_checked: origins that Envoy read this time.
        clusters_known: origins left out because this Envoy had accepted exactly them before.
    """

    ending: Ending
    words: str
    owner: str
    resource: str
    duration_s: float
    clusters_checked: int
    clusters_known: int

    @property
    def accepted(self) -> bool:
        """Envoy takes the snapshot."""
        return self.ending is Ending.ACCEPTED

    def require_accepted(self) -> None:
        """Stop here when Envoy did not accept.

        Raises:
            RefusedError: with Envoy's words, who wrote the refused part, and a remedy; its code
                is `envoy-refused` or the way the run ended.
        """
        if self.accepted:
            return
        remedy = _REMEDIES[self.ending]
        if self.ending is Ending.REFUSED:
            words = f"Envoy refuses {self.owner}: {self.words}"
            raise RefusedError("envoy-refused", words, remedy=remedy)
        what = self.ending.value.replace("envoy-", "").replace("-", " ")
        raise RefusedError(
            self.ending.value,
            f"The configuration could not be validated ({what}). {self.words}".strip(),
            remedy=remedy,
        )


class Validator:
    """Validates snapshots with one Envoy binary, one at a time."""

    def __init__(self, envoy: Path, clock: Clock, bounds: Limits | None = None) -> None:
        self._envoy = envoy
        self._clock = clock
        self._bounds = bounds or Limits()
        self._turn = asyncio.Lock()
        self._known: frozenset[str] = frozenset()
        self._known_hosts: frozenset[str] = frozenset()

    async def validate(self, snapshot: Snapshot, *, work_dir: Path) -> ValidationReport:
        """Ask Envoy.

        Args:
            snapshot: what a node would be given.
            work_dir: a private directory of this process; made when missing.

        Raises:
            UnreachableError: `work_dir` cannot be written.
        """
        async with self._turn:
            start_s = self._clock.monotonic_s()
            try:
                await asyncio.to_thread(_prepare, work_dir)
                return await self._validate(snapshot, work_dir, start_s)
            except OSError as error:
                raise UnreachableError(
                    "gate-unreachable",
                    f"Cannot validate in {work_dir}: {error.strerror}.",
                    remedy="Check the owner and mode of the data directory, and free disk space.",
                ) from error

    def trust(self, snapshot: Snapshot) -> None:
        """Begin with what `snapshot` holds as accepted; for a validator that has seen nothing yet.

        Args:
            snapshot: accepted by the same Envoy before, in a process that is gone.
        """
        if not self._known and not self._known_hosts:
            scope = self._scope(snapshot)
            self._known = frozenset(_cluster_keys(snapshot, scope).values())
            self._known_hosts = frozenset(_host_keys(snapshot, scope).values())

    async def _validate(
        self, snapshot: Snapshot, work_dir: Path, start_s: float
    ) -> ValidationReport:
        clusters = snapshot.of_type(TypeUrl.CLUSTER)
        scope = await asyncio.to_thread(self._scope, snapshot)
        keys = _cluster_keys(snapshot, scope)
        new = [cluster for cluster in clusters if keys[cluster.name] not in self._known]
        hosts = await asyncio.to_thread(_host_keys, snapshot, scope)
        settled = frozenset(host for host, key in hosts.items() if key in self._known_hosts)
        ran = await self._run(snapshot, new, work_dir, settled)
        if ran.ending is Ending.REFUSED and (len(new) < len(clusters) or settled):
            # Nobody is refused because of what was left out.
            ran = await self._run(snapshot, clusters, work_dir)
        owner, resource = nack.EDGE, ""
        if ran.ending is Ending.ACCEPTED:
            self._known = frozenset(keys.values())
            self._known_hosts = frozenset(hosts.values())
        elif ran.ending is Ending.REFUSED:
            owner, resource = nack.explain(snapshot, "", ran.words)
            if owner == nack.EDGE:
                culprit = _numbered(snapshot, ran.words)
                if culprit is None:
                    culprit = await self._culprit(snapshot, new, work_dir)
                if culprit is not None:
                    owner, resource = culprit.owner, culprit.name
        accepted = ran.ending is Ending.ACCEPTED
        return ValidationReport(
            ending=ran.ending,
            words="" if accepted else ran.words,
            owner="" if accepted else owner,
            resource=resource,
            duration_s=self._clock.monotonic_s() - start_s,
            clusters_checked=len(new),
            clusters_known=len(clusters) - len(new),
        )

    def _scope(self, snapshot: Snapshot) -> str:
        """What an accepted origin's bytes are only known good together with."""
        try:
            stat = self._envoy.stat()
        except OSError:
            return ""
        sha = hashlib.sha256(f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} ".encode())
        for resource in snapshot.of_type(TypeUrl.BOOTSTRAP):
            sha.update(resource.body)
        return sha.hexdigest()

    async def _run(
        self,
        snapshot: Snapshot,
        clusters: Collection[Resource],
        work_dir: Path,
        settled: frozenset[bytes] = frozenset(),
    ) -> process.Run:
        bootstrap = await asyncio.to_thread(_bootstrap, snapshot, clusters, settled)
        return await process.run(self._envoy, bootstrap, work_dir=work_dir, bounds=self._bounds)

    async def _culprit(
        self, snapshot: Snapshot, suspects: Sequence[Resource], work_dir: Path
    ) -> Resource | None:
        """An origin that Envoy refuses by itself; None when the fault is elsewhere."""
        base = (*snapshot.of_type(TypeUrl.BOOTSTRAP), *snapshot.of_type(TypeUrl.RUNTIME))
        alone = Snapshot.of((*base, *suspects))
        if not suspects or not await self._refuses(alone, suspects, work_dir):
            return None
        while len(suspects) > 1:
            half = suspects[: len(suspects) // 2]
            guilty = await self._refuses(alone, half, work_dir)
            suspects = half if guilty else suspects[len(half) :]
        return suspects[0]

    async def _refuses(
        self, snapshot: Snapshot, clusters: Sequence[Resource], work_dir: Path
    ) -> bool:
        return (await self._run(snapshot, clusters, work_dir)).ending is Ending.REFUSED


def _numbered(snapshot: Snapshot, words: str) -> Resource | None:
    """A secret or listener that Envoy names by its place; origins may have been left out."""
    found = _PLACE.search(words)
    if found is None:
        return None
    resources = snapshot.of_type(_PLACES[found["field"]])
    return resources[int(found["index"])] if int(found["index"]) < len(resources) else None


def _prepare(work_dir: Path) -> None:
    work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    process.remove_leftovers(work_dir)


def _bootstrap(
    snapshot: Snapshot, clusters: Collection[Resource], settled: frozenset[bytes]
) -> bytes:
    """A static bootstrap with only these origins and without the settled virtual hosts.

    Routes to origins that are left out are allowed then.
    """
    if len(clusters) == len(snapshot.of_type(TypeUrl.CLUSTER)) and not settled:
        return static_bootstrap(snapshot, admin_path=None, every_chain=False)
    kept = [r for r in snapshot.resources if r.type_url not in (TypeUrl.CLUSTER, TypeUrl.ROUTES)]
    routes = [_thinned(r, settled) for r in snapshot.of_type(TypeUrl.ROUTES)]
    return static_bootstrap(
        Snapshot.of((*kept, *clusters, *routes)), admin_path=None, every_chain=False
    )


def _thinned(resource: Resource, settled: frozenset[bytes]) -> Resource:
    configuration = route_pb2.RouteConfiguration.FromString(resource.table.rest)
    configuration.validate_clusters.value = False
    for host in resource.table.hosts:
        if host not in settled:
            configuration.virtual_hosts.add().MergeFromString(host)
    return Resource(resource.type_url, resource.name, body_of(configuration), resource.owner)


def _cluster_keys(snapshot: Snapshot, scope: str) -> dict[str, str]:
    return {cluster.name: scope + cluster.version for cluster in snapshot.of_type(TypeUrl.CLUSTER)}


def _host_keys(snapshot: Snapshot, scope: str) -> dict[bytes, str]:
    """Every virtual host, as it is serialized, with what its acceptance hangs on.

    That is its bytes, and the listeners' filters. What hangs on several hosts at once (no domain
    twice) is held by `compiler.check`.
    """
    sha = hashlib.sha256(scope.encode())
    for resource in snapshot.of_type(TypeUrl.LISTENER):
        sha.update(resource.body)
    around = sha.digest()
    return {
        host: hashlib.sha256(around + host).hexdigest()
        for resource in snapshot.of_type(TypeUrl.ROUTES)
        for host in resource.table.hosts
    }
