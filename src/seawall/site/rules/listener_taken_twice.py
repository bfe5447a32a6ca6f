"""Two listeners on one port of one address."""

import ipaddress
from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Location, Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.network import Address

RULE = Rule(
    id="listener-taken-twice",
    severity=Severity.ERROR,
    meaning="Two listeners use the same port of the same address.",
    why="Only one can have it. `0.0.0.0` and `::` mean every address.",
    remedy="Give one of them another port.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top='listen: {http: ["0.0.0.0:8080", "127.0.0.1:8080"]}',
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each listener that meets an earlier one."""
    listen = draft.top.section.listen
    seen: list[tuple[Address, Location]] = []
    for kind, listeners in (("http", listen.http), ("https", listen.https)):
        for index, listener in enumerate(listeners):
            address, at = listener.address, draft.top.at("listen", kind, index)
            first = next((where for other, where in seen if _meet(address, other)), None)
            if first is not None:
                what = f"Port {address.port} of {address.host} is taken."
                why = f"It is taken by the listener at {first}."
                yield RULE.found(at, f"listener {kind} {address}", what, why=why)
            seen.append((address, at))


def _meet(one: Address, other: Address) -> bool:
    if one.port != other.port:
        return False
    a, b = ipaddress.ip_address(one.host), ipaddress.ip_address(other.host)
    same_family = a.version == b.version
    return a == b or (same_family and (a.is_unspecified or b.is_unspecified))
