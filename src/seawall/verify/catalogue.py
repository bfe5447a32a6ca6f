"""The known bots, and which of them a user agent claims to be.

A claim is only a claim: whether it is true is decided by the proofs of the bot, and a bot without a
proof can be neither verified nor an impostor.
"""

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal

import yaml

from seawall import limits
from seawall.errors import RefusedError
from seawall.model import BOT_PURPOSES, BotCategory
from seawall.verify.agent_url import canonical

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HOST: Final = re.compile(r"([a-z0-9-]+-\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
_KEYS: Final = {
    "number",
    "name",
    "category",
    "tokens",
    "hosts",
    "ranges",
    "directory",
    "docs",
    "partial",
}


@dataclass(frozen=True, slots=True)
class RangeSource:
    """A list of networks that an operator publishes.

    Attributes:
        urls: parts of the list, all needed.
        format: `json` as Google publishes, or `text` with one network a line.
    """

    name: str
    urls: tuple[str, ...]
    format: Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that names itself.

    Attributes:
        number: stored in mapped files; 1 to 65535, given once for ever.
        tokens: substrings of its user agents; empty when only a signature tells who it is.
        hosts: patterns of its reverse DNS names, see `seawall.verify.dns.host_matches`.
        ranges: names of `RangeSource`s; an address in any of them is the bot's.
        directory: canonical address of its Web Bot Auth keys, or empty.
        docs: where the operator documents the proofs.
        partial: it also comes from elsewhere: its ranges verify, and exclude nobody.
    """

    number: int
    name: str
    category: BotCategory
    tokens: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    directory: str = ""
    docs: str = ""
    partial: bool = False

    @property
    def provable(self) -> bool:
        """Whether the operator documents any way to prove it."""
        return bool(self.hosts or self.ranges or self.directory)

    @property
    def only_ranges(self) -> bool:
        """Whether its ranges are its only and whole proof: an address outside excludes it."""
        return bool(self.ranges) and not (self.hosts or self.directory or self.partial)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All known bots, by number, with lookups."""

    bots: tuple[Bot, ...]
    sources: Mapping[str, RangeSource]
    by_number: Mapping[int, Bot]
    by_directory: Mapping[str, Bot]
    tokens: tuple[tuple[bytes, Bot], ...]

    def claim(self, user_agent: str) -> Bot | None:
        """The bot that `user_agent` says it is: that of the longest token in it, or None.

        Only the first `limits.VERIFY_USER_AGENT_BYTES_MAX` bytes count, here as in Lua.
        """
        text = user_agent.encode("utf-8", "replace")[: limits.VERIFY_USER_AGENT_BYTES_MAX].lower()
        for token, bot in self.tokens:
            if _contains(text, token):
                return bot
        return None


@functools.cache
def catalogue() -> Catalogue:
    """The catalogue that Seawall ships."""
    return parse((resources.files("seawall.verify") / "bots.yaml").read_text("utf-8"))


def parse(text: str) -> Catalogue:
    """Read a catalogue strictly.

    Raises:
        RefusedError: not a catalogue: a wrong type, an unknown key, something twice, a name of a
            list that is not there, a proof without its documentation.
    """
    if len(text) > limits.VERIFY_CATALOGUE_SIZE_BYTES_MAX:
        raise _refused(f"it has over {limits.VERIFY_CATALOGUE_SIZE_BYTES_MAX} bytes")
    try:
        data = yaml.load(text, Loader=_Strict)  # noqa: S506 - derived from the safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise _refused(f"it is not YAML ({error})") from error
    if not isinstance(data, dict) or set(data) != {"lists", "bots"}:
        raise _refused("it needs exactly the keys lists and bots")
    sources = {name: _source(name, value) for name, value in _mapping(data["lists"]).items()}
    if not isinstance(data["bots"], list) or len(data["bots"]) > limits.VERIFY_BOTS_MAX:
        raise _refused(f"bots is no list of at most {limits.VERIFY_BOTS_MAX}")
    bots = tuple(_bot(value, sources) for value in data["bots"])
    return assemble(bots, sources)


def assemble(bots: tuple[Bot, ...], sources: Mapping[str, RangeSource]) -> Catalogue:
    """Put bots together; what must be unique is unique.

    Raises:
        RefusedError: a number, name, token or directory stands twice.
    """
    tokens = [(token.lower().encode(), bot) for bot in bots for token in bot.tokens]
    _once("number", [str(bot.number) for bot in bots])
    _once("name", [bot.name for bot in bots])
    _once("token", [token.decode() for token, _ in tokens])
    _once("directory", [bot.directory for bot in bots if bot.directory])
    return Catalogue(
        bots=bots,
        sources=MappingProxyType(dict(sources)),
        by_number=MappingProxyType({bot.number: bot for bot in bots}),
        by_directory=MappingProxyType({bot.directory: bot for bot in bots if bot.directory}),
        # The longest first, so that the first found is the answer.
        tokens=tuple(sorted(tokens, key=lambda entry: (-len(entry[0]), entry[0]))),
    )


def _once(what: str, values: list[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise _refused(f"the {what} {twice[0]} appears twice")


def _contains(text: bytes, token: bytes) -> bool:
    """Whether `token` stands in `text` with no letter or digit right before or behind it."""
    start = text.find(token)
    while start >= 0:
        end = start + len(token)
        if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
            return True
        start = text.find(token, start + 1)
    return False


class _Strict(yaml.CSafeLoader):
    """YAML in which a key cannot stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(map(str, keys))):
            raise yaml.constructor.ConstructorError(
                None, None, "a key appears twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _bot(value: object, sources: Mapping[str, RangeSource]) -> Bot:
    data = _mapping(value)
    name = data.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _refused(f"{name!r} is not a name in kebab case")
    unknown = set(data) - _KEYS
    number, category = data.get("number"), data.get("category")
    if unknown:
        raise _refused(f"{name} has the unknown key {min(unknown)}")
    if type(number) is not int or not 0 < number < 1 << 16:
        raise _refused(f"{name} has no number from 1 to 65535")
    if type(data.get("partial", False)) is not bool:
        raise _refused(f"{name} has a partial that is neither true nor false")
    if category not in BOT_PURPOSES:
        raise _refused(f"{name} has the unknown category {category!r}")
    bot = Bot(
        number=number,
        name=name,
        category=BotCategory(category),
        tokens=_texts(data, "tokens", name),
        hosts=_texts(data, "hosts", name),
        ranges=_texts(data, "ranges", name),
        directory=_directory(data.get("directory", ""), name),
        docs=_url(data.get("docs", ""), name),
        partial=data.get("partial", False),
    )
    _sound(bot, sources)
    _plain_tokens(bot)
    return bot


def _sound(bot: Bot, sources: Mapping[str, RangeSource]) -> None:
    """What the parts of one bot need of each other."""
    if not bot.tokens and not bot.directory:
        raise _refused(f"nothing identifies {bot.name}: it has neither tokens nor a directory")
    if bot.provable and not bot.docs:
        raise _refused(f"{bot.name} has a proof without docs")
    if bot.partial and (bot.hosts or not bot.ranges):
        raise _refused(f"{bot.name} is partial, which is for ranges without hosts")
    for host in bot.hosts:
        if not _HOST.fullmatch(host):
            raise _refused(f"{bot.name} has {host!r}, which is not a pattern of host names")
    for ranges in bot.ranges:
        if ranges not in sources:
            raise _refused(f"{bot.name} names the list {ranges}, which is not there")


def _plain_tokens(bot: Bot) -> None:
    """Each token is a word that stands in no ordinary user agent."""
    shortest = limits.VERIFY_TOKEN_LENGTH_CHARS_MIN
    for token in bot.tokens:
        plain = token.isascii() and token.isprintable() and len(token) >= shortest
        if not plain or not (token[0].isalnum() and token[-1].isalnum()):
            raise _refused(f"{bot.name} has the token {token!r}, which is not a separate word")


def _source(name: object, value: object) -> RangeSource:
    data = _mapping(value)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _refused(f"{name!r} is not the name of a list")
    if set(data) != {"format", "urls"} or data["format"] not in {"json", "text"}:
        raise _refused(f"the list {name} needs a format (json or text) and urls")
    urls = _texts(data, "urls", name)
    if not urls or len(urls) > limits.VERIFY_LIST_URLS_MAX:
        raise _refused(f"the list {name} has no url, or too many")
    return RangeSource(name, tuple(_url(url, name) for url in urls), data["format"])


def _mapping(value: object) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _refused(f"{str(value)[:40]!r} is given where a mapping is needed")
    return value


def _texts(data: Mapping[Any, Any], key: str, name: str) -> tuple[str, ...]:
    values = data.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _refused(f"{key} of {name} is not a list of texts")
    return tuple(values)


def _url(value: object, name: str) -> str:
    if not isinstance(value, str) or (value and not value.startswith("https://")):
        raise _refused(f"{name} has {str(value)[:80]!r}, which is not an https address")
    return value


def _directory(value: object, name: str) -> str:
    if value == "":
        return ""
    address = canonical(value)
    if address is None:
        raise _refused(
            f"{name} has {str(value)[:80]!r}, which is not the address of a key directory"
        )
    return address


def _refused(why: str) -> RefusedError:
    return RefusedError(
        "bot-catalogue-refused",
        f"The catalogue of bots was refused: {why}.",
        remedy="Fix the catalogue; the current one stays in use.",
    )
