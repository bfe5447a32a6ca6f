"""A site over https that has no names, but addresses only."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.network import is_address

RULE = Rule(
    id="address-over-https",
    severity=Severity.ERROR,
    meaning="A site is served over https, all its hosts are IP addresses, and no site takes every "
    "name (`*`).",
    why="Clients send no server name for an address (RFC 6066 section 3). Without a server "
    "name, only the certificate of a site with `*` can be chosen: every connection would "
    "fail.",
    remedy="Add a host with a name, or `*`; or write `tls: false`.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="listen: {https: 127.0.0.1:8443}\ntls: {development_ca: true}",
    ).replace("shop.example.com", "192.0.2.7"),
    younger=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each such host, unless some certificate is for whoever names no server."""
    file = draft.top.section
    if not file.listen.https or draft.misses("sites"):
        return
    secure = {
        name: placed
        for name, placed in draft.sites.items()
        if placed.section.tls or (file.tls.development_ca and placed.section.tls is None)
    }
    if any("*" in placed.section.hosts or placed.lost("hosts") for placed in secure.values()):
        return
    for name, placed in secure.items():
        hosts = placed.section.hosts
        if hosts and all(map(is_address, hosts)):
            what = f"The site `{name}` cannot be reached over https: `{hosts[0]}` is an address."
            yield RULE.found(placed.at("hosts"), f"site {name}", what)
