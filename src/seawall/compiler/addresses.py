"""Networks as Envoy compares them: those of IPv4 once more in the IPv6 form of their addresses.

A program that listens on IPv6 for both families tells IPv4 clients as `::ffff:192.0.2.7`, in
`x-forwarded-for` as in the PROXY protocol, and Envoy takes that for IPv6: it is on no network of
IPv4. What a socket says of its own peer Envoy brings into plain form by itself.
"""

import ipaddress
from typing import Final

MAPPED: Final = "::ffff:"
_MAPPED_BITS: Final = 96
"""IPv4 in IPv6 (RFC 4291, 2.5.5.2); no list may hold such a network of its own."""

Range = tuple[str, int]
"""An address, and how many of its first bits count."""


def both_forms(network: str) -> tuple[Range, ...]:
    """A network as it is written, and one of IPv4 in its IPv6 form, too."""
    found = ipaddress.ip_network(network, strict=False)
    bits = found.prefixlen
    if isinstance(found, ipaddress.IPv4Network):
        plain = str(found.network_address), bits
        return plain, mapped(plain)
    ipv4 = found.network_address.ipv4_mapped
    if ipv4 is not None and bits >= _MAPPED_BITS:
        # Written as everywhere else, so that it is found twice.
        return (mapped((str(ipv4), bits - _MAPPED_BITS)),)
    return ((str(found.network_address), bits),)


def mapped(plain: Range) -> Range:
    """A range of IPv4 in its IPv6 form."""
    address, length = plain
    return MAPPED + address, length + _MAPPED_BITS
