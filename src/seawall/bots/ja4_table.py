"""The table of known clients, `data/ja4.yaml`: read strictly, all or nothing.

An entry says what a client sends, with who it is, where that was seen and when. Where only a
fingerprint is known, the entry holds that alone. The form is described in docs/fingerprints.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import yaml

from seawall.bots.families import ClientFamily
from seawall.bots.hello import ALPN, PADDING, PRE_SHARED_KEY, SUPPORTED_VERSIONS, is_grease
from seawall.errors import RefusedError
from seawall.limits import JA4_ENTRIES_MAX, JA4_HELLO_LIST_MAX, JA4_TABLE_SIZE_BYTES_MAX

CODE_MAX: Final = 90
ANY_GREASE: Final = 0x0A0A
"""Stands for `grease` of the file: whichever of the 16 values."""
LAST_MAJOR: Final = 999
"""The last major of a generation that is not over."""

_JA4: Final = re.compile(r"t(13|12|11|10|s3|00)[di]\d{4}[0-9a-zA-Z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")
_CODE: Final = re.compile(r"[0-9a-f]{4}|grease")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_DATE: Final = re.compile(r"20\d\d-[01]\d-[0-3]\d")
_SHAKE_KEYS: Final = frozenset(
    {
        "tls",
        "ciphers",
        "extensions",
        "signature-algorithms",
        "alpn",
        "padding",
        "resumed-without",
        "http1-without",
    }
)
_ENTRY_KEYS: Final = frozenset({"name", "family", "generation", "source", "date", "ja4"})
_TLS: Final = frozenset({"13", "12", "11", "10"})


@dataclass(frozen=True)
class Shake:
    """What a client sends in a fresh handshake; code points in wire order, GREASE included.

    Attributes:
        padding: it may pad by length; `extensions` holds no padding then.
        resumed_without: extensions that a resumed handshake lacks, beside having pre_shared_key.
        http1_without: extensions that a connection lacks for which only HTTP/1.1 is offered.
        alpn: the first protocol that it offers, empty for none.
    """

    tls: str
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    alpn: bytes
    padding: bool
    resumed_without: tuple[int, ...]
    http1_without: tuple[int, ...]


@dataclass(frozen=True)
class Client:
    """One entry: `shake` when it was captured, otherwise `ja4` alone."""

    name: str
    family: ClientFamily
    generation: int
    source: str
    date: str
    shake: Shake | None
    ja4: str


@dataclass(frozen=True)
class Generation:
    """Majors of a browser that shake hands alike.

    Attributes:
        code: 1 to 90, of no other generation.
        first: the first major, `last` the last one; both included. Both 0 when no claim of a
            major goes with it.
    """

    code: int
    family: ClientFamily
    first: int
    last: int


@dataclass(frozen=True)
class Table:
    """All known clients, and the generations of browsers."""

    generations: tuple[Generation, ...]
    clients: tuple[Client, ...]


@cache
def builtin() -> Table:
    """The table that this version ships."""
    return parse((resources.files("seawall.bots") / "data" / "ja4.yaml").read_text("utf-8"))


def parse(text: str) -> Table:
    """Read a table.

    Raises:
        RefusedError: `ja4-table-malformed`, with the entry and what is wrong in it.
    """
    if len(text.encode()) > JA4_TABLE_SIZE_BYTES_MAX:
        raise _malformed("the file", f"is larger than {JA4_TABLE_SIZE_BYTES_MAX} bytes")
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _malformed("the file", f"is not YAML: {str(error)[:200]}") from error
    top = _mapping(data, "the file", {"version", "generations", "clients"})
    if top.get("version") != 1:
        raise _malformed("the file", "has no version 1")
    generations = tuple(_generation(entry) for entry in _entries(top, "generations"))
    _check_generations(generations)
    families = {generation.code: generation.family for generation in generations}
    clients = tuple(_client(entry, families) for entry in _entries(top, "clients"))
    names = [client.name for client in clients]
    for name in names:
        if names.count(name) > 1:
            raise _malformed(name, "stands twice")
    return Table(generations, clients)


def _entries(top: Mapping[str, object], key: str) -> Sequence[object]:
    entries = top.get(key)
    if not isinstance(entries, list):
        raise _malformed(key, "is no list")
    if len(entries) > JA4_ENTRIES_MAX:
        raise _malformed(key, f"has more than {JA4_ENTRIES_MAX} entries")
    return entries


def _generation(data: object) -> Generation:
    entry = _mapping(data, "a generation", {"code", "family", "first", "last"})
    code = _whole(entry, "code", "a generation", CODE_MAX)
    where = f"generation {code}"
    if "first" not in entry and "last" not in entry:
        return Generation(code, _family(entry, where), 0, 0)
    last = _whole(entry, "last", where, LAST_MAJOR) if "last" in entry else LAST_MAJOR
    return Generation(code, _family(entry, where), _whole(entry, "first", where, LAST_MAJOR), last)


def _check_generations(generations: Sequence[Generation]) -> None:
    for index, one in enumerate(generations):
        if one.first > one.last:
            raise _malformed(f"generation {one.code}", "ends before it begins")
        for other in generations[:index]:
            if one.code == other.code:
                raise _malformed(f"generation {one.code}", "stands twice")
            apart = one.first > other.last or other.first > one.last
            if one.family == other.family and one.first and other.first and not apart:
                raise _malformed(f"generation {one.code}", f"overlaps generation {other.code}")


def _client(data: object, families: Mapping[int, ClientFamily]) -> Client:
    entry = _mapping(data, "a client", _ENTRY_KEYS | _SHAKE_KEYS)
    name = _text(entry, "name", "a client", _NAME)
    family = _family(entry, name)
    generation = _whole(entry, "generation", name, CODE_MAX) if "generation" in entry else 0
    if generation and families.get(generation) != family:
        raise _malformed(name, f"names generation {generation}, which its family does not have")
    only = "ja4" in entry
    if only == bool(_SHAKE_KEYS & entry.keys()):
        raise _malformed(name, "has neither just a JA4 nor a whole handshake")
    return Client(
        name=name,
        family=family,
        generation=generation,
        source=_text(entry, "source", name),
        date=_text(entry, "date", name, _DATE),
        shake=None if only else _shake(entry, name),
        ja4=_text(entry, "ja4", name, _JA4) if only else "",
    )


def _shake(entry: Mapping[str, object], name: str) -> Shake:
    extensions = _codes(entry, "extensions", name)
    plain = [e for e in extensions if not is_grease(e)]
    algorithms = _codes(entry, "signature-algorithms", name)
    if len(set(plain)) != len(plain):
        raise _malformed(name, "lists an extension twice")
    if {PADDING, PRE_SHARED_KEY} & set(plain):
        raise _malformed(name, "lists padding or pre_shared_key, which are no fixed part")
    if len([a for a in algorithms if is_grease(a)]) > 1:
        raise _malformed(name, "has GREASE twice in its signature algorithms")
    protocols = entry.get("alpn", [])
    if not isinstance(protocols, list) or not all(isinstance(p, str) and p for p in protocols):
        raise _malformed(name, "has an `alpn` that is not a list of texts")
    if bool(protocols) != (ALPN in plain):
        raise _malformed(name, "names protocols without the ALPN extension, or the other way")
    tls = _text(entry, "tls", name)
    if tls not in _TLS or (tls == "13") != (SUPPORTED_VERSIONS in plain):
        raise _malformed(name, "has a `tls` that its extensions do not say")
    padding = entry.get("padding", False)
    if not isinstance(padding, bool):
        raise _malformed(name, "has a `padding` that is neither true nor false")
    return Shake(
        tls=tls,
        ciphers=_codes(entry, "ciphers", name),
        extensions=extensions,
        signature_algorithms=algorithms,
        alpn=protocols[0].encode() if protocols else b"",
        padding=padding,
        resumed_without=_lacking(entry, "resumed-without", name, plain),
        http1_without=_lacking(entry, "http1-without", name, plain),
    )


def _lacking(
    entry: Mapping[str, object], key: str, name: str, sent: Sequence[int]
) -> tuple[int, ...]:
    lacking = _codes(entry, key, name) if key in entry else ()
    if not set(lacking) <= set(sent):
        raise _malformed(name, f"has an extension in `{key}` that it never sends")
    return lacking


def _codes(entry: Mapping[str, object], key: str, name: str) -> tuple[int, ...]:
    words = _text(entry, key, name).split()
    if len(words) > JA4_HELLO_LIST_MAX:
        raise _malformed(name, f"has more than {JA4_HELLO_LIST_MAX} {key}")
    for word in words:
        if not _CODE.fullmatch(word):
            raise _malformed(name, f"has {word[:20]!r} among its {key}; it must be 4 hex digits")
    return tuple(ANY_GREASE if word == "grease" else int(word, 16) for word in words)


def _family(entry: Mapping[str, object], where: str) -> ClientFamily:
    word = _text(entry, "family", where)
    try:
        return ClientFamily[word.upper().replace("-", "_")]
    except KeyError:
        raise _malformed(where, f"is of family {word[:40]!r}, which there is not") from None


def _mapping(data: object, where: str, keys: frozenset[str] | set[str]) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise _malformed(where, "is no mapping")
    unknown = [str(key)[:40] for key in data if key not in keys]
    if unknown:
        raise _malformed(where, f"has an unknown key: {unknown[0]!r}")
    return data


def _text(
    entry: Mapping[str, object], key: str, where: str, form: re.Pattern[str] | None = None
) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value or (form and not form.fullmatch(value)):
        raise _malformed(where, f"has no usable `{key}`")
    return value


def _whole(entry: Mapping[str, object], key: str, where: str, most: int) -> int:
    value = entry.get(key)
    if type(value) is not int or not 1 <= value <= most:
        raise _malformed(where, f"has no `{key}` from 1 to {most}")
    return value


def _malformed(where: str, what: str) -> RefusedError:
    return RefusedError(
        "ja4-table-malformed",
        f"The table of known clients cannot be used: {where} {what}.",
        remedy="Fix that entry; docs/fingerprints.md describes its form.",
    )
