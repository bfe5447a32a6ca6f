"""Client addresses that do not exist: one for each session, most in a network of their own.

Every session is known by its address, so no two share one. IPv4 comes from 100.64.0.0/10 (RFC 6598,
never routed), IPv6 from 2001:db8::/32 (RFC 3849). A share of the sessions is put into crowded /24s,
as people behind one office and machines of one hosting company are.
"""

import ipaddress
import random

_SHARED = int(ipaddress.IPv4Address("100.64.0.0"))
_DOCUMENTATION = int(ipaddress.IPv6Address("2001:db8::"))
_NETWORKS = 16_384
_CROWDED = 24
"""Networks at the start of the range that hold many sessions."""
CROWDED_SHARE = 0.1
IPV6_SHARE = 0.2


class Identities:
    """Gives out addresses; the same seed gives the same ones in the same order."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lonely = list(range(_CROWDED, _NETWORKS))
        chance.shuffle(self._lonely)
        self._given: set[str] = set()

    def next(self) -> str:
        """An address that was not given before."""
        while True:
            address = self._address()
            if address not in self._given:
                self._given.add(address)
                return address

    def _address(self) -> str:
        kind = self._chance.random()
        host = self._chance.randrange(1, 255)
        if kind < IPV6_SHARE:
            low = self._chance.getrandbits(64)
            network = self._chance.randrange(1, 1 << 16) << 80
            return str(ipaddress.IPv6Address(_DOCUMENTATION + network + low))
        if kind < IPV6_SHARE + CROWDED_SHARE or not self._lonely:
            return str(
                ipaddress.IPv4Address(_SHARED + self._chance.randrange(_CROWDED) * 256 + host)
            )
        return str(ipaddress.IPv4Address(_SHARED + self._lonely.pop() * 256 + host))
