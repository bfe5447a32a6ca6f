"""The delta-ADS session with one Envoy process: requests and `now` in, responses out, no I/O.

It decides what Envoy is sent and when, so that no update breaks what serves:

* Make before break. Types are sent in `TypeUrl` order, and a type waits until Envoy has
  acknowledged everything of the types before it. Envoy acknowledges clusters only when they are
  warm (resolved, health-checked), so no route meets a cold cluster. Removals come last, dependents
  first; a cluster stays a moment longer for requests that were already routed.
* What Envoy waits for by name (a route table of a new listener, a secret) is answered at once.
* One risky resource a response. Envoy applies the good resources of a refused response without
  recording their versions, so a risky one travels alone; what already served travels in batches.
* A refusal turns the session back to the last target that settled, at once and by itself. The
  refused resource is healed first: its previous version, or its removal, because some clusters
  that fail late leave Envoy's cluster subscription paused until exactly that is pushed. While a
  cluster waits for its removal, nothing waits for acknowledgements of clusters: none would come.
* An Envoy with that pause does not subscribe to clusters after a reconnect: when it stays silent,
  clusters are pushed unasked (`clusters_pushed_unasked` counts it).
* An empty set of listeners is refused: it can only be an accident. An edge may do without
  clusters (all its routes answer themselves); Envoy is then told so, because its start waits.

It must never end by an exception of its own on any input, nor hold more than one target and one
fallback. https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.words import readable
from seawall.errors import RefusedError
from seawall.limits import (
    XDS_BATCH_SIZE_BYTES_MAX,
    XDS_CLUSTER_LINGER_S,
    XDS_RESPONSES_IN_FLIGHT_MAX,
    XDS_SILENCE_S,
    XDS_SUBSCRIBE_GRACE_S,
)
from seawall.node.xds.ledger import REMOVABLE, UNKNOWN, Ledger, Sent
from seawall.node.xds.messages import Effect, Rejected, Request, Response, Settled

ORDER: Final[tuple[TypeUrl, ...]] = tuple(
    type_url for type_url in TypeUrl if type_url is not TypeUrl.BOOTSTRAP
)
"""Types that travel over xDS, in the order of sending."""
_ALWAYS_SUBSCRIBED: Final = (TypeUrl.CLUSTER, TypeUrl.LISTENER)


@dataclass(frozen=True)
class _Aim:
    serial: int
    snapshot: Snapshot
    proven: bool


class Session:
    """See the module. Every method returns what to send and to tell, in order."""

    def __init__(self) -> None:
        self._ledgers: dict[TypeUrl, Ledger] = {type_url: Ledger(type_url) for type_url in ORDER}
        self._aim: _Aim | None = None
        self._fallback: _Aim | None = None
        self._serial = 0
        self._nonce = 0
        self._connected = False
        self._settled = False
        self._cluster_deadline_s = 0.0
        self._healing: set[str] = set()
        self._progress_s = 0.0
        self.clusters_pushed_unasked = 0
        self.ignored_requests = 0

    @property
    def settled(self) -> bool:
        """Whether Envoy holds the current target."""
        return self._settled

    @property
    def connected(self) -> bool:
        """Whether a stream is open."""
        return self._connected

    @property
    def serial(self) -> int:
        """Of the current target; 0 before the first."""
        return self._aim.serial if self._aim is not None else 0

    @property
    def target(self) -> Snapshot | None:
        """What Envoy shall hold; None before the first."""
        return self._aim.snapshot if self._aim is not None else None

    @property
    def stuck(self) -> bool:
        """Whether Envoy refused a part of the target and there is nothing to turn back to."""
        return any(ledger.refused for ledger in self._ledgers.values())

    def aim(self, snapshot: Snapshot, now_s: float, *, proven: bool = False) -> int:
        """Make `snapshot` the target and return its serial; call `tick` for what to send.

        Args:
            snapshot: what Envoy shall hold.
            now_s: monotonic seconds.
            proven: this Envoy version has taken the whole snapshot before, so it may be batched.

        Raises:
            RefusedError: it holds no listener.
        """
        if not snapshot.of_type(TypeUrl.LISTENER):
            raise RefusedError(
                "empty-set",
                "The release has no listener, so Envoy would stop listening.",
                remedy="Add at least one listener to the site file.",
            )
        self._serial += 1
        self._take(_Aim(self._serial, snapshot, proven), now_s)
        return self._serial

    def new_process(self) -> None:
        """Envoy was started anew: it holds nothing."""
        self.disconnected()
        self._ledgers = {type_url: Ledger(type_url) for type_url in ORDER}
        self._healing.clear()
        self._settled = False
        if self._aim is not None:
            self._aim_ledgers(self._aim, 0.0)

    def opened(self, now_s: float) -> None:
        """A new stream begins; an older one of the same Envoy is forgotten."""
        self.disconnected()
        self._connected = True
        self._cluster_deadline_s = now_s + XDS_SILENCE_S
        self._progress_s = now_s

    def disconnected(self) -> None:
        """The stream ended."""
        for ledger in self._ledgers.values():
            ledger.lose_stream()
        self._connected = False
        self._settled = False

    def request(self, request: Request, now_s: float) -> list[Effect]:
        """Envoy spoke."""
        ledger = self._ledger(request.type_url)
        if ledger is None or not self._connected:
            self.ignored_requests += 1
            return []
        effects: list[Effect] = []
        if not ledger.subscribed:
            ledger.begin(request.initial_versions)
            self._settled = False
            ledger.recount(removal_due_s=now_s)
        ledger.unsubscribe(request.unsubscribe)
        if request.subscribe:
            ledger.subscribe(request.subscribe, request.initial_versions)
            ledger.recount(removal_due_s=now_s)
        if request.nonce:
            effects += self._answered(ledger, request, now_s)
        return effects + self.tick(now_s)

    def tick(self, now_s: float) -> list[Effect]:
        """Time passed, or the target changed: send what may go now."""
        if not self._connected or self._aim is None:
            return []
        effects: list[Effect] = list(self._send(now_s))
        if not self._settled and self._is_settled(now_s):
            self._settled = True
            self._fallback = self._aim
            effects.append(Settled(self._aim.serial))
        return effects

    def wakeup_s(self, now_s: float) -> float | None:
        """When `tick` is wanted next if nothing else happens; None when only Envoy can move it."""
        if not self._connected or self._aim is None:
            return None
        times = [due for ledger in self._ledgers.values() for due in ledger.removals.values()]
        if not self._ledgers[TypeUrl.CLUSTER].subscribed:
            times.append(self._cluster_deadline_s)
        if not self._settled:
            times.append(self._progress_s + XDS_SUBSCRIBE_GRACE_S)
        return min((due for due in times if due > now_s), default=None)

    def waiting(self) -> tuple[tuple[TypeUrl, str], ...]:
        """What Envoy has not acknowledged yet, for a message about a commit that takes too long."""
        found: list[tuple[TypeUrl, str]] = []
        for type_url, ledger in self._ledgers.items():
            flying = [name for sent in ledger.sent.values() for name in sent.versions]
            found += [(type_url, name) for name in dict.fromkeys((*flying, *ledger.todo))]
        return tuple(found)

    # --- Targets -------------------------------------------------------------------------------

    def _take(self, aim: _Aim, now_s: float) -> None:
        self._aim = aim
        self._settled = False
        self._progress_s = now_s
        self._aim_ledgers(aim, now_s)
        self._healing -= self._ledgers[TypeUrl.CLUSTER].wanted.keys()

    def _aim_ledgers(self, aim: _Aim, now_s: float) -> None:
        for type_url, ledger in self._ledgers.items():
            linger_s = XDS_CLUSTER_LINGER_S if type_url is TypeUrl.CLUSTER else 0.0
            ledger.aim(aim.snapshot.of_type(type_url), removal_due_s=now_s + linger_s)

    def _ledger(self, type_url: str) -> Ledger | None:
        try:
            return self._ledgers.get(TypeUrl(type_url))
        except ValueError:
            return None

    # --- Answers -------------------------------------------------------------------------------

    def _answered(self, ledger: Ledger, request: Request, now_s: float) -> list[Effect]:
        sent = ledger.sent.pop(request.nonce, None)
        if sent is None:  # late, repeated, or of another stream
            self.ignored_requests += 1
            return []
        self._progress_s = now_s
        if request.error is None:
            ledger.acknowledge(sent)
            return []
        return self._refused(ledger, sent, request.error, now_s)

    def _refused(self, ledger: Ledger, sent: Sent, words: str, now_s: float) -> list[Effect]:
        words = readable(words)  # Envoy may quote a whole message, private keys included
        for name in sent.versions:
            if ledger.concerns(name):
                ledger.held[name] = UNKNOWN
        for name in sent.removed:
            ledger.held.pop(name, None)
        current = self._aim
        guilty = current is not None and any(
            name in ledger.wanted and ledger.wanted[name].version == version
            for name, version in sent.versions.items()
        )
        if guilty and current is not None:
            self._settled = False
            if self._fallback is not None and self._fallback is not current:
                self._take(self._fallback, now_s)
            else:  # nothing to turn back to: do not push the same again for ever
                named = {n for n in sent.versions if n in words} or set(sent.versions)
                ledger.refused |= {(name, sent.versions[name]) for name in named}
        ledger.recount(removal_due_s=now_s)
        for name in sent.versions:
            if ledger.lacks(name) or name in sent.fresh:
                ledger.urgent[name] = None
            elif name in ledger.removals:
                ledger.removals[name] = now_s
                if ledger.type_url is TypeUrl.CLUSTER:
                    self._healing.add(name)
        return [Rejected(sent.serial, ledger.type_url, tuple(sent.versions), words)]

    # --- Sending -------------------------------------------------------------------------------

    def _send(self, now_s: float) -> Iterator[Response]:
        for ledger in self._ledgers.values():
            yield from self._send_urgent(ledger)
        for type_url in ORDER:
            ledger = self._ledgers[type_url]
            if type_url is TypeUrl.CLUSTER and not self._clusters_may_go(ledger, now_s):
                return
            if ledger.subscribed:
                yield from self._send_changes(ledger)
            if ledger.sent and not (type_url is TypeUrl.CLUSTER and self._healing):
                return
        if self._is_settled(now_s, but_for_clusters=bool(self._healing)):
            yield from self._send_removals(now_s)

    def _send_removals(self, now_s: float) -> Iterator[Response]:
        for type_url in REMOVABLE:
            ledger = self._ledgers[type_url]
            due = [name for name, due_s in ledger.removals.items() if due_s <= now_s]
            if due and ledger.subscribed:
                if type_url is TypeUrl.CLUSTER:
                    self._healing.clear()
                yield self._respond(ledger, (), due)
            if ledger.sent:
                return

    def _clusters_may_go(self, ledger: Ledger, now_s: float) -> bool:
        """Whether Envoy listens to clusters, or has been silent for so long that they are pushed.

        Types before it in the order, and answers to names, do not wait for this.
        """
        if ledger.subscribed:
            return True
        if now_s < self._cluster_deadline_s:
            return False
        if not self._ledgers[TypeUrl.LISTENER].subscribed:
            return False  # still starting: it will ask for clusters before listeners
        self.clusters_pushed_unasked += 1
        ledger.begin(ledger.held)
        ledger.recount(removal_due_s=now_s)
        self._healing |= {name for name in ledger.removals if ledger.held.get(name) == UNKNOWN}
        return True

    def _send_urgent(self, ledger: Ledger) -> Iterator[Response]:
        names = list(ledger.urgent)
        ledger.urgent.clear()
        present = [name for name in names if ledger.lacks(name)]
        for batch in _batches(ledger, present, len(present)):
            yield self._respond(ledger, batch, ())
        absent = [name for name in names if self._answer_absent(ledger, name)]
        if absent:
            yield self._respond(ledger, (), absent)

    def _answer_absent(self, ledger: Ledger, name: str) -> bool:
        resource = ledger.wanted.get(name)
        if resource is None:
            return ledger.expected(name) is not None or name in ledger.names
        return (name, resource.version) in ledger.refused

    def _send_changes(self, ledger: Ledger) -> Iterator[Response]:
        if ledger.awaits_first_word:
            yield self._respond(ledger, (), ())
        room = XDS_RESPONSES_IN_FLIGHT_MAX - len(ledger.sent)
        if room <= 0 or not ledger.todo:
            return
        safe = [name for name in ledger.todo if self._is_proven(ledger, name)]
        safe_names = set(safe)
        risky = [name for name in ledger.todo if name not in safe_names]
        share = -(-len(risky) // XDS_RESPONSES_IN_FLIGHT_MAX)  # 1 unless there are very many
        batches = [*_batches(ledger, safe, len(safe)), *_batches(ledger, risky, share)]
        for batch in batches[:room]:
            yield self._respond(ledger, batch, ())

    def _is_proven(self, ledger: Ledger, name: str) -> bool:
        if self._aim is not None and self._aim.proven:
            return True
        if self._fallback is None:
            return False
        old = self._fallback.snapshot.by_key.get((ledger.type_url, name))
        return old is not None and old.version == ledger.wanted[name].version

    def _respond(self, ledger: Ledger, names: Iterable[str], removed: Iterable[str]) -> Response:
        self._nonce += 1
        nonce = str(self._nonce)
        resources = tuple(ledger.wanted[name] for name in names)
        gone = tuple(removed)
        fresh = frozenset(r.name for r in resources if ledger.expected(r.name) is None)
        versions = {resource.name: resource.version for resource in resources}
        ledger.note_sent(nonce, Sent(self.serial, versions, gone, fresh))
        return Response(ledger.type_url, nonce, resources, gone)

    # --- Settling ------------------------------------------------------------------------------

    def _is_settled(self, now_s: float, *, but_for_clusters: bool = False) -> bool:
        for type_url in _ALWAYS_SUBSCRIBED:
            if not self._ledgers[type_url].subscribed:
                return False
        unasked = False
        for ledger in self._ledgers.values():
            if but_for_clusters and ledger.type_url is TypeUrl.CLUSTER:
                continue
            if ledger.sent or ledger.todo or ledger.urgent or ledger.refused:
                return False
            missing = any(not ledger.concerns(name) for name in ledger.wanted)
            if missing and ledger.type_url is TypeUrl.ROUTES:
                return False  # its listener will ask: until then old routes may need old clusters
            unasked = unasked or missing
        # A new listener asks for its secrets a moment after it was acknowledged.
        return not unasked or now_s >= self._progress_s + XDS_SUBSCRIBE_GRACE_S


def _batches(ledger: Ledger, names: list[str], count_max: int) -> Iterator[list[str]]:
    """Cut `names` into responses of at most `count_max` resources and a bounded size."""
    batch: list[str] = []
    size = 0
    for name in names:
        length = len(ledger.wanted[name].body)
        if batch and (len(batch) >= count_max or size + length > XDS_BATCH_SIZE_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += length
    if batch:
        yield batch
