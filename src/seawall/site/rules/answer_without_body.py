"""A body for an answer that has none."""

from collections.abc import Iterator
from typing import Final

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="answer-without-body",
    severity=Severity.ERROR,
    meaning="A response has a body, but its status allows none: 204, 205 or 304.",
    why="Clients that keep the connection take the body for the beginning of the next "
    "response (RFC 9110 section 6.4.1).",
    remedy="Remove the body, or choose another status.",
    example=one_site("routes: [{name: ping, path: /ping, respond: {status: 204, body: pong}}]"),
    younger=True,
    alone=True,
)
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


def check(draft: Draft) -> Iterator[Problem]:
    """Each `respond` of a route."""
    for name, placed in draft.sites.items():
        for index, route in enumerate(placed.section.routes):
            respond = route.respond
            if respond is None or not respond.body or respond.status not in _WITHOUT_BODY:
                continue
            what = f"An answer with the status {respond.status} has no body."
            at = placed.at("routes", index, "respond")
            yield RULE.found(at, f"route {name}/{route.name}", what)
