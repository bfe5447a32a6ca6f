"""Address lists: networks that a feed brings, by name."""

from dataclasses import dataclass

from seawall.ids import ListName


@dataclass(frozen=True, slots=True)
class IpList:
    """A named set of networks.

    Attributes:
        networks: canonical CIDR text, IPv4 before IPv6, each in order of address; none twice and
            none inside another. Empty when nothing was pushed yet, or the list may be empty.
        fetched_s: Unix seconds when its operator last said so, for published ranges of bots; None
            for every other list, and for ranges that do not tell.
    """

    name: ListName
    networks: tuple[str, ...] = ()
    fetched_s: int | None = None
