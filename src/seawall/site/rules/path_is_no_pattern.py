"""A path that is written like a pattern of another program, and compared as it stands."""

import re
from collections.abc import Iterator
from typing import Final

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="path-is-no-pattern",
    severity=Severity.WARNING,
    meaning="A `path` or `prefix` looks like a pattern, but is compared literally.",
    why="`*`, `:name` and `$` have no special meaning here, and hardly any request has such a "
    "path.",
    remedy="Write `prefix: /api` for `/api` and everything below it, or use `regex`.",
    example=one_site("""
origin: http://127.0.0.1:3000
routes:
  - {name: api, path: "/api/*", timeout: 30s}
"""),
    alone=True,
)
_PATTERN: Final = re.compile(r"\*|/:[A-Za-z_]\w*(?:/|$)|\$$", re.ASCII)


def check(draft: Draft) -> Iterator[Problem]:
    """Each such condition."""
    for name, site in draft.sites.items():
        for index, route in enumerate(site.section.routes):
            for key, path in (("path", route.path), ("prefix", route.prefix)):
                if path is not None and _PATTERN.search(path):
                    what = f"The route `{route.name}` takes `{path}` to the letter."
                    where = site.at("routes", index, key)
                    yield RULE.found(where, f"route {name}/{route.name}", what)
