"""A route that an earlier one of the same site always takes first."""

from collections import defaultdict
from collections.abc import Iterator

from seawall.model import PathExact, PathPrefix, PathRegex, Route
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.regex import compile_regex
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="unreachable-route",
    severity=Severity.ERROR,
    meaning="A route can never match: an earlier one takes every request that it would take.",
    why="Routes are tried in order, and the first whose conditions hold decides.",
    remedy="Move it above the other route, or remove it.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: everything, prefix: /}
  - {name: api, prefix: /api, timeout: 30s}
"""),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each written route that is covered by an earlier one."""
    for name, placed in draft.sites.items():
        site = draft.built_sites[name]
        written = site.routes[: len(placed.section.routes)]
        seen = _Seen()
        for index, route in enumerate(written):
            if earlier := seen.cover_of(route):
                first = earlier.id.partition("/")[2]
                what = f"The route `{placed.section.routes[index].name}` can never match."
                why = f"The route `{first}` above takes every request that it would take."
                yield RULE.found(placed.at("routes", index), f"route {route.id}", what, why=why)
            seen.add(route)


class _Seen:
    """Earlier routes, found by what their paths may cover."""

    def __init__(self) -> None:
        self._exact: dict[str, list[Route]] = defaultdict(list)
        self._prefix: dict[str, list[Route]] = defaultdict(list)
        self._regex: dict[str, list[Route]] = defaultdict(list)

    def add(self, route: Route) -> None:
        match route.match.path:
            case PathExact(path):
                self._exact[path].append(route)
            case PathPrefix(prefix):
                self._prefix[prefix].append(route)
            case PathRegex(regex):
                self._regex[regex].append(route)

    def cover_of(self, route: Route) -> Route | None:
        """An earlier route whose conditions hold whenever those of `route` do."""
        return next((one for one in self._by_path(route) if _no_narrower(one, route)), None)

    def _by_path(self, route: Route) -> Iterator[Route]:
        match route.match.path:
            case PathExact(path):
                yield from self._exact.get(path, ())
                yield from self._under_prefixes(path)
                for regex, routes in self._regex.items():
                    compiled = compile_regex(regex)
                    if compiled.pattern is not None and compiled.pattern.fullmatch(path):
                        yield from routes
            case PathPrefix(prefix):
                yield from self._under_prefixes(prefix)
            case PathRegex(regex):
                yield from self._regex.get(regex, ())
                yield from self._prefix.get("/", ())

    def _under_prefixes(self, path: str) -> Iterator[Route]:
        """Routes of every prefix that `path` is or lies under, on a `/` boundary."""
        for end, letter in enumerate(path):
            if letter == "/":
                yield from self._prefix.get(path[: end + 1], ())
                if end:
                    yield from self._prefix.get(path[:end], ())
        if not path.endswith("/"):
            yield from self._prefix.get(path, ())


def _no_narrower(earlier: Route, later: Route) -> bool:
    """Whether every other condition of `earlier` is one of `later` too."""
    one, other = earlier.match, later.match
    methods = not one.methods or (bool(other.methods) and set(other.methods) <= set(one.methods))
    return methods and set(one.headers) <= set(other.headers) and set(one.query) <= set(other.query)
