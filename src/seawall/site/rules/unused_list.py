"""An address list that no site uses."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import nearest
from seawall.site.sources import RESERVED
from seawall.verify.catalogue import catalogue

RULE = Rule(
    id="unused-list",
    severity=Severity.WARNING,
    meaning="An address list is defined, but no site uses it.",
    why="It turns nobody away and verifies no bot. Perhaps a site was meant to use it.",
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
    """Each list that no site names, and that verifies no bot, as far as is known."""
    if draft.misses("sites") or any(site.lost("deny") for site in draft.sites.values()):
        return
    lists = draft.top.section.lists
    used = {name for site in draft.sites.values() for name in site.section.deny}
    used |= {nearest(name, lists) for name in used if name not in lists}
    for name in lists:
        if name not in used and name not in catalogue().sources and name not in RESERVED:
            what = f"No site uses the list `{name}`."
            yield RULE.found(draft.top.at("lists", name), f"list {name}", what)
