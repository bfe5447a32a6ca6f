"""A robots.txt whose own lines say something else than the bot policy above them."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="robots-against-policy",
    severity=Severity.WARNING,
    meaning="A line of `extra` repeats or contradicts what the bot policy already states in "
    "robots.txt.",
    why="Crawlers combine several statements about them, and follow the one that allows more.",
    remedy="Remove the line, or change `categories` for that bot.",
    example=one_site("""
origin: http://127.0.0.1:3000
bots:
  mode: enforce
  categories: {ai-training: block}
  robots: {extra: ["Content-Signal: ai-train=yes", "User-agent: GPTBot", "Allow: /"]}
"""),
    alone=True,
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each agent that is named twice, and each further line of signals for everybody."""
    for name, placed in draft.sites.items():
        lines = draft.built_sites[name].bots.robots_txt.splitlines()
        for what in _twice(lines):
            where = placed.at("bots", "robots")
            yield RULE.found(where, f"site {name}", f"The robots.txt of `{name}` {what}.")


def _twice(lines: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    signals, everybody = 0, False
    for line in lines:
        key, _, value = (part.strip() for part in line.partition("#")[0].partition(":"))
        if key.lower() == "user-agent":
            everybody = value == "*"
            if value.lower() in seen:
                yield f"names `{value}` twice"
            seen.add(value.lower())
        elif key.lower() == "content-signal" and everybody:
            signals += 1
            if signals > 1:
                yield f"has a second line of signals for everybody, `{line.strip()}`"
