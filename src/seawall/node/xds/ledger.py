"""The book of one resource type: what Envoy asked for, what it holds, what is on its way.

It answers "what is left to send?" and keeps that answer up to date without walking everything for
each acknowledgement. It decides no order between types: that is `session`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from seawall.compiler.snapshot import Resource, TypeUrl

UNKNOWN: Final = ""
"""Held version of a resource whose state in Envoy is not known: it was part of a refused response,
or Envoy did not list it after a reconnect. Equal to no real version, so it is sent again."""

WILDCARD: Final = frozenset({TypeUrl.CLUSTER, TypeUrl.LISTENER})
"""Types Envoy subscribes to as a whole; all others it asks for by name."""

REMOVABLE: Final = (TypeUrl.RUNTIME, TypeUrl.LISTENER, TypeUrl.CLUSTER)
"""Types whose removal Envoy obeys, dependents first. Removing a subscribed route configuration is
logged as an error and ignored by Envoy; a secret or extension in use must not go. Those three it
unsubscribes from by itself once nothing refers to them."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A response on its way.

    Attributes:
        fresh: names that Envoy did not hold before: after a refusal they must be taken away again.
    """

    serial: int
    versions: Mapping[str, str]
    removed: tuple[str, ...]
    fresh: frozenset[str]


@dataclass
class Ledger:
    """One type on one Envoy; `held` outlives a stream, the rest starts anew with each."""

    type_url: TypeUrl
    subscribed: bool = False
    answered: bool = False
    names: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    wanted: dict[str, Resource] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)
    todo: dict[str, None] = field(default_factory=dict)
    """Held by Envoy in another version, or not at all: in the order of sending."""
    urgent: dict[str, None] = field(default_factory=dict)
    """Names Envoy waits for, or that must be healed after a refusal: sent before anything else."""
    removals: dict[str, float] = field(default_factory=dict)
    """Names Envoy holds and the target does not, with the time from which they may go."""

    @property
    def wildcard(self) -> bool:
        """Whether Envoy takes every resource of the type."""
        return self.type_url in WILDCARD

    def concerns(self, name: str) -> bool:
        """Whether Envoy wants to hear of `name` now."""
        return self.wildcard or name in self.names

    @property
    def awaits_first_word(self) -> bool:
        """Whether Envoy's start waits to hear that there is nothing of this type."""
        return self.wildcard and not (self.answered or self.wanted or self.held)

    def expected(self, name: str) -> str | None:
        """The version Envoy will hold once everything on its way has arrived."""
        for sent in reversed(self.sent.values()):
            if name in sent.versions:
                return sent.versions[name]
            if name in sent.removed:
                return None
        return self.held.get(name)

    def lacks(self, name: str) -> bool:
        """Whether the target's version of `name` has still to be sent."""
        resource = self.wanted.get(name)
        if resource is None or not self.concerns(name) or (name, resource.version) in self.refused:
            return False
        return self.expected(name) != resource.version

    def aim(self, wanted: Iterable[Resource], *, removal_due_s: float) -> None:
        """Take a new target."""
        self.wanted = {resource.name: resource for resource in wanted}
        self.refused.clear()
        self.recount(removal_due_s=removal_due_s)

    def recount(self, *, removal_due_s: float) -> None:
        """Work out anew what is left to send and to remove."""
        flying = {name for sent in self.sent.values() for name in (*sent.versions, *sent.removed)}
        self.todo = {
            name: None
            for name, resource in self.wanted.items()
            if (name in flying or self.held.get(name) != resource.version) and self.lacks(name)
        }
        if self.type_url in REMOVABLE:
            known = self.held.keys() | flying
            self.removals = {
                name: self.removals.get(name, removal_due_s)
                for name in sorted(known)
                if name not in self.wanted and self.expected(name) is not None
            }

    def begin(self, initial_versions: Mapping[str, str]) -> None:
        """The first request of the type on a stream: Envoy says what it holds."""
        before = self.held.keys()
        self.subscribed = True
        self.held = dict(initial_versions)
        if self.type_url in REMOVABLE:
            for name in before - initial_versions.keys():
                self.held[name] = UNKNOWN

    def subscribe(self, names: Iterable[str], initial_versions: Mapping[str, str]) -> None:
        """Envoy asks for `names`; a name it already holds in some version is not urgent.

        Nor is a route table: its listener waits for it, but it must wait for its clusters.
        """
        for name in names:
            if self.wildcard:
                continue
            self.names.add(name)
            if name not in initial_versions:
                self.held.pop(name, None)
                if self.type_url is not TypeUrl.ROUTES or name not in self.wanted:
                    self.urgent[name] = None

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Envoy does not need `names` any more."""
        for name in names:
            self.names.discard(name)
            if not self.wildcard:
                self.held.pop(name, None)
                self.todo.pop(name, None)
                self.urgent.pop(name, None)

    def note_sent(self, nonce: str, sent: Sent) -> None:
        """A response leaves."""
        self.answered = True
        self.sent[nonce] = sent
        for name in (*sent.versions, *sent.removed):
            self.todo.pop(name, None)
            self.urgent.pop(name, None)
            self.removals.pop(name, None)

    def acknowledge(self, sent: Sent) -> None:
        """Envoy has taken a response."""
        for name, version in sent.versions.items():
            if self.concerns(name):
                self.held[name] = version
        for name in sent.removed:
            self.held.pop(name, None)

    def lose_stream(self) -> None:
        """The stream ended: what was on its way may or may not have arrived."""
        if self.type_url in REMOVABLE:
            for sent in self.sent.values():
                for name in sent.versions:
                    self.held[name] = UNKNOWN
        self.subscribed = False
        self.answered = False
        self.names.clear()
        self.sent.clear()
        self.urgent.clear()
        self.todo.clear()
