"""A file that listens nowhere."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="no-listener",
    severity=Severity.ERROR,
    meaning="`listen` names no address.",
    why="Nobody could connect.",
    remedy="Write `listen: {http: 0.0.0.0:80}`, or `https`, or both.",
    example=one_site("origin: http://127.0.0.1:3000", top="listen: {}"),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Neither http nor https."""
    listen = draft.top.section.listen
    if not listen.http and not listen.https and not draft.top.lost("listen"):
        yield RULE.found(draft.top.at("listen"), "", "There is no address to listen on.")
