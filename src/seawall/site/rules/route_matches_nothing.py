"""A route whose path, method or headers no request has, at the time when routes are tried."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from seawall.model.route import METHODS_TAKEN
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.regex import compile_regex
from seawall.site.rules.rule import Rule, one_site
from seawall.site.schema.route import RouteSection

RULE = Rule(
    id="route-matches-nothing",
    severity=Severity.ERROR,
    meaning="A route can never match: when routes are matched, no request has such a path, "
    "method or header.",
    why="The edge normalises every path first: `//`, `/../` and `\\` are resolved, no letter "
    "is escaped, other characters are, and `%2F` is refused (docs/hardening.md). It also "
    "refuses TRACE, and methods with anything but capital letters, before routes are tried.",
    remedy="Write the path as the origin gets it.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: scripts, regex: '\\.php$', respond: {status: 404}}
"""),
    younger=True,
    alone=True,
)
_REFUSED: Final = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"%(?:2d|2e|3\d|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])", re.IGNORECASE)
_NOT_IN_QUERY: Final = re.compile(r"[^\x21-\x7e]|[#&]")
_NOT_PLAIN: Final = re.compile(r"[\"<>^`{|}]")
_NAMED_PART: Final = re.compile(r"/\{\w+\}(?=/|$)", re.ASCII)
_NO_METHOD: Final = (
    "methods",
    "Its list of methods is empty.",
    "Name a method, or remove the key: without it any fits.",
)
_METHODS: Final = re.compile(METHODS_TAKEN)
_DOTS: Final = re.compile(r"^(\.\.?);.*")
_MATCH_START_BYTES: Final = 16
"""So many bytes of what an expression can match tell whether a `/` can be the first."""


def check(draft: Draft) -> Iterator[Problem]:
    """Each condition on a path."""
    for name, site in draft.sites.items():
        for index, route in enumerate(site.section.routes):
            found = list(_impossible(route))
            if not site.lost("routes", index, "methods"):
                found += _impossible_methods(route)
            found += [*_impossible_query(route), *_impossible_headers(route)]
            for key, why, remedy in found:
                what = f"The route `{route.name}` can never match."
                where = site.at("routes", index, key)
                yield RULE.found(where, f"route {name}/{route.name}", what, why=why, remedy=remedy)


def _impossible(route: RouteSection) -> Iterator[tuple[str, str, str]]:
    for key, path in (("path", route.path), ("prefix", route.prefix)):
        if path is None:
            continue
        if found := _REFUSED.search(path):
            yield key, f"A path with `{found[0]}` is refused before routes are tried.", ""
        elif _NAMED_PART.search(path):
            why = "A path is no pattern: `{` and `}` are letters of it."
            yield key, why, f"Write `regex: '{_as_regex(path, below=key == 'prefix')}'`."
        elif (plain := made_plain(path)) != path:
            yield key, "", f"Write `{plain}`, which the edge makes of such a path."
    if route.regex is not None and not _may_begin_with_slash(route.regex):
        why = "The whole path must be matched, and every path begins with `/`."
        yield "regex", why, "Let it begin with `/`, as in `/.*[.]php`."


def _as_regex(path: str, *, below: bool) -> str:
    """The expression that a path with named parts stands for, with or without all below it."""
    plain = re.sub(r"[.+*$()|]", r"[\g<0>]", path)
    return _NAMED_PART.sub("/[^/]+", plain) + ("(/.*)?" if below else "")


def _impossible_query(route: RouteSection) -> Iterator[tuple[str, str, str]]:
    why = "What stands in a query is compared as it was sent, and nobody sends such a character."
    for name, condition in route.query.items():
        written = (condition.exact, condition.prefix, condition.suffix, condition.contains)
        for text in (name, *filter(None, written)):
            if _NOT_IN_QUERY.search(text):
                yield "query", why, f"Write `{quote(text)}`."


def _impossible_headers(route: RouteSection) -> Iterator[tuple[str, str, str]]:
    why = "A request with `_` in the name of a header is refused before routes are tried."
    for name, condition in route.headers.items():
        if "_" in name and condition.present is not False:
            yield "headers", why, f"Write `{name.replace('_', '-')}`, which clients can send."


def _impossible_methods(route: RouteSection) -> Iterator[tuple[str, str, str]]:
    if "methods" not in route.model_fields_set or any(map(_METHODS.fullmatch, route.methods)):
        return
    if not route.methods:
        yield _NO_METHOD
        return
    why = f"The edge itself refuses {' and '.join(route.methods)}, before routes are tried."
    yield "methods", why, "Remove the route, or name a method that reaches it."


def made_plain(path: str) -> str:
    """What the edge makes of a path before routes are tried."""
    path = _PLAIN.sub(lambda found: chr(int(found[0][1:], 16)), path.replace("\\", "/"))
    path = _NOT_PLAIN.sub(lambda found: f"%{ord(found[0]):02X}", path)
    kept: list[str] = []
    parts = [_DOTS.sub(r"\1", part) for part in path.split("/")[1:]]
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part not in {"", "."}:
            kept.append(part)
    ends = "/" if kept and parts[-1] in {"", ".", ".."} else ""
    return f"/{'/'.join(kept)}{ends}"


def _may_begin_with_slash(regex: str) -> bool:
    pattern = compile_regex(regex).pattern
    if pattern is None:
        return True
    try:
        least, most = pattern.possiblematchrange(_MATCH_START_BYTES)
    except Exception:  # noqa: BLE001 - RE2 says so of what may begin with anything
        return True
    return bool(least < b"0" and most >= b"/")
