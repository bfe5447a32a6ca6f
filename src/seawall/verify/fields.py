"""Structured fields (RFC 8941): the dictionaries and items that signatures are made of.

Strict: whatever the RFC does not allow is refused as a whole, and so is what is over a bound. What
was read is written back in the one canonical form, which is what a signature covers.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NoReturn, TypeAlias

from seawall import limits

_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER: Final = re.compile(r"-?(?:(?P<whole>\d{1,12})\.(?P<part>\d{1,3})(?!\d)|\d{1,15}(?![\d.]))")
_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_TOKEN: Final = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_PARAMETERS_MAX: Final = 16


class Token(str):
    """A bare word, as opposed to a quoted string."""

    __slots__ = ()


Bare: TypeAlias = int | Decimal | str | bytes | bool
Parameters: TypeAlias = Mapping[str, Bare]


@dataclass(frozen=True, slots=True)
class Item:
    """A value with parameters."""

    value: Bare
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class InnerList:
    """Items in parentheses, with parameters of the whole."""

    items: tuple[Item, ...]
    parameters: Parameters


Member: TypeAlias = Item | InnerList


def dictionary(text: str) -> dict[str, Member]:
    """Read a dictionary field.

    Raises:
        ValueError: it is none.
    """
    return _Reader(text).dictionary()


def item(text: str) -> Item:
    """Read a field of one item.

    Raises:
        ValueError: it is none.
    """
    reader = _Reader(text)
    found = reader.item()
    reader.end()
    return found


def serialize(member: Member) -> str:
    """The canonical text of a member of a dictionary."""
    if isinstance(member, Item):
        return serialize_bare(member.value) + serialize_parameters(member.parameters)
    inside = " ".join(serialize(entry) for entry in member.items)
    return f"({inside})" + serialize_parameters(member.parameters)


def serialize_parameters(parameters: Parameters) -> str:
    """`;a=1;b` for parameters in their order."""
    return "".join(
        f";{key}" if value is True else f";{key}={serialize_bare(value)}"
        for key, value in parameters.items()
    )


def serialize_bare(value: Bare) -> str:
    """The canonical text of a value."""
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    if isinstance(value, Decimal):
        whole, _, part = f"{value:.3f}".partition(".")
        return f"{whole}.{part.rstrip('0') or '0'}"
    return str(value)


class _Reader:
    """One pass over one field."""

    def __init__(self, text: str) -> None:
        if len(text) > limits.SIGNATURE_FIELD_SIZE_BYTES_MAX:
            _bad("too long")
        if not text.isascii():
            _bad("not ASCII")
        self._text = text.strip(" ")
        self._at = 0

    def dictionary(self) -> dict[str, Member]:
        """Members by key; a key that stands twice is refused, though the RFC takes the last."""
        members: dict[str, Member] = {}
        while self._at < len(self._text):
            key = self._key()
            if key in members:
                _bad("a member appears twice")
            if self._take("="):
                members[key] = self._member()
            else:
                members[key] = Item(True, self._parameters())  # noqa: FBT003 - the RFC's value
            if len(members) > limits.SIGNATURE_MEMBERS_MAX:
                _bad("too many members")
            self._space(" \t")
            if self._at == len(self._text):
                return members
            if not self._take(","):
                _bad("no comma")
            self._space(" \t")
            if self._at == len(self._text):
                _bad("a comma at the end")
        return members

    def item(self) -> Item:
        value = self._bare()
        return Item(value, self._parameters())

    def end(self) -> None:
        if self._at != len(self._text):
            _bad("more than one item")

    def _member(self) -> Member:
        if not self._take("("):
            return self.item()
        items: list[Item] = []
        while True:
            self._space(" ")
            if self._take(")"):
                return InnerList(tuple(items), self._parameters())
            items.append(self.item())
            if len(items) > limits.SIGNATURE_COMPONENTS_MAX:
                _bad("too many items")
            if self._peek() not in (" ", ")"):
                _bad("no space between items")

    def _parameters(self) -> Parameters:
        found: dict[str, Bare] = {}
        while self._take(";"):
            self._space(" ")
            key = self._key()
            if key in found:
                _bad("a parameter appears twice")
            found[key] = self._bare() if self._take("=") else True
            if len(found) > _PARAMETERS_MAX:
                _bad("too many parameters")
        return found

    def _bare(self) -> Bare:
        start = self._peek()
        if start == '"':
            return re.sub(r"\\(.)", r"\1", self._match(_STRING)[1])
        if start == ":":
            return self._bytes()
        if start == "?":
            word = self._text[self._at : self._at + 2]
            if word not in {"?0", "?1"}:
                _bad("no boolean")
            self._at += 2
            return word == "?1"
        if start.isdigit() or start == "-":
            found = self._match(_NUMBER)
            return int(found[0]) if found["whole"] is None else Decimal(found[0])
        return Token(self._match(_TOKEN)[0])

    def _bytes(self) -> bytes:
        text = self._match(_BYTES)[1]
        try:
            value = base64.b64decode(text, validate=True)
        except binascii.Error:
            _bad("no base64")
        if base64.b64encode(value).decode() != text:
            _bad("no canonical base64")
        return value

    def _key(self) -> str:
        return self._match(_KEY)[0]

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            _bad(f"unexpected text at {self._at}")
        self._at = found.end()
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._at += 1
        return True

    def _space(self, signs: str) -> None:
        while self._peek() and self._peek() in signs:
            self._at += 1


def _bad(why: str) -> NoReturn:
    raise ValueError(f"no structured field: {why}")
