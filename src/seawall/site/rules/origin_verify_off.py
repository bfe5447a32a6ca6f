"""TLS to an origin without looking at its certificate."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="origin-verify-off",
    severity=Severity.WARNING,
    meaning="The certificate of an https origin is not verified.",
    why="Anybody in between could read and change everything.",
    remedy="Name the CA with `tls: {ca: FILE}` and remove `verify: false`.",
    example=one_site('origin: {endpoints: "https://shop.internal", tls: {verify: false}}'),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each such origin."""
    for name, placed in draft.origin_places.items():
        tls = placed.section.tls
        if tls is not None and not tls.verify:
            what = f"The certificate of the origin `{name}` is not verified."
            yield RULE.found(placed.at("tls", "verify"), f"origin {name}", what)
