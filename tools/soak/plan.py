"""What will be done, decided by the seed alone: deeds, their site files, and who dies meanwhile.

What a deed meets depends on time (which processes there are, which releases), so a choice among
those is kept as a fraction: the same seed chooses the same way.
"""

import random  # noqa: TID251 - deeds are drawn from a generator that is seeded here
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from tools.soak.promises import Failing

API_PATH: Final = "/api/a"
NEW_PATH: Final = "/new/x"
PATHS: Final = ("/", API_PATH, NEW_PATH, "/a/b")
"""What clients ask for, in turn."""
FAILING_PREFIX: Final = "/boom"
"""The origin answers 500 below it."""
_DEAD_PORT: Final = 1
"""Nobody listens there."""
_ROLLOUT: Final = (
    "rollout: {steps: [{share: 20%, soak: 1s, deadline: 20s}, "
    "{share: 50%, soak: 1s, deadline: 20s}], bake: 2s}"
)
"""Short steps: a run is to see many releases through, and to kill in every part of one."""
_TIMEOUTS_S: Final = range(5, 30)
_FEATURES: Final = ("compression", "bots")
_TTLS: Final = ("10s", "15s", "30m")
"""Two that run out within a run, and one that does not."""
_PAUSE_S_MAX: Final = 4.0
_REST_S_MAX: Final = 3.0
_RESTED_SHARE: Final = 0.6
"""Of deeds after which nothing is done for a while; the others are followed at once."""
_KILLING_SHARE: Final = 0.6
"""Of deeds that somebody dies in."""
_KILLS_COUNTS: Final = (1, 1, 2, 3)
_KILLS_WITHIN_S: Final = (0.5, 2.0, 8.0)
"""Early in a deed, in the gate, in the canary."""
Thing = TypeVar("Thing")


class Kind(StrEnum):
    """What can be done, in the words of the summary."""

    GOOD = "good release"
    UNWATCHED = "good release, not waited for"
    FAILING = "release that answers 500"
    DEAD = "release with a dead origin"
    BROKEN = "broken site file"
    BACK = "rollback"
    BACK_TO = "rollback to a release"
    SWITCH = "kill switch"
    FREEZE = "freeze and unfreeze"
    ABORT = "abort"
    PAUSE = "pause and resume"
    TWO = "two who apply at once"
    DEATH = "death of a process"


class Victim(StrEnum):
    """Who can be killed, in the words of the summary; see `edge.WORDS` for how they are found."""

    UP = "seawall up"
    CONTROL = "control"
    NODE = "node agent"
    WORKBENCH = "workbench"
    TASTER = "taster"
    STABLE = "Envoy that serves"
    OTHER = "another Envoy"


WEIGHTS: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        Kind.GOOD: 4,
        Kind.UNWATCHED: 6,
        Kind.FAILING: 3,
        Kind.DEAD: 2,
        Kind.BROKEN: 2,
        Kind.BACK: 2,
        Kind.BACK_TO: 2,
        Kind.SWITCH: 2,
        Kind.FREEZE: 1,
        Kind.ABORT: 1,
        Kind.PAUSE: 1,
        Kind.TWO: 1,
        Kind.DEATH: 9,
    }
)
VICTIMS: Final[Mapping[Victim, int]] = MappingProxyType(
    {
        Victim.UP: 1,
        Victim.CONTROL: 2,
        Victim.NODE: 2,
        Victim.WORKBENCH: 1,
        Victim.TASTER: 1,
        Victim.STABLE: 1,
        Victim.OTHER: 2,
    }
)


@dataclass(frozen=True, slots=True)
class Site:
    """A site file; its answers carry its mark, so that each tells which release gave it."""

    number: int
    fails: bool = False
    dead: bool = False
    new_route: bool = False
    timeout_s: int = 15

    @property
    def mark(self) -> str:
        """The value of the header `x-soak` of its answers."""
        return f"n{self.number}"

    @property
    def failing(self) -> Failing | None:
        """Which of its answers fail; None when none do."""
        if self.fails:
            return Failing(self.mark, API_PATH, 500)
        return Failing(self.mark, NEW_PATH, 503) if self.dead else None

    def text(self, port: int, origin_port: int) -> str:
        """The file itself, for an edge on `port`."""
        routes = []
        if self.new_route or self.dead:
            origin = f', origin: "http://127.0.0.1:{_DEAD_PORT}"' if self.dead else ""
            routes.append(
                f"{{name: new, prefix: /new, class: page, timeout: {self.timeout_s}s{origin}}}"
            )
        how = (
            f"rewrite: {{prefix: {FAILING_PREFIX}}}"
            if self.fails
            else f"timeout: {self.timeout_s}s"
        )
        routes.append(f"{{name: api, prefix: /api, class: api, {how}}}")
        return (
            "version: 1\n"
            f"listen: {{http: 127.0.0.1:{port}}}\n"
            "sites:\n"
            "  demo:\n"
            '    hosts: ["*"]\n'
            f'    origin: "http://127.0.0.1:{origin_port}"\n'
            f'    headers: {{response: {{set: {{x-soak: "{self.mark}"}}}}}}\n'
            "    routes:\n" + "".join(f"      - {route}\n" for route in routes) + _ROLLOUT + "\n"
        )


@dataclass(frozen=True, slots=True)
class Death:
    """Somebody is killed: `after_s` from the begin of the deed, and `away_s` until `up` is back."""

    victim: Victim
    pick: float
    after_s: float = 0.0
    away_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do.

    Attributes:
        sites: what is applied, if anything; as many as apply at once.
        broken: text of a file that is no site file.
        pick: which of the releases, as a fraction.
        pause_s: within the deed.
        deaths: in the middle of it, or all there is to it.
        rest_s: nothing is done afterwards.
    """

    number: int
    kind: Kind
    sites: tuple[Site, ...] = ()
    broken: str = ""
    pick: float = 0.0
    pause_s: float = 0.0
    feature: str = ""
    ttl: str = ""
    deaths: tuple[Death, ...] = ()
    rest_s: float = 0.0


_BROKEN: Final = (
    "",
    "version: 1\nsites: {",
    "version: 1\nlisten: {http: 1}\nsites: {a: {}}",
    Site(0).text(port=80, origin_port=81) + "colour: red\n",
    "\0",
)


def deeds(seed: int) -> Iterator[Deed]:
    """Deeds without end; the same ones for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - a simulation of people, no secret
    number, releases = 0, 0
    while True:
        number += 1
        kind = rng.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        sites = _sites(rng, kind, releases)
        releases += len(sites)
        yield Deed(
            number=number,
            kind=kind,
            sites=sites,
            broken=rng.choice(_BROKEN) if kind is Kind.BROKEN else "",
            pick=rng.random(),
            pause_s=rng.random() * _PAUSE_S_MAX,
            feature=rng.choice(_FEATURES),
            ttl=rng.choice(_TTLS),
            deaths=_deaths(rng, kind),
            rest_s=rng.random() * _REST_S_MAX if rng.random() < _RESTED_SHARE else 0.0,
        )


def picked(things: Sequence[Thing], pick: float) -> Thing | None:
    """The thing at that fraction; None of none."""
    return things[int(pick * len(things))] if things else None


def _sites(rng: random.Random, kind: Kind, before: int) -> tuple[Site, ...]:
    match kind:
        case Kind.GOOD | Kind.UNWATCHED:
            count = 1
        case Kind.FREEZE:
            count = rng.choice((0, 1))
        case Kind.TWO:
            count = 2
        case Kind.FAILING:
            return (Site(before + 1, fails=True),)
        case Kind.DEAD:
            return (Site(before + 1, dead=True),)
        case _:
            count = 0
    return tuple(
        Site(
            before + n,
            new_route=rng.random() < 1 / 2,
            timeout_s=rng.choice(_TIMEOUTS_S),
        )
        for n in range(1, count + 1)
    )


def _deaths(rng: random.Random, kind: Kind) -> tuple[Death, ...]:
    if kind is Kind.DEATH:
        return (_death(rng, within_s=0.0),)
    if rng.random() >= _KILLING_SHARE:
        return ()
    count = rng.choice(_KILLS_COUNTS)
    return tuple(_death(rng, within_s=rng.choice(_KILLS_WITHIN_S)) for _ in range(count))


def _death(rng: random.Random, *, within_s: float) -> Death:
    return Death(
        victim=rng.choices([*VICTIMS], [*VICTIMS.values()])[0],
        pick=rng.random(),
        after_s=rng.random() * within_s,
        away_s=rng.random() * _REST_S_MAX,
    )
