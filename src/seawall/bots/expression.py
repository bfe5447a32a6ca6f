"""The language of bot rules: conditions over signals, checked when they are written.

`parse` (in `expression_parse`) makes an `Expression` of text. Each part says whether it holds for a
request, and writes the same as Lua for Envoy. What is absent is never a value: every comparison
with it is false, also `!=`. Pure.

The Lua is one line that uses only the helpers of `bots/lua/policy.lua`: `T` text, `N` number, `S`
score, `L` level, `C` code, `K` kind, `eq ne lt le gt ge` and `starts ends holds`. Texts of a site
file stand in it only as literals in which every byte that is not a plain letter, digit or one of a
few signs is written by its number, so none can end its literal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from seawall.bots.expression_names import NAMES, Facts, Name, Type, value_of

_PLAIN: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./_-:*+,;=@"
)
_OPERATORS: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool]]]] = {
    "==": ("eq", lambda a, b: a == b),
    "!=": ("ne", lambda a, b: a != b),
    "<": ("lt", lambda a, b: a < b),
    "<=": ("le", lambda a, b: a <= b),
    ">": ("gt", lambda a, b: a > b),
    ">=": ("ge", lambda a, b: a >= b),
}
_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "starts": str.startswith,
    "ends": str.endswith,
    "holds": lambda text, part: part in text,
}
Value = Name | int | str
"""An operand: a name, or a literal."""


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple["Expression", ...]

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        return all(part.holds(facts) for part in self.parts)

    def lua(self) -> str:
        """The same in Lua."""
        return "(" + " and ".join(part.lua() for part in self.parts) + ")"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return frozenset().union(*(part.names() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple["Expression", ...]

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        return any(part.holds(facts) for part in self.parts)

    def lua(self) -> str:
        """The same in Lua."""
        return "(" + " or ".join(part.lua() for part in self.parts) + ")"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return frozenset().union(*(part.names() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Expression"

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        return not self.part.holds(facts)

    def lua(self) -> str:
        """The same in Lua."""
        return f"(not {self.part.lua()})"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return self.part.names()


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`; `op` is a comparison of Python."""

    left: Value
    op: str
    right: Value

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        return compared(_known(self.left, facts), self.op, _known(self.right, facts))

    def lua(self) -> str:
        """The same in Lua."""
        return f"{_OPERATORS[self.op][0]}({_lua(self.left)},{_lua(self.right)})"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return frozenset(v.text for v in (self.left, self.right) if isinstance(v, Name))


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of `options`, all numbers or all texts."""

    value: Name
    options: tuple[int, ...] | tuple[str, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        return value_of(self.value, facts) in self.options

    def lua(self) -> str:
        """The same in Lua."""
        keys = ",".join(f"[{_lua(option)}]=true" for option in self.options)
        return f"(({{{keys}}})[{self.value.lua}]==true)"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return frozenset({self.value.text})


@dataclass(frozen=True, slots=True)
class TextTest:
    """The text of `value` begins (`starts`), ends (`ends`) or holds (`holds`) `part`."""

    value: Name
    test: str
    part: str

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        return tested(str(value_of(self.value, facts)), self.test, self.part)

    def lua(self) -> str:
        """The same in Lua."""
        return f"{self.test}({self.value.lua},{quote(self.part)})"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return frozenset({self.value.text})


@dataclass(frozen=True, slots=True)
class Present:
    """The value is there: a number that is known, a text that is not empty, a flag that is set."""

    value: Name

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for a request."""
        found = value_of(self.value, facts)
        return found is not None and found is not False and found != ""

    def lua(self) -> str:
        """The same in Lua."""
        if self.value.type is Type.FLAG:
            return self.value.lua
        absent = '""' if self.value.type is Type.TEXT else "false"
        return f"({self.value.lua}~={absent})"

    def names(self) -> frozenset[str]:
        """The names that it uses."""
        return frozenset({self.value.text})


Expression = Every | Some | Not | Compare | OneOf | TextTest | Present
ALWAYS: Final = Present(NAMES["true"])


def compared(left: int | str | bool | None, op: str, right: int | str | bool | None) -> bool:
    """Whether a comparison holds; None is absent."""
    return left is not None and right is not None and _OPERATORS[op][1](left, right)


def tested(text: str, test: str, part: str) -> bool:
    """Whether `text` begins with, ends with or holds `part`."""
    return _TESTS[test](text, part)


def quote(text: str) -> str:
    """`text` as a Lua string literal of UTF-8 bytes."""
    body = "".join(chr(b) if b in _PLAIN else f"\\{b:03d}" for b in text.encode())
    return f'"{body}"'


def _lua(value: Value) -> str:
    if isinstance(value, Name):
        return value.lua
    return quote(value) if isinstance(value, str) else str(value)


def _known(value: Value, facts: Facts) -> int | str | bool | None:
    return value_of(value, facts) if isinstance(value, Name) else value
