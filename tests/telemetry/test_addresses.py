"""A client is on a list exactly when one of its networks holds the address."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.ids import ListName
from seawall.model import IpList
from seawall.telemetry.addresses import Addresses

LISTED = IpList(ListName("bad"), ("192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"))
OTHER = IpList(ListName("other"), ("192.0.2.128/25", "203.0.113.0/31"))

_ADDRESSES = st.one_of(
    st.integers(0, 2**10).map(lambda low: IPv4Address(0xC0000200 + low)),
    st.integers(0, 2**10).map(lambda low: IPv6Address((0x20010DB8 << 96) + low)),
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "bad"),
        ("192.0.2.200", "bad"),
        ("::ffff:192.0.2.1", "bad"),
        ("198.51.100.7", "bad"),
        ("198.51.100.8", ""),
        ("203.0.113.1", "other"),
        ("203.0.113.2", ""),
        ("2001:db8:1::1", "bad"),
        ("2001:db9::1", ""),
        ("", ""),
        ("no address", ""),
        ("192.0.2.1:80", ""),
    ],
)
def test_the_first_list_that_holds_an_address_is_named(address: str, name: str) -> None:
    assert Addresses((LISTED, OTHER)).of(address) == name


def test_without_lists_nobody_is_on_one() -> None:
    assert Addresses(()).of("192.0.2.1") == ""
    assert Addresses((IpList(ListName("empty")),)).of("192.0.2.1") == ""


@given(
    st.lists(st.tuples(_ADDRESSES, st.integers(16, 32)), max_size=8),
    st.lists(_ADDRESSES, min_size=1, max_size=8),
)
def test_it_says_what_arithmetic_says(
    networks: list[tuple[IPv4Address | IPv6Address, int]],
    asked: list[IPv4Address | IPv6Address],
) -> None:
    held = {ip_network((address, length), strict=False) for address, length in networks}
    addresses = Addresses((IpList(ListName("bad"), tuple(map(str, held))),))
    for address in asked:
        wanted = any(address in network for network in held)
        assert addresses.of(str(address)) == ("bad" if wanted else "")
