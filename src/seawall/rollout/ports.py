"""Where the control side and a node meet: the values that cross, and the ports they cross by.

`rollout` and `node` do not import each other; `daemon` plugs an implementation of these ports
into both. A node pulls; nothing is ever pushed to it, so a node needs no open port.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.telemetry.window import Window


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one node shall run.

    Attributes:
        generation: only grows; a node refuses a smaller one.
        release: the id people know it by.
        digest: names the bundle.
        bake_s: how long it must run well before it becomes last known good.
    """

    generation: Generation
    release: ReleaseId
    digest: Digest
    bake_s: float


class Phase(StrEnum):
    """How far a node is with an assignment."""

    FETCHING = "fetching"
    COMMITTING = "committing"
    BAKING = "baking"
    GOOD = "good"
    """Baked: this release is last known good on the node."""
    REJECTED = "rejected"
    """Envoy refused it (NACK), or the bundle was bad; the node serves the previous release."""


@dataclass(frozen=True, slots=True)
class Nack:
    """A refusal by Envoy, mapped back to what was written.

    Attributes:
        resource: xDS name, or empty when Envoy named none.
        owner: `Resource.owner` of it, or `edge`.
        envoy_words: Envoy's own message, bounded in length.
    """

    type_url: str
    resource: str
    owner: str
    envoy_words: str


@dataclass(frozen=True, slots=True)
class EnvoyState:
    """The Envoy process of the stable slot, as the agent sees it now."""

    pid: int
    version: str
    uptime_s: float
    restarts: int
    live: bool
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a node says of itself, whenever something changed and at least each report interval.

    Attributes:
        generation: the assignment this report is about (the newest the node knows).
        release: what really serves now; None before the first.
        phase: progress with that generation.
        message: one sentence for people when there is something to say.
        nacks: why, when `phase` is `REJECTED`.
        last_known_good: releases on disk, newest first.
        windows: closed measurement windows since the last accepted report, oldest first.
        notices: standing warnings, for example untrusted forwarded-for headers, disk full.
    """

    node: NodeName
    generation: Generation
    release: ReleaseId | None
    digest: Digest | None
    phase: Phase
    message: str = ""
    nacks: tuple[Nack, ...] = ()
    envoy: EnvoyState | None = None
    last_known_good: tuple[ReleaseId, ...] = ()
    windows: tuple[Window, ...] = ()
    notices: tuple[str, ...] = ()
    agent_pid: int = 0
    listeners: tuple[str, ...] = field(default=())
    """Addresses Envoy listens on now, for example `0.0.0.0:443`."""


class ControlPort(Protocol):
    """What a node may ask of control. Every call may raise `UnreachableError`."""

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | None:
        """Long poll: the newest assignment above `known`, or None after `wait_s` seconds."""
        ...

    async def bundle(self, digest: Digest) -> bytes:
        """The signed bundle named `digest`; the node checks digest and signature itself."""
        ...

    async def report(self, report: NodeReport) -> None:
        """Deliver a report; only the newest state matters, windows are taken once."""
        ...
