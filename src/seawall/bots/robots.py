"""A robots.txt that says what a policy does (RFC 9309, and Content-Signal lines).

It asks; the policy enforces. So it follows the categories in every mode: a site that only observes
may still say what it wishes. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from seawall import limits
from seawall.errors import invariant
from seawall.model import BotAction, BotCategory, BotDo

_NAMES: Final = {"Yahoo! Slurp": "Slurp"}
"""What a bot calls itself in robots.txt, where that is not what its user agent holds."""
_RULES: Final = frozenset({"allow", "disallow"})
_REFUSING: Final = frozenset({BotDo.BLOCK, BotDo.PAYMENT})
_CONSENTING: Final = frozenset({BotDo.ALLOW, BotDo.RATE})
_SIGNALS: Final = (
    ("search", (BotCategory.SEARCH,)),
    ("ai-input", (BotCategory.AI_SEARCH, BotCategory.AI_USER)),
    ("ai-train", (BotCategory.AI_TRAINING,)),
)
CONTROL_TOKENS: Final[Mapping[BotCategory, tuple[str, ...]]] = {
    BotCategory.AI_TRAINING: ("Google-Extended", "Applebot-Extended"),
}
"""Tokens that no request carries: their owners read them in robots.txt only."""


def robots_txt(
    actions: Mapping[BotCategory, BotAction],
    tokens: Mapping[BotCategory, Sequence[str]],
    *,
    extra: Sequence[str] = (),
    sitemaps: Sequence[str] = (),
) -> str:
    """The text of a robots.txt.

    Args:
        actions: what is done with each category that the site has written: nothing is said of
            the others, above all no consent that nobody gave.
        tokens: user-agent tokens of the bots of each category.
        extra: lines for everybody, as written; they may begin groups of their own.
        sitemaps: URLs.
    """
    lines = ["# Written by Seawall from the bot policy of this site."]
    for category in BotCategory:
        if category in actions and actions[category].do in _REFUSING:
            lines += _group(category, tokens.get(category, ()))
    lines += ["", "User-agent: *"]
    if signals := list(_signals(actions)):
        lines.append(f"Content-Signal: {', '.join(signals)}")
    own = next((at for at, line in enumerate(extra) if _key(line) == "user-agent"), len(extra))
    lines += extra[:own]
    if not any(_key(line) in _RULES for line in extra[:own]):
        # Agents that follow one another without a rule between are one group (RFC 9309, 2.1).
        lines.append("Allow: /")
    if extra[own:]:
        lines += ["", *extra[own:]]
    if sitemaps:
        lines += ["", *(f"Sitemap: {url}" for url in sitemaps)]
    text = "\n".join([*lines, ""])
    invariant(len(text) <= limits.ROBOTS_TXT_SIZE_BYTES_MAX, "a robots.txt is read whole")
    return text


def _key(line: str) -> str:
    return line.partition(":")[0].strip().lower()


def _group(category: BotCategory, tokens: Sequence[str]) -> list[str]:
    named = [*(_NAMES.get(token, token) for token in tokens), *CONTROL_TOKENS.get(category, ())]
    if not named:
        return []
    agents = [f"User-agent: {token}" for token in dict.fromkeys(named)]
    return ["", f"# {category.value}", *agents, "Disallow: /"]


def _signals(actions: Mapping[BotCategory, BotAction]) -> Iterator[str]:
    """No when a category that it speaks of is refused, yes when all are let in by name.

    To observe one is no consent: who only looks has not decided yet.
    """
    for name, categories in _SIGNALS:
        written = [actions[each].do for each in categories if each in actions]
        if any(do in _REFUSING for do in written):
            yield f"{name}=no"
        elif len(written) == len(categories) and _CONSENTING.issuperset(written):
            yield f"{name}=yes"
