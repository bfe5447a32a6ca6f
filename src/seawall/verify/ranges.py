"""Published ranges: an operator's list to the content of a release, and when a list is not taken.

Pure. A list never becomes empty and never shrinks or grows past a bound: the one before stays, and
its age is the alarm. The content is text: a dated header, then one canonical network a line.

    # seawall ranges 1
    # list: bingbot
    # fetched: 1764331000
    13.66.139.0/24
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from seawall import limits
from seawall.errors import RefusedError
from seawall.strict_json import once
from seawall.verify.catalogue import RangeSource

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADER: Final = re.compile(
    r"# seawall ranges 1\n# list: (?P<name>[a-z0-9-]+)\n# fetched: (?P<at>[0-9]{1,11})\n"
)
_HEADER_BYTES_MAX: Final = 256
_V4: Final = 4


@dataclass(frozen=True, slots=True)
class RangeList:
    """One list as it is released.

    Attributes:
        networks: IPv4 before IPv6, in order, none inside another; never empty.
        fetched_s: Unix seconds when the operator last said so; None when that is not known.
    """

    name: str
    networks: tuple[Network, ...]
    fetched_s: int | None

    def age_s(self, now_s: float) -> float | None:
        """How long ago the operator said so; None when that is not known."""
        return None if self.fetched_s is None else now_s - self.fetched_s

    def stale(self, now_s: float) -> bool:
        """Whether it is too old to exclude anybody, or its age is not known."""
        age_s = self.age_s(now_s)
        if age_s is None:
            return True
        return not -limits.VERIFY_RANGES_REDATE_S < age_s <= limits.VERIFY_RANGES_STALE_S


@dataclass(frozen=True, slots=True)
class Renewal:
    """What to do after a try to fetch a list.

    Attributes:
        content: to be released; None when the one before stays.
        alarm: what is wrong, for people; empty when nothing is.
    """

    content: str | None
    alarm: str


def parse(body: bytes, form: Literal["json", "text"]) -> tuple[Network, ...]:
    """An operator's list as canonical networks.

    Raises:
        RefusedError: it is not one: too large, of another form, empty, or with a network that is
            not public, or too wide to be one operator's.
    """
    if len(body) > limits.VERIFY_RANGES_BODY_SIZE_BYTES_MAX:
        raise _refused(f"it has {len(body):,} bytes")
    try:
        text = body.decode("utf-8-sig")
        texts = _from_json(text) if form == "json" else _from_text(text)
        networks = [ipaddress.ip_network(text) for text in texts]
    except (ValueError, RecursionError) as error:
        raise _refused(str(error)[:200]) from error
    return _canonical(networks)


def render(name: str, networks: Sequence[Network] | Sequence[str], *, fetched_s: int | None) -> str:
    """The content of a list release; one without a date verifies, and excludes nobody."""
    lines = ["# seawall ranges 1", f"# list: {name}"]
    if fetched_s is not None:
        lines.append(f"# fetched: {fetched_s}")
    return "\n".join([*lines, *map(str, networks)]) + "\n"


def header(content: bytes) -> tuple[str, int] | None:
    """The name and the date that a content begins with; None when it does not begin as `render`."""
    found = _HEADER.match(content[:_HEADER_BYTES_MAX].decode("utf-8", "replace"))
    return None if found is None else (found["name"], int(found["at"]))


def known(name: str, content: bytes) -> RangeList:
    """What stands in a list, whoever wrote it: without the header of `render` it has no date.

    Raises:
        RefusedError: it holds no ranges, or those of another list.
    """
    told, fetched_s = header(content) or (name, None)
    if told != name:
        raise _refused(f"it contains the ranges {told}")
    lines = (line.partition(b"#")[0] for line in content.splitlines())
    return RangeList(name, parse(b"\n".join(lines), "text"), fetched_s)


def renew(
    source: RangeSource, old: RangeList | None, bodies: Sequence[bytes], *, now_s: float
) -> Renewal:
    """What becomes of a list that was fetched now; `bodies` are all its parts."""
    name = source.name
    try:
        parts = [parse(body, source.format) for body in bodies]
        networks = _canonical([network for part in parts for network in part])
        if old is not None:
            _alike(old.networks, networks)
    except RefusedError as error:
        return failed(name, old, error.message, now_s=now_s)
    if old is not None and old.networks == networks:
        age_s = old.age_s(now_s)
        if age_s is not None and 0 <= age_s < limits.VERIFY_RANGES_REDATE_S:
            return Renewal(None, "")
    return Renewal(render(name, networks, fetched_s=int(now_s)), "")


def failed(name: str, old: RangeList | None, why: str, *, now_s: float) -> Renewal:
    """What becomes of a list that could not be fetched or was refused: the one before stays."""
    if old is None:
        return Renewal(None, f"The ranges {name} were never fetched: {why}")
    age_s = old.age_s(now_s)
    age = "have no date" if age_s is None else f"are {max(0.0, age_s) / 86_400:.1f} days old"
    then = (
        "they still verify bots, but no longer expose impostors"
        if old.stale(now_s)
        else "they stay in use"
    )
    return Renewal(None, f"The ranges {name} {age}, {then}: {why}")


def _from_json(text: str) -> list[str]:
    data: Any = json.loads(text, object_pairs_hook=once)
    prefixes = data.get("prefixes") if isinstance(data, dict) else None
    if not isinstance(prefixes, list):
        raise ValueError("it has no list of prefixes")  # noqa: TRY004 - one kind for all that is refused
    found = []
    for entry in prefixes:
        keys = {"ipv4Prefix", "ipv6Prefix"} & set(entry) if isinstance(entry, dict) else set()
        values = [entry[key] for key in sorted(keys)]
        if not values or not all(isinstance(value, str) for value in values):
            raise ValueError("one of its prefixes is neither ipv4Prefix nor ipv6Prefix")
        found += values
    return found


def _from_text(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _canonical(networks: list[Network]) -> tuple[Network, ...]:
    if not networks:
        raise _refused("it is empty")
    if len(networks) > limits.VERIFY_RANGES_PER_LIST_MAX:
        raise _refused(f"it has {len(networks):,} networks")
    for network in networks:
        narrow = (
            limits.VERIFY_RANGES_IPV4_PREFIX_MIN
            if network.version == _V4
            else limits.VERIFY_RANGES_IPV6_PREFIX_MIN
        )
        if network.prefixlen < narrow:
            raise _refused(f"{network} is too wide")
        if not network.is_global or network.is_multicast:
            raise _refused(f"{network} is not a public network")
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return (*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6))


def _alike(old: Sequence[Network], new: Sequence[Network]) -> None:
    """Refuse a list that lost or won too many addresses, each version for itself."""
    for version in (4, 6):
        before, after = _spans(old, version), _spans(new, version)
        had, has, kept = _size(before), _size(after), _size(_common(before, after))
        lost = 1 - kept / had if had else 0.0
        if lost > limits.VERIFY_RANGES_SHRINK_MAX:
            raise _refused(
                f"{lost:.0%} of its IPv{version} addresses are gone, over "
                f"{limits.VERIFY_RANGES_SHRINK_MAX:.0%}"
            )
        if had and has > had * limits.VERIFY_RANGES_GROWTH_MAX:
            raise _refused(f"it has {has / had:.0f} times as many IPv{version} addresses")


def _spans(networks: Iterable[Network], version: int) -> list[tuple[int, int]]:
    return [
        (int(network.network_address), int(network.broadcast_address) + 1)
        for network in networks
        if network.version == version
    ]


def _size(spans: Iterable[tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans)


def _common(
    first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The parts in both of two sorted lists of disjoint spans."""
    found, one, two = [], 0, 0
    while one < len(first) and two < len(second):
        start = max(first[one][0], second[two][0])
        end = min(first[one][1], second[two][1])
        if start < end:
            found.append((start, end))
        if first[one][1] <= second[two][1]:
            one += 1
        else:
            two += 1
    return found


def _refused(why: str) -> RefusedError:
    return RefusedError(
        "bot-ranges-refused",
        f"The list of ranges was refused: {why}.",
        remedy="The current list stays in use. Check what the operator publishes.",
    )
