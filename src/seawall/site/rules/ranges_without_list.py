"""Published ranges that are to be fetched, where no list takes any."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.verify.catalogue import catalogue

RULE = Rule(
    id="ranges-without-list",
    severity=Severity.WARNING,
    meaning="`bots` should fetch published ranges at intervals, but there is no list for them.",
    why="Only a list with a known name and without a file is renewed. Every run would do nothing.",
    remedy="Write for example `google-common: {}` under `lists`. docs/verified-bots.md has the "
    "names.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="""\
listen: {http: 127.0.0.1:8080}
bots: {ranges: {every: 24h}}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The bots of the edge; silent while lists are broken."""
    if draft.top.section.bots.ranges is None:
        return
    if draft.top.lost("lists"):
        return
    lists = draft.top.section.lists
    if not any(name in catalogue().sources and one.file is None for name, one in lists.items()):
        where = draft.top.at("bots", "ranges", of_key=True)
        what = "No list without a file has the name of published ranges."
        yield RULE.found(where, "bots", what)
