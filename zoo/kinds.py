"""The nouns of the zoo: what a client is, what a session does, and what is written of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Class(StrEnum):
    """Who is behind a client, as the operator of a site sees it."""

    HUMAN = "human"
    """A person with a browser; here a stand-in that has only a keyboard and a mouse."""
    TOOL = "tool"
    """A program that says what it is and that sites want to serve."""
    BOT = "bot"
    """Any other program."""


class Kind(StrEnum):
    """What sort of client; goals are set for each kind."""

    HUMAN = "human"
    FEED = "feed reader"
    PACKAGE = "package manager"
    GIT = "git"
    MONITOR = "monitor"
    TEXT = "text browser"
    DECLARED = "declared library"
    SPOOF = "user-agent spoofing"
    IMPERSONATOR = "tls impersonator"
    AUTOMATION = "browser automation"
    STEALTH = "stealth automation"
    SLOW = "low and slow"


@dataclass(frozen=True)
class Step:
    """One request of a scripted session.

    Attributes:
        path: with its query.
        pause_s: waited before the request.
        headers: sent in this order beside what the client sends by itself.
    """

    path: str
    method: str = "GET"
    pause_s: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True)
class Configuration:
    """One kind of client, as data.

    Attributes:
        name: unique.
        family: configurations that share code or fingerprints; never split between training and
            test.
        driver: names the program that performs sessions, a key of `zoo.drivers.DRIVERS`.
        options: what the driver is told, as plain JSON values.
        behaviours: names of `zoo.plan.BEHAVIOURS`, one is chosen for each session.
        needs: programs on PATH, or `pip:NAME` and `npm:NAME`.
        weight: sessions of it relative to other configurations.
        batch: sessions that one process performs.
        headers: name of a header set of `zoo.headers.SETS` that is sent with each request.
    """

    name: str
    family: str
    kind: Kind
    driver: str
    options: Mapping[str, object] = field(default_factory=dict)
    behaviours: tuple[str, ...] = ("crawl",)
    needs: tuple[str, ...] = ()
    weight: float = 1.0
    batch: int = 1
    headers: str = ""

    @property
    def label(self) -> Class:
        """The class that its kind belongs to."""
        if self.kind is Kind.HUMAN:
            return Class.HUMAN
        return Class.TOOL if self.kind in TOOLS else Class.BOT


TOOLS = frozenset({Kind.FEED, Kind.PACKAGE, Kind.GIT, Kind.MONITOR, Kind.TEXT})
"""Kinds that are declared and legitimate."""


@dataclass(frozen=True)
class Session:
    """What became of a session; a line of `sessions.tsv`.

    Attributes:
        requests: connections' worth of requests that the driver says it made; the records tell
            what arrived.
        start_s: Unix time.
        problem: empty when it went as planned.
    """

    session: str
    address: str
    configuration: str
    family: str
    label: str
    kind: str
    behaviour: str
    requests: int
    start_s: float
    problem: str = ""
