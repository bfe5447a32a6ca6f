"""A file that is there but cannot be used."""

from collections.abc import Iterator

from seawall import limits
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="file-unreadable",
    severity=Severity.ERROR,
    meaning="A certificate, key, CA file, list or error page cannot be read, or is too large.",
    why="The edge cannot be built without it.",
    remedy="Check that it is a file and that Seawall's user can read it.",
    example=one_site("origin: http://127.0.0.1:3000\nerror_pages: {5xx: pages/locked.html}"),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each place that names such a file; error pages have a smaller bound of their own."""
    files = draft.files
    for named in files.named:
        error = files.failures.get(named.path)
        what = ""
        if error is not None and not isinstance(error, FileNotFoundError):
            reason = (error.strerror or type(error).__name__).lower()
            what = f"The {named.purpose} file {named.path} cannot be read: {reason}."
        elif named.path in files.too_large:
            bound = f"{files.too_large[named.path]:,} bytes"
            what = f"The {named.purpose} file {named.path} is larger than {bound}."
        elif named.purpose == "error page":
            what = _bad_page(named.path, files.content.get(named.path, b""))
        if what:
            yield RULE.found(named.location, named.subject, what)


def _bad_page(path: str, content: bytes) -> str:
    if len(content) > limits.RESPONSE_BODY_SIZE_BYTES_MAX:
        bound = f"{limits.RESPONSE_BODY_SIZE_BYTES_MAX:,} bytes"
        return f"The error page {path} is larger than {bound}."
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return f"The error page {path} is not UTF-8 text."
    return ""
