"""Two sites, or one site twice, name the same host."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule

RULE = Rule(
    id="duplicate-host",
    severity=Severity.ERROR,
    meaning="A host name appears in two sites, or twice in one.",
    why="A request for it can go to one site only.",
    remedy="Remove the host from one of the two.",
    example="""\
version: 1
listen: {http: 127.0.0.1:8080}
sites:
  shop: {hosts: [shop.example.com], origin: "http://127.0.0.1:3000"}
  blog: {hosts: [SHOP.example.com], origin: "http://127.0.0.1:3001"}
""",
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each host that was seen before."""
    seen: dict[str, str] = {}
    for name, site in draft.sites.items():
        for index, host in enumerate(site.section.hosts):
            if host not in seen:
                seen[host] = name
                continue
            other = seen[host]
            what = f"The host `{host}` is also a host of the site `{other}`."
            if other == name:
                what = f"The host `{host}` is written twice."
            yield RULE.found(site.at("hosts", index), f"site {name}", what)
