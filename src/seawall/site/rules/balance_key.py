"""A load balancing that does not say one thing."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="contradictory-keys",
    severity=Severity.ERROR,
    meaning="Keys exclude each other, or a key that the others need is missing.",
    why="Only one of them could apply, and the program does not guess.",
    remedy="Keep the one that you mean.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: api, path: /api, prefix: /api}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """The `load_balancing` of each origin; other sections are judged by the schema."""
    for name, placed in draft.origin_places.items():
        section = placed.section.load_balancing
        if placed.lost("load_balancing"):
            continue
        keys = len(section.hash.model_fields_set) if section.hash else 1
        if keys != 1 or len(section.model_fields_set) != 1:
            what = "Exactly one way to choose an endpoint is needed."
            yield RULE.found(placed.at("load_balancing"), f"origin {name}", what)
