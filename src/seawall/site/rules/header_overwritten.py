"""A change of a header that the edge writes after every change."""

from collections.abc import Iterator
from typing import Final

from seawall.site.draft import Draft, Placed
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.route import HeadersSection
from seawall.site.schema.site import SiteSection

RULE = Rule(
    id="header-overwritten",
    severity=Severity.ERROR,
    meaning="A change affects a response header that the edge itself writes last.",
    why="The change would have no effect. Every response, including the edge's own errors, "
    "has `server: seawall`, the request's id in `x-request-id`, and a `date`; and `hsts` "
    "of a site writes `strict-transport-security`.",
    remedy="Remove the change, or choose another name for the header.",
    example=one_site(
        "origin: http://127.0.0.1:3000\nheaders: {response: {set: {server: shop}}}",
    ),
    younger=True,
    alone=True,
)
OVERWRITTEN: Final = {
    "server": (("set", "add", "remove"), ""),
    "x-request-id": (
        ("set", "add", "remove"),
        "Choose another name; the origin is told the same id.",
    ),
    "date": (("remove",), "Remove this: an answer without a date gets that of the edge."),
}
"""Headers of answers, what is without effect of each, and what to do."""
_HSTS: Final = {
    "strict-transport-security": (
        ("set", "add", "remove"),
        "Say it with `hsts` alone, or remove `hsts`.",
    )
}


def check(draft: Draft) -> Iterator[Problem]:
    """Each such change of a site and of its routes."""
    for name, placed in draft.sites.items():
        section = placed.section
        last = OVERWRITTEN | _HSTS if section.hsts else OVERWRITTEN
        yield from _without_effect(placed, f"site {name}", section.headers, last, "headers")
        for index, route in enumerate(section.routes):
            subject = f"route {name}/{route.name}"
            steps = ("routes", index, "header_changes")
            yield from _without_effect(placed, subject, route.header_changes, OVERWRITTEN, *steps)


def _without_effect(
    placed: Placed[SiteSection],
    subject: str,
    changes: HeadersSection | None,
    last: dict[str, tuple[tuple[str, ...], str]],
    *steps: str | int,
) -> Iterator[Problem]:
    response = changes.response if changes is not None else None
    if response is None:
        return
    for header, (hows, remedy) in last.items():
        for how in hows:
            if header in getattr(response, how):
                at = placed.at(*steps, "response", how)
                what = f"`{how}` of `{header}` has no effect: the edge writes it."
                yield RULE.found(at, subject, what, remedy=remedy)
