"""Where the control side and a node meet: the values that cross, and the ports they cross by.

`rollout` and `node` do not import each other; `daemon` plugs an implementation of these ports
into both. A node pulls; nothing is ever pushed to it, so a node needs no open port.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.origin_names import NamesReport
from seawall.telemetry.window import Window

LEVEL_TRIALS: Final = 1
"""`NodeReport.level` of an agent that tries releases; one that says less commits untried."""
COMING_HEADER: Final = "x-seawall-coming"
"""With an empty answer to a node's poll: see `Coming`. An agent that does not know it polls on."""
UNHEALTHY_BAKING: Final = "was unhealthy while it baked"
"""In `NodeReport.message` of a node that went back because it fared better before the commit."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A release that a node shall try beside the one that serves.

    Attributes:
        share_permille: of new connections to the candidate; 0 is the taste: the candidate runs on
            a private socket only, answers golden requests, and no client meets it.
        baseline: run a control slot of the serving release with the same share.
        taste_deadline_s: for the candidate's start and its golden requests.
    """

    release: ReleaseId
    digest: Digest
    share_permille: int
    baseline: bool = True
    taste_deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one node shall run: the whole wanted state, so that taking it twice changes nothing.

    Attributes:
        generation: only grows; a node refuses a smaller one.
        release: what the stable slot shall serve; the id people know it by.
        digest: names the bundle.
        bake_s: how long it must run well before it becomes last known good.
        trial: what to try beside it; null withdraws whatever is being tried, unless it is
            `release` itself, which then commits (in place, or by a swap of processes).
    """

    generation: Generation
    release: ReleaseId
    digest: Digest
    bake_s: float
    trial: Trial | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """Control prepares a change and may assign it within seconds. Nothing is promised by it."""


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
        resource: Envoy's name of it; empty when Envoy named none.
        owner: whose it is: for example `route shop/api`, or `edge`.
        envoy_words: Envoy's own message, bounded in length.
    """

    type_url: str
    resource: str
    owner: str
    envoy_words: str


class TrialPhase(StrEnum):
    """How far a node is with a trial."""

    STARTING = "starting"
    """The bundle is being fetched, or the candidate is starting."""
    TASTING = "tasting"
    """The candidate answers golden requests on its private socket."""
    TASTED = "tasted"
    """It answered them as it should; no client meets it yet."""
    STEERED = "steered"
    """`TrialReport.share_permille` of new connections meet it."""
    FAILED = "failed"
    """The node withdrew it: refused, crashed, hung, unhealthy. It does not try it again."""


class Steering(StrEnum):
    """How exactly this node can share out new connections."""

    KERNEL = "kernel"
    """A program on the group of sockets: exact."""
    COARSE = "coarse"
    """The kernel's own hash over sockets: a candidate gets at least one socket's share."""
    NONE = "none"
    """No share is possible here: only the taste."""


@dataclass(frozen=True, slots=True)
class Probes:
    """Golden requests asked of the candidate so far in this step.

    Attributes:
        differed: answered otherwise than by the stable slot, or not as written.
        first: the first difference in words, for people.
    """

    asked: int = 0
    differed: int = 0
    first: str = ""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What a node says of its trial.

    Attributes:
        share_permille: really in effect now.
        verdict: the node's own judgement in words; the node withdraws without asking.
        baseline: whether a control slot takes part.
        restarts: deaths of the candidate in this trial.
        blames_content: of a failed one, whether the release is to blame rather than the machine.
    """

    release: ReleaseId
    digest: Digest
    phase: TrialPhase
    share_permille: int = 0
    message: str = ""
    nacks: tuple[Nack, ...] = ()
    probes: Probes = field(default_factory=Probes)
    verdict: str = ""
    baseline: bool = False
    restarts: int = 0
    blames_content: bool = True


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
        release: what really serves now; null before the first.
        phase: progress with that generation.
        message: one sentence for people when there is something to say.
        nacks: why, when `phase` is `REJECTED`.
        last_known_good: releases on disk, newest first.
        windows: closed measurement windows of every slot since the last accepted report, oldest
            first. During a trial they are short, and each has the generation of its step.
        notices: standing warnings, for example untrusted forwarded-for headers, disk full.
        listeners: addresses that Envoy listens on now, for example `0.0.0.0:443`.
        trial: what it tries beside; null while it tries nothing.
        groups: node groups that it belongs to, for waves.
        level: what its agent understands: 0, assignments only; 1, trials too.
        bundle_format: newest format of bundles that its agent reads; 0 when it does not say.
        good_digests: of `last_known_good`, in the same order; empty when it does not say.
        bots: what its newest access records say of bots; null when it does not say.
        life: random name of the agent's process, 16 hexadecimal digits; empty when it does not say.
        names: how it answers for the names of origins; null when it does not say.
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
    trial: TrialReport | None = None
    steering: Steering = Steering.NONE
    groups: tuple[str, ...] = ()
    level: int = 0
    bundle_format: int = 0
    good_digests: tuple[Digest, ...] = ()
    bots: BotSample | None = None
    life: str = ""
    names: NamesReport | None = None

    def keeps(self, release: ReleaseId, digest: Digest) -> bool:
        """Whether this content is last known good there.

        The name alone proves nothing where it can be helped: a store that was restored from a
        backup gives the numbers again that came after it, and the node still has their first
        content.
        """
        if self.good_digests:
            return digest in self.good_digests
        return release in self.last_known_good


class ControlPort(Protocol):
    """What a node may ask of control. Every call may raise `UnreachableError`."""

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """Long poll: the newest assignment above `known`, or None after `wait_s` seconds.

        `Coming` is said at most once of a change that is being prepared; the node asks again.
        """
        ...

    async def bundle(self, digest: Digest) -> bytes:
        """The signed bundle named `digest`; the node checks digest and signature itself."""
        ...

    async def report(self, report: NodeReport) -> None:
        """Deliver a report; only the newest state matters, windows are taken once."""
        ...
