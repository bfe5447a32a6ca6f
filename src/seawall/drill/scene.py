"""What a drill is: the fault of one outage, in words and as deeds on a fleet.

A drill does not know which fleet it is on. The same deeds are done to a fleet that Seawall guards
and to one that is pushed the naive way; only what they cost may differ.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from seawall.clock import Clock
from seawall.drill.crowd import Visit
from seawall.drill.flaw import Flaw
from seawall.drill.nameserver import ORIGIN, NameServer
from seawall.limits import DRILL_RATE_PER_S, DRILL_WARM_UP_S
from seawall.model import Feature
from seawall.site.sources import BOT_MODEL, Pushed

NODES = 3
"""Nodes of a private fleet, unless its drill says otherwise."""
POLICY = (
    "rollout:\n"
    "  steps: [{share: 25%, soak: 5s, deadline: 60s}]\n"
    "  waves: [canary]\n"
    "  bake: 1s\n"
    "  without_traffic: hold\n"
)
"""What a drill's operator wrote. One step is enough for three nodes; its soak is longer than any
asynchronous effect of a drill."""
SITES = ("alpha", "bravo", "charlie", "delta")
MANY_SITES = (
    *SITES,
    *("echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima"),
)
"""Enough for the mass-change guard to count shares; it lets small edges change as they like."""


class Protection(StrEnum):
    """What of Seawall a drill relies on. A drill must fail with all of its own switched off."""

    BOUNDS = "bounds"
    """Limits and schema of every part, before anything is compiled."""
    GUARD = "guard"
    """The mass-change guard on the compiled result."""
    TASTER = "taster"
    """The sacrificial Envoy of the gate."""
    CANARY = "canary"
    """The candidate beside the stable slot, judged; without it a release goes to all at once."""
    PARENT = "parent"
    """Compare-and-set: only the child of the current release may become current."""
    LAST_KNOWN_GOOD = "last-known-good"
    """Boot and serve from the node's own disk."""
    LAST_ADDRESSES = "last-addresses"
    """The last addresses of a name serve on while DNS gives none."""


_MET_BY: Final = (
    (Protection.PARENT, ("parent",)),
    (Protection.BOUNDS, ("bounds",)),
    (Protection.GUARD, ("guard",)),
    (Protection.TASTER, ("taster",)),
    (Protection.CANARY, ("taste", "canary")),
)
"""What a release meets, one after the other, and what a refusal by each is called."""


@dataclass(frozen=True, slots=True)
class Change:
    """A release that somebody or something makes.

    Attributes:
        text: of the site file.
        data: what the flawed part of the data plane is fed.
        parent: what its maker believed to be current; empty when he did not look.
        actor: who makes it.
        harmful: whether it carries the fault, for the count of who met it.
        model: content of the feed `bot-model`; with it nothing else changes. None for no push.
        kill: a feature that is switched off; with it nothing else changes.
        at_once: brought out without steps: a change that only sets the scene for the fault.
    """

    text: str
    data: Mapping[str, str] = field(default_factory=dict)
    model: bytes | None = None
    kill: Feature | None = None
    parent: str = ""
    actor: str = "operator"
    harmful: bool = True
    at_once: bool = False


class Fleet(Protocol):
    """What a drill may do to a fleet, guarded or naive.

    Attributes:
        harmful: releases with the fault that were given to at least one node.
        forgiven: spans of monotonic seconds in which processes were killed on purpose.
    """

    harmful: set[str]
    forgiven: list[tuple[float, float]]

    async def release(self, change: Change) -> str:
        """Bring a change out; why not, when it was refused or taken back. Returns at its end."""
        ...

    async def current(self) -> str:
        """The release that is current."""
        ...

    async def cut(self) -> None:
        """Cut the core (control) off from every node."""
        ...

    async def join(self) -> None:
        """Undo `cut`."""
        ...

    async def restart(self) -> None:
        """Kill every Envoy at once; the fleet has to bring them back."""
        ...

    async def reboot(self) -> None:
        """Restart every machine at once: of what a node knew, only its disk is left."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """What the deeds of a drill have at hand.

    Attributes:
        nameserver: whom the fleet asks for names.
        origin: host of the origin, an address or a name.
        policy: the `rollout:` part of the site file; the naive way has none.
        home: a directory for what the drill itself keeps.
        notes: what the drill has to tell of how it was run.
        files: what was made ready for the deed.
    """

    fleet: Fleet
    clock: Clock
    port: int
    origin_port: int
    sites: tuple[str, ...]
    nameserver: NameServer
    origin: str
    policy: str = ""
    home: Path = Path()
    notes: list[str] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)

    def text(self, *, sites: tuple[str, ...] | None = None, **more: str) -> str:
        """A site file with all sites or with these; `more` adds keys to a site by name."""
        listed = "".join(
            self._site(name, more.get(name, ""))
            for name in self.sites
            if sites is None or name in sites
        )
        return (
            f"version: 1\nlisten: {{http: 127.0.0.1:{self.port}}}\n{self.policy}"
            f"sites:\n{listed or '  {}'}"
        )

    def _site(self, name: str, more: str) -> str:
        origin = f"http://{self.origin}:{self.origin_port}"
        return f"  {name}:\n    hosts: [{name}.test]\n    origin: {origin}\n{more}"


Deed = Callable[[Scene], Awaitable[None]]
Bounds = Callable[[Mapping[str, str]], str]


def models(content: bytes | None) -> tuple[Pushed, ...]:
    """What was pushed into the feed of the bot model."""
    return () if content is None else (Pushed(BOT_MODEL, content),)


def unbounded(_data: Mapping[str, str]) -> str:
    """Any data is within no bounds."""
    return ""


@dataclass(frozen=True, slots=True)
class Drill:
    """One outage, replayed.

    Attributes:
        name: what people type.
        outage: whose, and when.
        title: in a few words, for tables.
        story: what happened then, and what is done here.
        protections: which of Seawall's hold it, in the order in which it meets them; with these
            off the drill must fail.
        flaw: of the data plane, in both arms; its `data` is that of the first, good release.
        bounds: why data is refused by its limits and schema; empty when it is within them.
        deed: injects the fault, and returns when nothing more is done.
        prepare: what is made ready before, while all is well.
        sites: of the edge; each is asked in turn.
        nodes: of the private fleet: two at least, a wave of one and a wave of the rest.
        rate_per_s: of the crowd.
        warm_up_s: of traffic before the fault, so that the judge knows what is usual.
        after_s: how long clients are watched after that.
        withdraws: the naive node stops serving when it cannot reach the core.
        boots_from_core: the naive node has its configuration from the core only.
        model: bot model that the fleet begins with; the score of no client may change then.
        by_name: the site file names the origin, and DNS says where it is.
    """

    name: str
    outage: str
    title: str
    story: str
    protections: tuple[Protection, ...]
    deed: Deed
    prepare: Deed | None = None
    flaw: Flaw = field(default_factory=Flaw)
    bounds: Bounds = unbounded
    sites: tuple[str, ...] = SITES
    nodes: int = NODES
    rate_per_s: float = DRILL_RATE_PER_S
    warm_up_s: float = DRILL_WARM_UP_S
    after_s: float = 3.0
    withdraws: bool = False
    boots_from_core: bool = False
    model: bytes | None = None
    by_name: bool = False

    def got_past(self, held_by: str, off: frozenset[Protection]) -> str:
        """The first protection that is not off, if the fault was held by none up to it."""
        first = next((own for own in self.protections if own not in off), None)
        if first is None:
            return ""
        names = [first.value]
        for protection, called in _MET_BY if first in dict(_MET_BY) else ():
            names += called
            if protection is first:
                break
        return "" if held_by in names else first.value

    @property
    def origin(self) -> str:
        """Host of the origin."""
        return ORIGIN if self.by_name else "127.0.0.1"

    @property
    def visits(self) -> tuple[Visit, ...]:
        """What the crowd asks: every site in turn."""
        return tuple(Visit(f"{name}.test", f"/{name}", b"origin answers") for name in self.sites)
