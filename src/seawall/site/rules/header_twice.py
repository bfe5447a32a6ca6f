"""One header that is named twice, each time in other letters."""

from collections.abc import Iterator, Mapping
from typing import Any

from seawall.site.draft import Draft, Placed
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.route import HeadersSection
from seawall.site.schema.site import SiteSection
from seawall.site.tree import Step, written_keys

RULE = Rule(
    id="header-twice",
    severity=Severity.ERROR,
    meaning="A header appears twice in one mapping, for example as `X-Key` and as `x-key`.",
    why="Both name the same header (RFC 9110 section 5.1), and only one of the two could apply.",
    remedy="Remove one of them.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: api, prefix: /api, headers: {X-Key: {prefix: a}, x-key: {suffix: z}}}
"""),
    younger=True,
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each mapping of headers."""
    for name, site in draft.sites.items():
        section, subject = site.section, f"site {name}"
        yield from _of_changes(site, subject, section.headers, "headers")
        for index, golden in enumerate(section.golden):
            yield from _twice(site, subject, golden.headers, "golden", index, "headers")
        for index, route in enumerate(section.routes):
            subject = f"route {name}/{route.name}"
            yield from _twice(site, subject, route.headers, "routes", index, "headers")
            steps = ("routes", index, "header_changes")
            yield from _of_changes(site, subject, route.header_changes, *steps)


def _of_changes(
    site: Placed[SiteSection], subject: str, changes: HeadersSection | None, *steps: Step
) -> Iterator[Problem]:
    sides = (
        () if changes is None else (("request", changes.request), ("response", changes.response))
    )
    for side, change in sides:
        if change is not None:
            yield from _twice(site, subject, change.set, *steps, side, "set")
            yield from _twice(site, subject, change.add, *steps, side, "add")


def _twice(
    site: Placed[SiteSection], subject: str, read: Mapping[str, Any], *steps: Step
) -> Iterator[Problem]:
    """What was written more often than it was read."""
    written = written_keys(site.root, site.path + steps) if read else ()
    if len(written) == len(read):
        return
    first: dict[str, str] = {}
    for key in written:
        if (other := first.setdefault(key.lower(), key)) != key:
            what = f"`{other}` and `{key}` are the same header."
            yield RULE.found(site.at(*steps, key, of_key=True), subject, what)
