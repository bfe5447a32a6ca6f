"""A route that an earlier one of the same site always takes first."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from seawall.model import PathExact, PathPrefix, PathRegex, Route
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.regex import compile_regex
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="unreachable-route",
    severity=Severity.ERROR,
    meaning="A route can never match: an earlier one matches every request first.",
    why="Routes are tried in order, and the first whose conditions match decides.",
    remedy="Move it above the other route, or remove it.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: everything, prefix: /}
  - {name: api, prefix: /api, timeout: 30s}
"""),
    younger=True,
    alone=True,
)
_PLAIN: Final = re.compile(r"[\w/~-]+", re.ASCII)
_CONDITIONS = ("path", "prefix", "regex", "methods", "headers", "query")


def check(draft: Draft) -> Iterator[Problem]:
    """Each written route that is covered by an earlier one."""
    for name, placed in draft.sites.items():
        site = draft.built_sites[name]
        written = site.routes[: len(placed.section.routes)]
        seen = _Seen()
        for index, route in enumerate(written):
            conditions = _Conditions(route)
            earlier = seen.cover_of(conditions)
            lost = placed.root.damaged and any(
                placed.lost("routes", index, key) for key in _CONDITIONS
            )
            if not lost:
                seen.add(conditions)
            if earlier:
                first = earlier.id.partition("/")[2]
                what = f"The route `{placed.section.routes[index].name}` can never match."
                why = f"The route `{first}` above takes every request that it would take."
                yield RULE.found(placed.at("routes", index), f"route {route.id}", what, why=why)


def _beginning(regex: str) -> str:
    """What every path that `regex` matches surely begins with; may be empty, or too short."""
    if "|" in regex:
        return ""
    regex = regex.removeprefix("^")
    plain = _PLAIN.match(regex)
    found = plain[0] if plain else ""
    return found[:-1] if regex[len(found) :].startswith(("*", "?", "{")) else found


class _Conditions:
    """A route and its conditions besides the path, as sets: they are compared very often."""

    __slots__ = ("headers", "methods", "query", "route")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.methods = frozenset(route.match.methods)
        self.headers = frozenset(route.match.headers)
        self.query = frozenset(route.match.query)

    def hold_whenever(self, later: "_Conditions") -> bool:
        """Whether all of these are conditions of `later` too."""
        return (
            self.headers <= later.headers
            and self.query <= later.query
            and (not self.methods or (bool(later.methods) and later.methods <= self.methods))
        )


class _Seen:
    """Earlier routes, found by what their paths may cover."""

    def __init__(self) -> None:
        self._exact: dict[str, list[_Conditions]] = defaultdict(list)
        self._prefix: dict[str, list[_Conditions]] = defaultdict(list)
        self._regex: dict[str, list[_Conditions]] = defaultdict(list)

    def cover_of(self, later: _Conditions) -> Route | None:
        """An earlier route that takes all that `later` would take."""
        for one in self._by_path(later.route):
            if one.hold_whenever(later):
                return one.route
        return None

    def add(self, conditions: _Conditions) -> None:
        """Say that a route is earlier from now on."""
        match conditions.route.match.path:
            case PathExact(path):
                self._exact[path].append(conditions)
            case PathPrefix(prefix):
                self._prefix[prefix].append(conditions)
            case PathRegex(regex):
                self._regex[regex].append(conditions)

    def _by_path(self, route: Route) -> Iterator[_Conditions]:
        """Routes whose path condition holds whenever that of `route` does."""
        match route.match.path:
            case PathExact(path):
                yield from self._exact.get(path, ())
                yield from self._under_prefixes(path)
                for regex, routes in self._regex.items():
                    compiled = compile_regex(regex)
                    if compiled.pattern is not None and compiled.pattern.fullmatch(path.encode()):
                        yield from routes
            case PathPrefix(prefix):
                yield from self._under_prefixes(prefix)
            case PathRegex(regex):
                yield from self._regex.get(regex, ())
                yield from self._above(_beginning(regex) or "/")

    def _above(self, path: str) -> Iterator[_Conditions]:
        """Routes of every prefix that whatever begins with `path` lies under."""
        for end, letter in enumerate(path):
            if letter == "/":
                yield from self._prefix.get(path[: end + 1], ())
                if end:
                    yield from self._prefix.get(path[:end], ())

    def _under_prefixes(self, path: str) -> Iterator[_Conditions]:
        """Routes of every prefix that `path` is or lies under, on a `/` boundary."""
        yield from self._above(path)
        if not path.endswith("/"):
            yield from self._prefix.get(path, ())
