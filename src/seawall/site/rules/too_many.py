"""More sites, routes or origins than one edge holds."""

from collections.abc import Iterator

from seawall import limits
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="too-many",
    severity=Severity.ERROR,
    meaning="There are more entries than allowed, in one list or over all files.",
    why="Every entry costs memory and time on the edge. `docs/limits.md` has the limits.",
    remedy="Split the configuration over several edges, or use wildcards and prefixes.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ncompression: [br, br, gzip, zstd]",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The totals; lists were counted by the schema."""
    routes = sum(len(site.routes) for site in draft.built_sites.values())
    golden = sum(len(site.section.golden) for site in draft.sites.values())
    for part, count, most in (
        ("sites", len(draft.sites), limits.SITES_MAX),
        ("routes", routes, limits.ROUTES_MAX),
        ("origins", len(draft.built_origins), limits.ORIGINS_MAX),
        ("golden requests", golden, limits.GOLDEN_MAX),
    ):
        if count > most:
            what = f"There are {count:,} {part}; at most {most:,} are allowed."
            yield RULE.found(draft.top.at("sites", of_key=True), "", what)
