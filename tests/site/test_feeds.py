"""Address lists: what is taken comes out canonical, what is refused is named with its line."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from seawall import limits
from seawall.site.feeds import FEED_TYPES, read_feed
from seawall.site.feeds.cidr import parse_networks
from seawall.site.feeds.fault import Parsed

V4 = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(8, 32),
)
V6 = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(2**125, 2**126 - 1),
    st.integers(16, 128),
)


def _read(text: str, *, may_be_empty: bool = False) -> Parsed:
    return read_feed(FEED_TYPES["cidr"], text.encode(), may_be_empty=may_be_empty)


def _disjoint(networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return not any(
        one.version == other.version and one.overlaps(other)  # type: ignore[arg-type] # - same version
        for index, one in enumerate(networks)
        for other in networks[:index]
    )


@given(st.lists(V4 | V6, min_size=1, max_size=12))
def test_a_list_is_taken_exactly_when_no_network_lies_inside_another(
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> None:
    parsed = _read("".join(f"{network}\n" for network in networks))
    assert bool(parsed.faults) != _disjoint(networks)
    if not parsed.faults:
        assert sorted(parsed.entries) == sorted(str(network) for network in networks)
        again = _read("".join(f"{entry}\n" for entry in parsed.entries))
        assert again == parsed


@given(st.binary(max_size=300))
def test_no_content_breaks_the_parser_and_nothing_is_half_taken(content: bytes) -> None:
    parsed = parse_networks(content)
    assert not (parsed.entries and parsed.faults)
    assert len(parsed.faults) <= limits.LIST_PROBLEMS_MAX + 2
    assert all(fault.line >= 0 and fault.remedy for fault in parsed.faults)


def test_remarks_blank_lines_and_single_addresses_are_taken() -> None:
    text = "# made by a program\n\n192.0.2.7 # twice\r\n2001:db8::1\n  198.51.100.0/24\n"
    assert _read(text).entries == ("192.0.2.7/32", "198.51.100.0/24", "2001:db8::1/128")


def test_a_list_that_a_program_began_with_a_byte_order_mark_is_taken() -> None:
    assert _read("\ufeff192.0.2.0/24\n").entries == ("192.0.2.0/24",)


def test_the_line_of_a_duplicate_names_the_first_one() -> None:
    (fault,) = _read("192.0.2.0/24\n198.51.100.1\n192.0.2.0/24\n").faults
    assert fault.line == 3
    assert "on line 1" in fault.what


def test_a_network_inside_another_is_named_with_both_lines() -> None:
    (fault,) = _read("192.0.2.128/25\n192.0.2.0/24\n").faults
    assert fault.line == 1
    assert "inside 192.0.2.0/24 of line 2" in fault.what


def test_an_empty_list_is_refused_unless_it_is_meant() -> None:
    assert _read("# nothing\n").faults
    assert _read("# nothing\n", may_be_empty=True) == Parsed(())
    assert _read("", may_be_empty=True) == Parsed(())


def test_a_list_at_the_bound_is_taken_and_one_over_it_is_refused() -> None:
    numbers = range(limits.LIST_ENTRIES_MAX + 1)
    lines = [f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in numbers]
    assert len(_read("".join(lines[:-1])).entries) == limits.LIST_ENTRIES_MAX
    assert "more than 100,000" in _read("".join(lines)).faults[0].what


def test_a_file_that_is_no_list_is_not_told_line_by_line() -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIC\npassword: hunter2\n192.0.2.300\n"
    first, second, third, fourth = _read(secret).faults
    assert {one.what for one in (first, second, third)} == {"This line is not a network."}
    assert fourth.what == "'192.0.2.300' is not a network."
