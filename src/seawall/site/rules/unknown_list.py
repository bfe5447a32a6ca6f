"""A site that names an address list which is not defined."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.values import did_you_mean

RULE = Rule(
    id="unknown-list",
    severity=Severity.ERROR,
    meaning="A site names an address list that is not defined.",
    why="It would turn nobody away.",
    remedy="Define it under `lists`.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ndeny: [bad-cleints]",
        top="""\
listen: {http: 127.0.0.1:8080}
lists:
  bad-clients: {}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The `deny` of each site."""
    known = draft.top.section.lists
    for name, site in draft.sites.items():
        for index, wanted in enumerate(site.section.deny):
            if wanted in known or draft.may_hold("lists", wanted):
                continue
            hint = did_you_mean(wanted, known)
            what = f"There is no list `{wanted}`."
            yield RULE.found(site.at("deny", index), f"site {name}", what, remedy=hint)
