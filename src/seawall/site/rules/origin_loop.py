"""An origin that is the edge itself."""

import ipaddress
from collections.abc import Iterator

from seawall.ids import OriginName
from seawall.model import Forward
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.network import Address, is_ip

RULE = Rule(
    id="origin-loop",
    severity=Severity.ERROR,
    meaning="An endpoint of an origin is an address that this edge listens on.",
    why="The edge would send the request to itself again and again: one becomes thousands, "
    "until it times out.",
    remedy="Use the address of the website behind the edge, or let the edge listen on another "
    "port. To pass a request to another site of this edge, give the route a "
    "`host_rewrite`.",
    example=one_site("origin: http://127.0.0.1:8080"),
    younger=True,
)
_LOCALHOST = "localhost"


def check(draft: Draft) -> Iterator[Problem]:
    """Each endpoint of an origin to which some route passes requests on unchanged."""
    listen = draft.top.section.listen
    taken = [listener.address for listener in (*listen.http, *listen.https)]
    unchanged: set[OriginName] | None = None
    for name, placed in draft.origin_places.items():
        section = placed.section
        for part, entries in (("endpoints", section.endpoints), ("backup", section.backup)):
            for index, entry in enumerate(entries):
                host, port = entry.url.host, entry.url.port
                if not any(_is(address, host, port) for address in taken):
                    continue
                unchanged = _passed_on_unchanged(draft) if unchanged is None else unchanged
                if name in unchanged:
                    what = f"This edge itself listens on {host}:{port}."
                    yield RULE.found(placed.at(part, index), f"origin {name}", what)


def _is(address: Address, host: str, port: int) -> bool:
    """Whether a connection to `host` and `port` from this machine surely ends at `address`."""
    if port != address.port:
        return False
    own = ipaddress.ip_address(address.host)
    if host == _LOCALHOST:
        return own.is_loopback or own.is_unspecified
    if not is_ip(host):
        return False
    other = ipaddress.ip_address(host)
    if other.is_unspecified:  # who asks for all addresses asks this machine
        return own.is_loopback or own.is_unspecified
    return own == other or (own.is_unspecified and other.is_loopback)


def _passed_on_unchanged(draft: Draft) -> set[OriginName]:
    """Origins that see the host and path of some request as its site did."""
    return {
        route.action.origin
        for site in draft.built_sites.values()
        for route in site.routes
        if isinstance(route.action, Forward)
        and route.action.rewrite is None
        and route.action.host_rewrite in ("", *site.hosts)
    }
