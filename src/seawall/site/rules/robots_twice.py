"""A robots.txt of the bot policy on a site that has a route for its own."""

from collections.abc import Iterator

from seawall.model import PathExact
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="robots-twice",
    severity=Severity.ERROR,
    meaning="A site has a route for `/robots.txt`, and its bot policy serves one, too.",
    why="The policy's comes first, so the route would never be used.",
    remedy="Remove the route and write its lines as `extra`, or remove `robots`.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots: {mode: observe, robots: true}
routes: [{name: robots, path: /robots.txt, respond: {body: "User-agent: *"}}]
"""),
    alone=True,
)
_PATH = PathExact("/robots.txt")


def check(draft: Draft) -> Iterator[Problem]:
    """Each written route for the file, where the policy serves it."""
    for name, placed in draft.sites.items():
        site = draft.built_sites[name]
        if not site.bots.robots_txt:
            continue
        for index, route in enumerate(site.routes[: len(placed.section.routes)]):
            if route.match.path == _PATH:
                what = f"The route `{placed.section.routes[index].name}` is never used."
                yield RULE.found(placed.at("routes", index), f"route {route.id}", what)
