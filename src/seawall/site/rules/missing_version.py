"""A file that does not say which version of the format it is written in."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

_HEAD = "version: 1\n"
RULE = Rule(
    id="missing-version",
    severity=Severity.ERROR,
    meaning="The site file has no `version`.",
    why="A later Seawall could not know what its keys mean.",
    remedy="Begin the file with `version: 1`.",
    example=one_site("origin: http://127.0.0.1:3000").removeprefix(_HEAD),
    younger=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """The file that names all others; those may leave it out."""
    top = draft.top
    if "version" not in top.root and not top.lost("version"):
        yield RULE.found(top.at(), "", "The key `version` is missing.")
