"""The catalogue and the published ranges as the data that `bots/lua/verified.lua` reads.

The text is a Lua chunk that returns one table, made only of numbers, booleans and quoted strings,
so that nothing in a list or a catalogue can become code. Equal inputs give equal text.
"""

import re
from collections.abc import Mapping
from typing import Final

from seawall import limits
from seawall.errors import RefusedError
from seawall.verify.catalogue import Bot, Catalogue
from seawall.verify.verdicts import AGES_S_MAX

_LIMITS: Final = {
    "user_agent_bytes_max": limits.VERIFY_USER_AGENT_BYTES_MAX,
    "ranges_stale_s": limits.VERIFY_RANGES_STALE_S,
    "ranges_per_list_max": limits.VERIFY_RANGES_PER_LIST_MAX,
    "verdict_buckets": limits.VERIFY_VERDICT_BUCKETS,
    "verdict_ways": limits.VERIFY_VERDICT_WAYS,
    **{f"{outcome}_age_s_max": age_s for outcome, age_s in AGES_S_MAX.items()},
    "claim_groups": limits.VERIFY_CLAIM_GROUPS,
    "claim_ways": limits.VERIFY_CLAIM_WAYS,
    "claims_per_s_max": limits.VERIFY_CLAIMS_PER_S_MAX,
    "reopen_s": limits.VERIFY_MAP_REOPEN_S,
}


def render(catalogue: Catalogue, lists: Mapping[str, str]) -> str:
    """The data of the Lua module, for its `M.use`.

    Args:
        catalogue: all bots.
        lists: content of released lists by name, as `seawall.verify.ranges.render` writes it;
            a list that was never released is simply not there.

    Raises:
        RefusedError: more text than one filter should hold.
    """
    lines = ["return {", "limits = {"]
    lines += [f"  {name} = {value}," for name, value in _LIMITS.items()]
    lines += ["},", "bots = {"]
    lines += [f"  {_bot(bot)}," for bot in catalogue.bots]
    lines += ["},", "tokens = {"]
    lines += [f"  {{{quote(token.decode())}, {bot.number}}}," for token, bot in catalogue.tokens]
    lines += ["},", "lists = {"]
    lines += [f"  [{quote(name)}] = {quote(lists[name])}," for name in sorted(lists)]
    lines += ["},", "}", ""]
    text = "\n".join(lines)
    if len(text) > limits.VERIFY_LUA_SIZE_BYTES_MAX:
        raise RefusedError(
            "bot-ranges-large",
            f"The ranges of bots take {len(text):,} bytes in Envoy's filter; at most "
            f"{limits.VERIFY_LUA_SIZE_BYTES_MAX:,} are allowed.",
            remedy="Release fewer lists of ranges.",
        )
    return text


def lists_in(text: str) -> dict[str, str]:
    """The lists in what `render` wrote, or in a text around it, as they were given."""
    return {found[1]: found[2].replace("\\010", "\n") for found in _LIST.finditer(text)}


def without_lists(text: str) -> str:
    """What `render` would have written with no list."""
    return _LIST.sub("", text)


def quote(text: str) -> str:
    """`text` as a Lua string literal: everything but plain ASCII is escaped by its number."""
    return '"' + "".join(_PLAIN.get(byte) or f"\\{byte:03d}" for byte in text.encode()) + '"'


_PLAIN: Final = {
    byte: chr(byte) for byte in range(256) if chr(byte).isascii() and chr(byte).isalnum()
} | {ord(sign): sign for sign in " .:/_-+!',;()=#*<>@&?"}


_LIST: Final = re.compile(
    r'^  \["([a-z0-9-]+)"\] = "(# seawall ranges (?:[0-9a-zA-Z .:/#-]|\\010)+)",\n', re.MULTILINE
)
"""One list as `render` writes it: its characters are those of a header and of networks."""


def _bot(bot: Bot) -> str:
    ranges = ", ".join(quote(name) for name in bot.ranges)
    return (
        f"{{number = {bot.number}, name = {quote(bot.name)}, category = {quote(bot.category)}, "
        f"dns = {str(bool(bot.hosts)).lower()}, only_ranges = {str(bot.only_ranges).lower()}, "
        f"ranges = {{{ranges}}}}}"
    )
