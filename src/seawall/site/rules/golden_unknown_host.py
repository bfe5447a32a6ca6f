"""A golden request for a host that is not one of its site."""

from collections.abc import Iterator, Mapping

from seawall.site.build_rollout import default_host
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="golden-unknown-host",
    severity=Severity.ERROR,
    meaning="A golden request asks for a host of another site, or of no site.",
    why="It would prove nothing about its own site.",
    remedy="Write a `host` of this site. For `*.example.com`, write out one name below it.",
    example=one_site("""
origin: http://127.0.0.1:3000
golden: [{path: /, host: www.example.com}]
"""),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The host of each golden request, and which site Envoy would choose for it."""
    owners: dict[str, str] = {}
    for name, site in draft.sites.items():
        for host in site.section.hosts:
            owners.setdefault(host, name)  # of a host in two sites, `duplicate-host` tells
    for name, site in draft.sites.items():
        for index, golden in enumerate(site.section.golden):
            subject, at = f"site {name}", site.at("golden", index)
            host = golden.host or default_host(site.section.hosts)
            if site.lost("hosts") or site.lost("golden", index, "host"):
                continue
            if not host:
                what = "The site has only names with `*`, and this request names no host."
                yield RULE.found(at, subject, what, remedy="Write `host: NAME` with one of them.")
            elif (owner := _owner(host, owners)) != name:
                whose = f"the site `{owner}`" if owner else "no site"
                yield RULE.found(at, subject, f"The host `{host}` is answered by {whose}.")


def _owner(host: str, owners: Mapping[str, str]) -> str:
    """The site that Envoy chooses: the exact name, the longest wildcard, or `*`."""
    if host in owners:
        return owners[host]
    labels = host.split(".")
    for start in range(1, len(labels)):
        wildcard = "*." + ".".join(labels[start:])
        if wildcard in owners:
            return owners[wildcard]
    return owners.get("*", "")
