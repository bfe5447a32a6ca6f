"""`seawall bots fetch-ranges`: published ranges of bots, fetched and then written or released.

What is fetched is compared with what is in use: the file in the folder, or what was pushed last.
Whatever goes wrong with one list leaves it as it is, is told, and does not keep the others.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import dns.asyncresolver
import dns.exception

from seawall import limits
from seawall.api.client import Client
from seawall.api.views import Applied, Refused
from seawall.cli.connect import connect
from seawall.cli.exit_codes import DONE, REFUSED
from seawall.cli.settings import Target
from seawall.clock import Clock, SystemClock
from seawall.console import progress
from seawall.console.output import Output, error_text, styled
from seawall.daemon.processes import user_name
from seawall.errors import SeawallError, UsageError
from seawall.node.files import read_bounded, write_atomic
from seawall.verify.catalogue import RangeSource, catalogue
from seawall.verify.dns import Lookups
from seawall.verify.fetch import Fetcher
from seawall.verify.ranges import RangeList, known
from seawall.verify.renewal import renew_list

_DONE: Final = {
    "written": "Wrote",
    "released": "Released",
    "unchanged": "Unchanged",
    "kept": "Left as it is",
}


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
        state: `written`, `released`, `unchanged`, or `kept` when the one before stays.
        networks: in use now; None when there are none, or they are not known.
        alarm: what is wrong; empty when nothing is.
    """

    name: str
    state: str
    networks: int | None
    alarm: str = ""


def fetch(
    output: Output, names: Sequence[str], out: Path | None, target: Target, *, release: bool
) -> int:
    """Fetch into a folder, or as releases; see `write` and `push`.

    Raises:
        UsageError: neither or both are asked for.
    """
    if release == (out is not None):
        raise UsageError(
            "where-to",
            "Ranges are either written into a folder or released.",
            remedy="Use one of `--out DIR` and `--push`.",
        )
    if out is not None:
        return write(output, real_world(), names, out)
    return push(output, real_world(), names, target)


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


def write(output: Output, world: World, names: Sequence[str], folder: Path) -> int:
    """Renew files, `NAME.txt` each; without names, all lists of the catalogue.

    Returns:
        `REFUSED` when something was wrong with one of them.

    Raises:
        UsageError: there is no list of that name, or the folder cannot be made.
    """
    wanted = _wanted(names, world.sources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "folder-unusable",
            f"{folder} cannot be made: {error.strerror or error}.",
            remedy="Name a folder that can be written.",
        ) from error
    return _told(output, [_write(world, source, folder) for source in wanted])


def push(output: Output, world: World, names: Sequence[str], target: Target) -> int:
    """Renew what was pushed, each as a release; without names, the lists of the current release.

    Returns:
        `REFUSED` when something was wrong with one of them.

    Raises:
        UsageError: there is no list of that name, or the current release has none to push to.
        UnreachableError: nothing runs there.
    """
    with connect(target) as client:
        pushed = {one.name for one in client.feeds().feeds if not one.path}
        listed = [name for name in world.sources if name in pushed]
        if not names and not listed:
            raise UsageError(
                "no-range-lists",
                "The current release has no list of published ranges that can be pushed.",
                remedy="Write for example `lists: {google-common: {}}` into the site file, and "
                "apply.",
            )
        wanted = _wanted(names or listed, world.sources)
        return _told(output, [_push(output, world, source, client) for source in wanted])


def _wanted(names: Sequence[str], sources: Mapping[str, RangeSource]) -> list[RangeSource]:
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise UsageError(
            "ranges-unknown",
            f"No known bot has published ranges {unknown[0][:60]!r}.",
            remedy=f"Known are: {', '.join(sources)}.",
        )
    return [sources[name] for name in dict.fromkeys(names or sources)]


def _write(world: World, source: RangeSource, folder: Path) -> Fetched:
    path = folder / f"{source.name}.txt"
    try:
        old = known(source.name, read_bounded(path, limits.VERIFY_RANGES_BODY_SIZE_BYTES_MAX))
    except FileNotFoundError:
        old = None
    except OSError as error:
        return Fetched(source.name, "kept", None, f"{path} cannot be read: {error}")
    except SeawallError as error:
        return Fetched(source.name, "kept", None, f"{path}: {error.message}")
    content, found = _renewed(world, source, old)
    if content is None:
        return found
    try:
        write_atomic(path, content.encode())
    except OSError as error:
        return Fetched(source.name, "kept", _count(old), f"{path} cannot be written: {error}")
    return Fetched(source.name, "written", found.networks)


def _push(output: Output, world: World, source: RangeSource, client: Client) -> Fetched:
    name = source.name
    try:
        text = client.feed(name).text
        old = None if text is None else known(name, text.encode())
    except SeawallError as error:
        return Fetched(name, "kept", None, f"{name}: {error.message}")
    content, found = _renewed(world, source, old)
    if content is None:
        return found
    try:
        end = _released(output, client, name, content)
    except SeawallError as error:
        return Fetched(name, "kept", _count(old), f"{name} was not released: {error.message}")
    if isinstance(end, Refused):
        return Fetched(name, "kept", _count(old), f"{name} was not released: {end.message}")
    return Fetched(name, "released", found.networks)


def _released(output: Output, client: Client, name: str, content: str) -> Applied | Refused:
    message = f"Published ranges {name}"
    events = client.push_feed(name, content.encode(), author=user_name(), message=message)
    if output.json_format:
        return [event for event in events if isinstance(event, Applied | Refused)][-1]
    return progress.follow(output, events)


def _renewed(
    world: World, source: RangeSource, old: RangeList | None
) -> tuple[str | None, Fetched]:
    """The content to take into use, if any, and what is to be told."""
    now_s = world.clock.now_s()
    renewal = asyncio.run(renew_list(source, old, world.fetcher, now_s=now_s))
    if renewal.content is None:
        state = "kept" if renewal.alarm else "unchanged"
        return None, Fetched(source.name, state, _count(old), renewal.alarm)
    networks = _count(known(source.name, renewal.content.encode()))
    return renewal.content, Fetched(source.name, "unchanged", networks)


def _count(ranges: RangeList | None) -> int | None:
    return None if ranges is None else len(ranges.networks)


def _told(output: Output, done: Sequence[Fetched]) -> int:
    failed = any(one.alarm for one in done)
    if output.json_format:
        output.write_json({"ranges": [asdict(one) for one in done]})
        return REFUSED if failed else DONE
    for one in done:
        networks = "no networks" if one.networks is None else f"{one.networks:,} networks"
        output.show(styled(f"{_DONE[one.state]}: {one.name}, {networks}"))
        if one.alarm:
            do = "What was in use stays in use; the next run tries again."
            output.show_aside(error_text(one.alarm, code="bot-ranges-kept", do=do))
    return REFUSED if failed else DONE
