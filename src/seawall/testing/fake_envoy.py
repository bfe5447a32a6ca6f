"""Envoy's side of delta ADS as far as the session can see it, defects of 1.40 included.

A resource whose body begins with `bad` is refused, the others of its response are applied, and no
version of that response is remembered. `bad-late` clusters also pause the cluster subscription:
nothing about clusters is acknowledged, and none is asked for after a reconnect, until that cluster
is pushed again or removed. The body of a listener names its route table (`rds:http`), the body of
a route table its clusters (`->a,b`).
"""

from collections import deque

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.node.xds.messages import Request, Response

Held = dict[TypeUrl, dict[str, Resource]]
SERVED = (TypeUrl.CLUSTER, TypeUrl.LISTENER, TypeUrl.ROUTES)


def resource(type_url: TypeUrl, name: str, body: str) -> Resource:
    """A resource whose body is plain text."""
    return Resource(type_url, name, body.encode(), f"owner of {name}")


def snapshot(
    clusters: dict[str, str], *, routed: tuple[str, ...] | None = None, text: str = ""
) -> Snapshot:
    """An edge with these clusters (name to body) whose routes use `routed`, by default all."""
    used = ",".join(sorted(clusters) if routed is None else routed)
    return Snapshot.of(
        [
            *(resource(TypeUrl.CLUSTER, name, body) for name, body in clusters.items()),
            resource(TypeUrl.LISTENER, "http", "rds:http"),
            resource(TypeUrl.ROUTES, "http", f"->{used}|{text}"),
        ]
    )


class FakeEnvoy:
    """Reads responses from `inbox` one by one, writes requests to `outbox`."""

    def __init__(self) -> None:
        self.held: Held = {type_url: {} for type_url in SERVED}
        self.recorded: dict[TypeUrl, dict[str, str]] = {type_url: {} for type_url in SERVED}
        self.inbox: deque[Response] = deque()
        self.outbox: deque[Request] = deque()
        self.stalled: set[str] = set()
        self.route_names: set[str] = set()
        self._withheld: list[Request] = []
        self._listening = False

    def connect(self) -> None:
        """Open a stream: ask for everything, saying what is held."""
        self.inbox.clear()
        self.outbox.clear()
        self._withheld.clear()
        if not self.stalled:
            self._ask(TypeUrl.CLUSTER, ("*",))
        if self._listening:
            self._ask(TypeUrl.LISTENER, ("*",))
        if self.route_names:
            self._ask(TypeUrl.ROUTES, tuple(self.route_names))

    def step(self) -> None:
        """Take one response and answer it."""
        response = self.inbox.popleft()
        type_url = response.type_url
        errors = [r.name for r in response.resources if r.body.startswith(b"bad")]
        for found in response.resources:
            if found.name in errors:
                if found.body.startswith(b"bad-late"):
                    self.stalled.add(found.name)
                continue
            self.held[type_url][found.name] = found
            if not errors:
                self.recorded[type_url][found.name] = found.version
        for name in response.removed:
            if type_url is not TypeUrl.ROUTES:  # Envoy ignores the removal of a route table
                self.held[type_url].pop(name, None)
            self.recorded[type_url].pop(name, None)
        if type_url is TypeUrl.LISTENER:
            self._follow_listeners()
        self._answer(response, errors)
        if type_url is TypeUrl.CLUSTER and not self._listening:
            self._listening = True
            self._ask(TypeUrl.LISTENER, ("*",))

    def _answer(self, response: Response, errors: list[str]) -> None:
        words = f"Error adding/updating: {', '.join(errors)}: bad" if errors else None
        answer = Request(response.type_url.value, nonce=response.nonce, error=words)
        healed = {r.name for r in response.resources} - set(errors) | set(response.removed)
        if response.type_url is TypeUrl.CLUSTER:
            self.stalled -= healed
            if self.stalled and not errors:
                self._withheld.append(answer)
                return
        self.outbox.append(answer)
        if not self.stalled:
            self.outbox.extend(self._withheld)
            self._withheld.clear()

    def _follow_listeners(self) -> None:
        wanted = {r.body.decode().partition(":")[2] for r in self.held[TypeUrl.LISTENER].values()}
        added = tuple(wanted - self.route_names)
        self.route_names = wanted
        if added:
            self.outbox.append(Request(TypeUrl.ROUTES.value, subscribe=added))

    def _ask(self, type_url: TypeUrl, names: tuple[str, ...]) -> None:
        self.outbox.append(
            Request(type_url.value, subscribe=names, initial_versions=dict(self.recorded[type_url]))
        )

    def dangling(self) -> set[str]:
        """Clusters that routes use and Envoy does not have; refused ones do not count."""
        used: set[str] = set()
        for table in self.held[TypeUrl.ROUTES].values():
            used |= set(table.body.decode().removeprefix("->").partition("|")[0].split(","))
        return {name for name in used if name and not name.startswith("bad")} - self.held[
            TypeUrl.CLUSTER
        ].keys()

    def serves(self, wanted: Snapshot) -> bool:
        """Whether exactly `wanted` is held."""
        return all(
            self.held[type_url] == {r.name: r for r in wanted.of_type(type_url)}
            for type_url in SERVED
        )
