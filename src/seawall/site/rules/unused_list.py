"""An address list that no site uses."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.verify.catalogue import catalogue

RULE = Rule(
    id="unused-list",
    severity=Severity.WARNING,
    meaning="An address list is defined, but no site uses it.",
    why="It turns nobody away and verifies no bot; perhaps a site was meant to use it.",
    remedy="Name it in the `deny` of a site, or remove it.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="""\
listen: {http: 127.0.0.1:8080}
lists:
  bad-clients: {}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each list that no site names, and that verifies no bot; silent while sites are broken."""
    if any(part in ("sites", "file") for part, _ in draft.broken):
        return
    used = {name for site in draft.sites.values() for name in site.section.deny}
    for name in draft.top.section.lists:
        if name not in used and name not in catalogue().sources:
            what = f"No site uses the list `{name}`."
            yield RULE.found(draft.top.at("lists", name), f"list {name}", what)
