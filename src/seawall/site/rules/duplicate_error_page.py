"""Two error pages for the same statuses in a site."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.origin import status_range

RULE = Rule(
    id="duplicate-error-page",
    severity=Severity.ERROR,
    meaning="A site has two error pages for the same statuses.",
    why="Only one of them could ever be shown.",
    remedy="Remove one, or narrow its statuses: the narrower one is shown.",
    example=one_site(
        'error_pages: {5xx: oops.html, "500-599": down.html}\norigin: http://127.0.0.1:3000'
    ),
    younger=True,
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each key whose statuses another one before it has."""
    for name, placed in draft.sites.items():
        written: dict[tuple[int, int], str] = {}
        for key in placed.section.error_pages:
            same = written.setdefault(status_range(key), key)
            if same != key:
                what = f"`{same}` and `{key}` are the same statuses."
                yield RULE.found(placed.at("error_pages", key), f"site {name}", what)
