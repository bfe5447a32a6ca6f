"""Everyone is a trusted proxy: anyone could forge the address of a client."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="trusted-proxies-everyone",
    severity=Severity.ERROR,
    meaning="`trusted_proxies` trusts every address, or counts hops without naming a network.",
    why="Anybody could then send `x-forwarded-for` and impersonate another client.",
    remedy="Write the networks of your own proxies.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="listen: {http: 127.0.0.1:8080}\ntrusted_proxies: {cidrs: [0.0.0.0/0]}",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Networks of every address, and hops without networks."""
    proxies = draft.top.section.trusted_proxies
    for index, cidr in enumerate(proxies.cidrs):
        if cidr.endswith("/0"):
            at = draft.top.at("trusted_proxies", "cidrs", index)
            yield RULE.found(at, "", f"`{cidr}` holds every address there is.")
    if proxies.hops and not proxies.cidrs and not draft.top.lost("trusted_proxies", "cidrs"):
        at = draft.top.at("trusted_proxies", "hops")
        yield RULE.found(at, "", "`hops` is given, but not from whom it is believed.")
