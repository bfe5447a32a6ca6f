"""Networks, one a line: the strict reader of address lists.

A line holds a network in canonical form, or one address; `#` begins a remark. Everything that a
generator gets wrong when it breaks is refused: no last line break (the file was cut off), the same
network twice, one inside another, host bits, another spelling, and networks so wide that they can
only be a mistake. Bounds come first, so that a hostile file costs no more than a good one.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from seawall import limits
from seawall.site.feeds.fault import Fault, Parsed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PREFIX_MIN: Final = {4: limits.LIST_PREFIX_IPV4_MIN, 6: limits.LIST_PREFIX_IPV6_MIN}
_SHOWN: Final = re.compile(r"(?=.*[.:/])[0-9A-Fa-f.:/]{1,60}")
"""What may have been meant as a network. Nothing else of a file is told: whoever may have a site
file checked can name any file in it, and need not be allowed to read it."""
_REMEMBERED: Final = 8
"""Contents read several times while one release is made."""


@lru_cache(maxsize=_REMEMBERED)
def parse_networks(content: bytes) -> Parsed:
    """The networks of `content` as canonical text, IPv4 first, in order of address."""
    reader = _Reader()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = content[: error.start].count(b"\n") + 1
        fault = Fault(at, "It is not UTF-8 text.", "Write networks as plain text.")
        return Parsed((), (fault,))
    if text and not text.endswith("\n"):
        remedy = "Write it whole, with a line break at the end; then rename it into place."
        last = text.count("\n") + 1
        reader.fault(last, "The last line has no line break: the list was cut off.", remedy)
    for number, line in enumerate(text.split("\n"), start=1):
        reader.line(number, line)
        if reader.full:
            break
    ordered = [] if reader.full else sorted_networks(reader.lines)
    reader.check_overlaps(ordered)
    if reader.faults:
        return Parsed((), tuple(sorted(reader.faults, key=lambda fault: fault.line)))
    return Parsed(tuple(str(network) for network in ordered))


def sorted_networks(networks: Iterable[Network]) -> list[Network]:
    """IPv4 before IPv6, by address, wider first."""
    return sorted(networks, key=lambda n: (n.version, int(n.network_address), n.prefixlen))


def _shown(text: str) -> str:
    return f"'{text}'" if _SHOWN.fullmatch(text) else "This line"


def _network(text: str) -> Network | None:
    """What `ipaddress` makes of it; a zone belongs to one machine, and Envoy would not take it."""
    try:
        return None if "%" in text else ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


@dataclass
class _Reader:
    lines: dict[Network, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.faults) >= limits.LIST_PROBLEMS_MAX

    def fault(self, line: int, what: str, remedy: str) -> None:
        self.faults.append(Fault(line, what, remedy))

    def line(self, number: int, line: str) -> None:
        if len(line) > limits.LIST_LINE_LENGTH_CHARS_MAX:
            what = f"The line has {len(line):,} characters."
            self.fault(number, what, "Write one network a line.")
            return
        text = line.partition("#")[0].strip(" \t\r")
        if not text:
            return
        network = self._checked(number, text)
        if network is None:
            return
        first = self.lines.setdefault(network, number)
        if first != number:
            what = f"{network} was there before, on line {first}."
            self.fault(number, what, "Write each network once.")
        elif len(self.lines) == limits.LIST_ENTRIES_MAX + 1:
            what = f"There are more than {limits.LIST_ENTRIES_MAX:,} networks."
            remedy = "Join neighbouring networks, or split the list."
            self.faults += [Fault(number, what, remedy)] * limits.LIST_PROBLEMS_MAX

    def _checked(self, number: int, text: str) -> Network | None:
        shown = _shown(text)
        network = _network(text)
        if network is None:
            remedy = "Write for example `192.0.2.0/24` or `2001:db8::1`."
            self.fault(number, f"{shown} is not a network.", remedy)
            return None
        alone = network.prefixlen == network.max_prefixlen
        if not (alone and text == str(network.network_address)) and text != str(network):
            what = f"{shown} is not written as a network is."
            self.fault(number, what, f"Write `{network}`.")
            return None
        if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
            remedy = "Write the IPv4 network: clients are compared with that."
            self.fault(number, f"{shown} is an IPv4 address in IPv6.", remedy)
            return None
        least = _PREFIX_MIN[network.version]
        if network.prefixlen < least:
            what = f"{shown} is wider than /{least}: that is a large part of the Internet."
            self.fault(number, what, "Name the networks that are meant.")
            return None
        return network

    def check_overlaps(self, ordered: Sequence[Network]) -> None:
        outer: Network | None = None
        for network in ordered:
            if self.full:
                return
            if (
                outer is not None
                and outer.version == network.version
                and int(outer.broadcast_address) >= int(network.network_address)
            ):
                what = f"{network} lies inside {outer} of line {self.lines[outer]}."
                self.fault(self.lines[network], what, "Keep the wider one only.")
            else:
                outer = network
