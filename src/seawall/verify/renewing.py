"""Renewing published ranges one after another: what is in use, what is fetched, what is taken.

Where lists are held (files, or feeds of a release) is the caller's; what is taken is decided by
`seawall.verify.ranges` alone. Whatever goes wrong with one list leaves it as it is, is told, and
does not keep the others.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dns.asyncresolver
import dns.exception

from seawall.clock import Clock, SystemClock
from seawall.errors import SeawallError, UsageError
from seawall.verify.catalogue import RangeSource, catalogue
from seawall.verify.dns import Lookups
from seawall.verify.fetch import Fetcher
from seawall.verify.ranges import RangeList, known
from seawall.verify.renewal import renew_list


@dataclass(frozen=True, slots=True)
class World:
    """What is fetched from, and with what; tests have their own.

    Attributes:
        sources: the lists that can be fetched, by name.
    """

    sources: Mapping[str, RangeSource]
    fetcher: Fetcher
    clock: Clock


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one list.

    Attributes:
        state: `written`, `released`, `waits` for its release, `unchanged`, or `kept` when the one
            before stays.
        networks: in use now; None when there are none, or they are not known.
        alarm: what is wrong; empty when nothing is.
    """

    name: str
    state: str
    networks: int | None
    alarm: str = ""


class Holding(Protocol):
    """Where lists are held."""

    taken: str
    """What a list is called that was taken last: `written`, `released` or `waits`."""

    def held(self, name: str) -> RangeList | None:
        """The list that is in use; None before the first.

        Raises:
            SeawallError: what is in use cannot be told, so it is left alone.
        """
        ...

    def take(self, name: str, content: str) -> None:
        """Take new content into use.

        Raises:
            SeawallError: it was not taken; what was in use still is.
        """
        ...


def real_world() -> World:
    """The lists of the catalogue, from where their operators publish them."""
    clock = SystemClock()
    lookups = Lookups(_resolver(), clock)
    fetcher = Fetcher(lookups.addresses, ssl.create_default_context())
    return World(catalogue().sources, fetcher, clock)


def _resolver() -> Any:
    """The machine's; on a machine without one no name has an address."""
    try:
        return dns.asyncresolver.Resolver()
    except dns.exception.DNSException:
        return dns.asyncresolver.Resolver(configure=False)


def wanted(names: Sequence[str], sources: Mapping[str, RangeSource]) -> list[RangeSource]:
    """The lists of these names; all without a name.

    Raises:
        UsageError: there is no list of that name.
    """
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise UsageError(
            "ranges-unknown",
            f"No known bot publishes ranges named {unknown[0][:60]!r}.",
            remedy=f"The names are: {', '.join(sources)}.",
        )
    return [sources[name] for name in dict.fromkeys(names or sources)]


def renewed(world: World, source: RangeSource, holding: Holding) -> Fetched:
    """Renew one list; never raises for what others serve or a disk does."""
    name = source.name
    try:
        old = holding.held(name)
    except SeawallError as error:
        return Fetched(name, "kept", None, error.message)
    now_s = world.clock.now_s()
    renewal = asyncio.run(renew_list(source, old, world.fetcher, now_s=now_s))
    if renewal.content is None:
        state = "kept" if renewal.alarm else "unchanged"
        return Fetched(name, state, _count(old), renewal.alarm)
    try:
        holding.take(name, renewal.content)
    except SeawallError as error:
        return Fetched(name, "kept", _count(old), error.message)
    return Fetched(name, holding.taken, _count(known(name, renewal.content.encode())))


def _count(ranges: RangeList | None) -> int | None:
    return None if ranges is None else len(ranges.networks)
