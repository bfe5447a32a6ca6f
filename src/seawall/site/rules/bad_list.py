"""An address list that holds something else than it should."""

from collections.abc import Iterator

from seawall import limits
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bad-list",
    severity=Severity.ERROR,
    meaning="An address list is invalid: it is empty, truncated or too large, or has a line that "
    "is not a network in canonical form, a network that is listed twice or inside another "
    "one, or a network that is far too wide.",
    why="A program writes lists, and a broken program writes such lists. The previous list "
    "stays in force.",
    remedy="Fix the program that writes the list.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ndeny: bad-clients",
        top="""\
listen: {http: 127.0.0.1:8080}
lists:
  bad-clients: {file: certs/not-pem.txt}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each fault of each list, and the sum of all lists."""
    for name, at, fault in draft.list_faults:
        what = f"List `{name}`: {fault.what}"
        yield RULE.found(at, f"list {name}", what, remedy=fault.remedy)
    total = sum(len(one.networks) for one in draft.built_lists.values())
    if total > limits.LIST_ENTRIES_ALL_MAX:
        what = f"All lists hold {total:,} networks; {limits.LIST_ENTRIES_ALL_MAX:,} is the most."
        yield RULE.found(draft.top.at("lists", of_key=True), "", what)
