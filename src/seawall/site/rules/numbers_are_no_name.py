"""A host of numbers alone that is no address."""

import re
from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.network import is_ip

RULE = Rule(
    id="numbers-are-no-name",
    severity=Severity.ERROR,
    meaning="A host of a site or an origin is made of numbers, and is no IPv4 address.",
    why="It is taken for an address and not for a name (https://url.spec.whatwg.org/#host-parsing):"
    " no browser asks for it, and no resolver knows it.",
    remedy="Write an address of four numbers from 0 to 255, each without leading zeros.",
    example=one_site("origin: http://10.0.0.256:3000"),
    younger=True,
    alone=True,
)
_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)+")


def check(draft: Draft) -> Iterator[Problem]:
    """Each host of a site and each endpoint of an origin."""
    for site, placed in draft.sites.items():
        for index, host in enumerate(placed.section.hosts):
            if _is_no_address(host):
                at = placed.at("hosts", index)
                yield RULE.found(at, f"site {site}", f"`{host}` is not an IPv4 address.")
    for origin, written in draft.origin_places.items():
        section = written.section
        for part, entries in (("endpoints", section.endpoints), ("backup", section.backup)):
            for index, entry in enumerate(entries):
                if _is_no_address(entry.url.host):
                    what = f"`{entry.url.host}` is not an IPv4 address."
                    yield RULE.found(written.at(part, index), f"origin {origin}", what)


def _is_no_address(host: str) -> bool:
    return _NUMBERS.fullmatch(host) is not None and not is_ip(host)
