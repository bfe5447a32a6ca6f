"""Feeds: machine-made data that an edge takes in, each type with its parser and its bounds.

A generator is trusted no more than a person: what it writes is parsed strictly, all at once, and
refused as a whole. Types stand in one table, so that what is not in it does not exist.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from seawall import limits
from seawall.site.feeds.cidr import parse_networks
from seawall.site.feeds.fault import Fault, Parsed


@dataclass(frozen=True, slots=True)
class FeedType:
    """One type of feed.

    Attributes:
        name: what `format` says.
        what: a content of it, for people.
        size_bytes_max: a larger content is not looked at.
        parse: content to entries and faults; never raises.
    """

    name: str
    what: str
    size_bytes_max: int
    parse: Callable[[bytes], Parsed]


FEED_TYPES: Final[Mapping[str, FeedType]] = MappingProxyType(
    {
        "cidr": FeedType(
            "cidr",
            "networks, one a line, such as `192.0.2.0/24` or `2001:db8::1`",
            limits.LIST_SIZE_BYTES_MAX,
            parse_networks,
        ),
    }
)


def read_feed(kind: FeedType, content: bytes, *, may_be_empty: bool) -> Parsed:
    """The entries of a feed, or why it is refused."""
    if len(content) > kind.size_bytes_max:
        what = f"It has {len(content):,} bytes; at most {kind.size_bytes_max:,} are read."
        return Parsed((), (Fault(0, what, "Check what wrote it."),))
    parsed = kind.parse(content)
    if not parsed.faults and not parsed.entries and not may_be_empty:
        remedy = "Check what wrote it. If this is meant, write `may_be_empty: true` for the list."
        return Parsed((), (Fault(0, "It holds no entry.", remedy),))
    return parsed
