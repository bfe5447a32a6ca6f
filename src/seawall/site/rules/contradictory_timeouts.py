"""Times that defeat each other."""

from collections.abc import Iterator

from seawall.model import Forward
from seawall.site.draft import Draft, Placed
from seawall.site.problem import Location, Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.site import SiteSection
from seawall.site.schema.values import duration_text

RULE = Rule(
    id="contradictory-timeouts",
    severity=Severity.ERROR,
    meaning="One timeout makes another one pointless.",
    why="A shorter timeout around a longer one always ends first.",
    remedy="Make the inner time shorter, or the outer one longer.",
    example=one_site("""
origin: http://127.0.0.1:3000
timeout: 5s
retries: {per_try_timeout: 10s}
"""),
    alone=True,
)
_DECIDE = ("redirect", "respond", "websocket", "grpc")
"""Keys of a route that decide whether the times of the site hold for it."""


def check(draft: Draft) -> Iterator[Problem]:
    """Times of sites and routes."""
    for name, placed in draft.sites.items():
        site = draft.built_sites[name]
        for index, route in enumerate(site.routes):
            if not isinstance(route.action, Forward):
                continue
            written = index < len(placed.section.routes)
            if written and any(placed.lost("routes", index, key) for key in _DECIDE):
                continue
            subject = f"route {route.id}"
            times = route.action.timeouts
            answer_s = times.answer_s if _wrote_timeout(placed, index) else 0.0
            if answer_s and times.per_try_s > answer_s:
                each, one = duration_text(answer_s), duration_text(times.per_try_s)
                what = f"One try may take {one}, but `timeout` gives each {each}."
                yield RULE.found(_place(placed, index), subject, what)
            begins_s = max(answer_s, times.per_try_s)
            if 0 < times.total_s <= begins_s:
                whole, begun = duration_text(times.total_s), duration_text(begins_s)
                what = f"An answer may begin after {begun}, but must be at its end after {whole}."
                yield RULE.found(_place(placed, index), subject, what)


def _wrote_timeout(placed: Placed[SiteSection], index: int) -> bool:
    """Whether the bound that holds for a route was written: nobody contradicts a default."""
    routes = placed.section.routes
    of_route = index < len(routes) and routes[index].timeout is not None
    return of_route or "timeout" in placed.section.model_fields_set


def _place(placed: Placed[SiteSection], index: int) -> Location:
    """Of a route; of the site's own times for the route that nobody wrote."""
    written = index < len(placed.section.routes)
    return placed.at("routes", index) if written else placed.at("timeout")
