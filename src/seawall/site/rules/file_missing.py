"""A file that is named but is not there."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="file-missing",
    severity=Severity.ERROR,
    meaning="A certificate, key, CA file or error page does not exist.",
    why="The edge cannot be built without it.",
    remedy="Check the path. It is relative to the file that contains it.",
    example=one_site("origin: http://127.0.0.1:3000\nerror_pages: {5xx: pages/missing.html}"),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each place that names such a file."""
    for named in draft.files.named:
        if isinstance(draft.files.failures.get(named.path), FileNotFoundError):
            what = f"The {named.purpose} file {named.path} does not exist."
            yield RULE.found(named.location, named.subject, what)
