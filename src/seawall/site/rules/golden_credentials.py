"""A golden request with credentials."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="golden-credentials",
    severity=Severity.ERROR,
    meaning="A golden request contains credentials: a header such as `authorization` or `cookie`, "
    "or such a query parameter.",
    why="Golden requests are stored with every release, and everyone who can see the release "
    "can see them.",
    remedy="Request something that needs no login, such as a health page.",
    example=one_site("""
origin: http://127.0.0.1:3000
golden: [{path: /account, headers: {cookie: "sid=1"}}]
"""),
    alone=True,
)
_WORDS = (
    "authorization",
    "cookie",
    "credential",
    "passwd",
    "password",
    "secret",
    "session",
    "signature",
    "token",
    "api-key",
    "apikey",
    "api_key",
)


def check(draft: Draft) -> Iterator[Problem]:
    """The headers and the query of each golden request."""
    for name, site in draft.sites.items():
        subject = f"site {name}"
        for index, golden in enumerate(site.section.golden):
            for header in golden.headers:
                if is_credential(header):
                    at = site.at("golden", index, "headers", header, of_key=True)
                    yield RULE.found(at, subject, f"The header `{header}` is a credential.")
            query = urlsplit(golden.path).query
            for key, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=None):
                if is_credential(key):
                    at = site.at("golden", index, "path")
                    yield RULE.found(at, subject, "A parameter of the query is a credential.")


def is_credential(name: str) -> bool:
    """Whether a header or parameter of this name usually proves who one is."""
    lowered = name.lower()
    return any(word in lowered for word in _WORDS)
