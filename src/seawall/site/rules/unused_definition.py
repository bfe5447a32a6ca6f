"""An origin or certificate that no site uses."""

from collections.abc import Iterator

from seawall.model import Forward
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="unused-definition",
    severity=Severity.WARNING,
    meaning="An origin or certificate is defined, but no site uses it.",
    why="It is left out of the edge; perhaps a site was meant to use it.",
    remedy="Name it in a site, or remove it.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="""\
listen: {http: 127.0.0.1:8080}
origins:
  spare: {endpoints: ["http://127.0.0.1:3001"]}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each definition that nothing refers to; silent while sites are broken."""
    if any(part in ("sites", "file") for part, _ in draft.broken):
        return
    sites = draft.built_sites.values()
    used = {
        route.action.origin
        for site in sites
        for route in site.routes
        if isinstance(route.action, Forward)
    }
    for name, origin in draft.origins.items():
        if name not in used:
            yield RULE.found(origin.at(), f"origin {name}", f"No site uses the origin `{name}`.")
    shown = {site.certificate for site in sites}
    for certificate, placed in draft.certificates.items():
        if certificate not in shown:
            what = f"No site uses the certificate `{certificate}`."
            yield RULE.found(placed.at(), f"certificate {certificate}", what)
