"""TLS settings of an origin that do not fit its endpoints."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.network import is_ip

RULE = Rule(
    id="origin-tls",
    severity=Severity.ERROR,
    meaning="The TLS settings of an origin do not fit its endpoints.",
    why="TLS needs a server name, to request and to verify a certificate. TLS settings and "
    "`protocol: auto` have no effect without https.",
    remedy="Write `tls: {sni: NAME}` with the name or address in the origin's certificate; or "
    "use `https://` URLs.",
    example=one_site('origin: {endpoints: "https://10.0.0.1"}'),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each origin."""
    for name, placed in draft.origin_places.items():
        section = placed.section
        subject = f"origin {name}"
        if any(placed.lost(key) for key in ("endpoints", "backup", "tls")):
            continue
        if section.endpoints[0].url.scheme == "https":
            sni = section.tls.sni if section.tls else None
            hosts = {entry.url.host for entry in (*section.endpoints, *section.backup)}
            if sni is None and any(is_ip(host) for host in hosts):
                what = "An https endpoint is an IP address: the server name is not known."
                yield RULE.found(placed.at("endpoints", of_key=True), subject, what)
            elif sni is None and len(hosts) > 1:
                what = "The https endpoints have different hosts: one server name is needed."
                yield RULE.found(placed.at("endpoints", of_key=True), subject, what)
            elif sni is not None and is_ip(sni.strip("[]")) and not all(map(is_ip, hosts)):
                what = f"`{sni}` is not a name, and an endpoint has one."
                yield RULE.found(placed.at("tls", "sni"), subject, what)
        elif section.tls is not None:
            what = "`tls` is given, but the endpoints are http."
            yield RULE.found(placed.at("tls", of_key=True), subject, what)
        elif section.protocol == "auto":
            what = "`protocol: auto` needs https endpoints."
            yield RULE.found(placed.at("protocol"), subject, what)
