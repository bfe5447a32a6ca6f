"""What changed in how a site treats bots, in words.

Told from the text that the filter gets, so that it is what really changes. Conditions stand there
as Lua and are not shown: the site file shows them better.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from seawall.bots.policy import policy_text
from seawall.compiler import names
from seawall.ids import SiteName
from seawall.model import OBSERVING, RouteClass

_OFF: Final = "off"
_ENDED: Final = "are no longer valid, so visitors are challenged again"
_LEVELS: Final = "level of challenges"
_CONTACT: Final = "contact for people who cannot pass"


@dataclass(frozen=True, slots=True)
class _Policy:
    """The lines of a policy, by what they are about."""

    mode: str
    parts: Mapping[str, str]
    categories: Mapping[str, str]
    rules: Mapping[str, tuple[str, str]]


def bot_changes(old_table: Any, old: Any, new_table: Any, new: Any) -> Iterator[str]:
    """What changed between two compiled hosts of one site; each with its route table."""
    before, after = _policy(old_table, old), _policy(new_table, new)
    if before.mode != after.mode:
        yield f"bots {before.mode} -> {after.mode}"
    if _OFF in (before.mode, after.mode):
        return
    for what in before.parts:
        if before.parts[what] != after.parts[what]:
            yield f"bots: {what} {before.parts[what] or 'none'} -> {after.parts[what] or 'none'}"
    for category, was in before.categories.items():
        if was != after.categories[category]:
            yield f"bots: category {category} {was} -> {after.categories[category]}"
    yield from _rule_changes(before.rules, after.rules)


def key_change(pairs: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    """Whether clearances are signed otherwise: one text for all sites, without any key.

    Args:
        pairs: compiled hosts, each before and now.
    """
    for old, new in pairs:
        before, after = (_field(host, names.METADATA_CLEARANCE).split() for host in (old, new))
        if before == after or not (_challenges(old) and _challenges(new)):
            continue
        if not (before and after):
            yield f"clearances are granted {'from now on' if after else 'no longer'}"
            return
        # An epoch, then the keys, of which the first one signs.
        holds = before[0] == after[0] and before[1] in after
        kept = f"those granted before {'hold on' if holds else _ENDED}"
        if holds and not set(before[2:]) <= set(after):
            kept = f"those signed with the key before it hold on; older ones {_ENDED}"
        yield f"clearances are signed with another key; {kept}"
        return


def route_bots_text(route: Any) -> str:
    """Whether bots are looked at on a route."""
    return _OFF if names.FILTER_BOTS in route.typed_per_filter_config else "as the site"


def _rule_changes(
    before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]
) -> Iterator[str]:
    for name in before:
        if name not in after:
            yield f"bots: rule {name} removed"
    for name, (action, condition) in after.items():
        if name not in before:
            yield f"bots: rule {name} added, {action}"
            continue
        was, held = before[name]
        if was != action:
            yield f"bots: rule {name} {was} -> {action}"
        if held != condition:
            yield f"bots: condition of rule {name} changed"
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield "bots: order of the rules changed"


def _policy(table: Any, host: Any) -> _Policy:
    text = _field(host, RouteClass.PAGE.value)
    if not text:
        text = policy_text(OBSERVING, SiteName(host.name), RouteClass.PAGE)
    parts = {_CONTACT: _field(host, names.METADATA_CONTACT)}
    categories: dict[str, str] = {}
    rules: dict[str, tuple[str, str]] = {}
    mode = ""
    for line in text.splitlines()[1:-1]:
        word, _, rest = line.partition(" ")
        match word:
            case "mode":
                mode = rest
            case "static":
                parts["what a page loads is scored:"] = "yes" if rest == "score" else "no"
            case "challenge":
                parts |= _challenge(rest)
            case "category":
                name, _, action = rest.partition(" ")
                categories[name] = _action(action)
            case "rule":
                name, do, level, requests, per, _, condition = rest.split(" ", 6)
                rules[name] = _action(f"{do} {level} {requests} {per}"), condition
    return _Policy(_mode_by_switch(table, host) or mode, parts, categories, rules)


def _field(host: Any, key: str) -> str:
    """One text beside the policy of a compiled host; empty where it is not there."""
    values = host.metadata.filter_metadata.get(names.FILTER_BOTS)
    return str(values.fields[key].string_value) if values is not None else ""


def _challenges(host: Any) -> bool:
    return any(route.name.endswith(names.ROUTE_BOTS) for route in host.routes)


def _mode_by_switch(table: Any, host: Any) -> str:
    """`off` where the filter is not on at all; empty where the policy says the mode."""
    on = names.FILTER_BOTS in table.typed_per_filter_config
    return "" if on and names.FILTER_BOTS not in host.typed_per_filter_config else _OFF


def _challenge(rest: str) -> dict[str, str]:
    level, unavailable, clearance, ipv4, ipv6 = rest.split(" ")
    return {
        _LEVELS: level,
        "while the bot service is down": unavailable,
        "a clearance lasts": f"{clearance} s",
        "a clearance is valid within": f"/{ipv4}, /{ipv6}",
    }


def _action(words: str) -> str:
    do, level, requests, per = words.split(" ")
    if do == "rate":
        return f"rate {requests} in {per} s"
    return f"challenge at level {level}" if do == "challenge" else do
