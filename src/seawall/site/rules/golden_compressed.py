"""A golden request that asks for a compressed answer, and for text in it."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="golden-compressed",
    severity=Severity.ERROR,
    meaning="A golden request has the header `accept-encoding`, and `contains`.",
    why="The text is looked for in the body as it was sent, and a compressed one does not hold it: "
    "the request would prove nothing, or refuse every release.",
    remedy="Remove `accept-encoding`, or ask for the text in a second golden request without it.",
    example=one_site("""
origin: http://127.0.0.1:3000
golden: [{path: /, headers: {accept-encoding: gzip}, contains: welcome}]
"""),
    younger=True,
    alone=True,
)
_HEADER = "accept-encoding"
_PLAIN = frozenset({"", "identity"})


def check(draft: Draft) -> Iterator[Problem]:
    """Each golden request of a site."""
    for name, site in draft.sites.items():
        for index, golden in enumerate(site.section.golden):
            accepted = golden.headers.get(_HEADER, "").strip().lower()
            if golden.contains and accepted not in _PLAIN:
                at = site.at("golden", index, "headers", _HEADER, of_key=True)
                what = f"The answer may be compressed, and then not hold {golden.contains!r}."
                yield RULE.found(at, f"site {name}", what)
