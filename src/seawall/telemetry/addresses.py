"""Which address list a client is on: a few thousand clients against lists of any size.

A list is canonical text (`seawall.model.IpList`), and stays so: to look a client up, its network of
each length that the list has is written the same way. Nothing of a large list is parsed. Pure.
"""

from collections.abc import Sequence
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from seawall.model import IpList


class Addresses:
    """Lists of one site, each address looked up once."""

    def __init__(self, lists: Sequence[IpList]) -> None:
        self._lists = lists
        self._known: dict[str, str] = {}

    def of(self, address: str) -> str:
        """The name of the first list that holds `address`; empty when none does."""
        if not self._lists:
            return ""
        if address not in self._known:
            self._known[address] = self._found(address)
        return self._known[address]

    def _found(self, address: str) -> str:
        try:
            own = ip_address(address)
        except ValueError:
            return ""
        if isinstance(own, IPv6Address) and own.ipv4_mapped is not None:
            own = own.ipv4_mapped
        lengths = self._lengths[isinstance(own, IPv4Address)]
        networks = [str(ip_network((own, length), strict=False)) for length in lengths]
        for each, held in zip(self._lists, self._networks, strict=True):
            if any(network in held for network in networks):
                return each.name
        return ""

    @cached_property
    def _networks(self) -> list[frozenset[str]]:
        return [frozenset(each.networks) for each in self._lists]

    @cached_property
    def _lengths(self) -> tuple[list[int], list[int]]:
        """Lengths of networks of IPv6, and of IPv4, that any list has."""
        found: tuple[set[int], set[int]] = (set(), set())
        for held in self._networks:
            for network in held:
                text, _, length = network.partition("/")
                found[":" not in text].add(int(length))
        return sorted(found[0]), sorted(found[1])
