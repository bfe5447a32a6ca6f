"""Address lists: networks that a feed brings, by name."""

from dataclasses import dataclass

from seawall.ids import ListName


@dataclass(frozen=True, slots=True)
class IpList:
    """A named set of networks.

    Attributes:
        networks: canonical CIDR text, IPv4 before IPv6, each in order of address; none twice and
            none inside another. Empty when nothing was pushed yet, or the list may be empty.
    """

    name: ListName
    networks: tuple[str, ...] = ()
