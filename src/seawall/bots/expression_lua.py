"""A condition as Lua source, one line, for `bots/lua/policy.lua`.

The line uses only the helpers that `policy.lua` gives it: `T` text, `N` number, `S` score, `L`
level, `C` code, `K` kind, and `eq ne lt le gt ge`, `starts ends holds`. Texts of a site file stand
in it only as literals in which every byte that is not a plain letter, digit or one of a few signs
is written by its number, so none can end its literal.
"""

from typing import Final

from seawall.bots.expression import (
    Compare,
    Every,
    Expression,
    Name,
    Not,
    OneOf,
    Present,
    Some,
    TextTest,
    Type,
    Value,
)
from seawall.errors import assert_never

_PLAIN: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./_-:*+,;=@"
)
_OPERATORS: Final = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def lua(expression: Expression) -> str:
    """`expression` as a Lua expression that is true or false."""
    match expression:
        case Every(parts):
            return "(" + " and ".join(lua(part) for part in parts) + ")"
        case Some(parts):
            return "(" + " or ".join(lua(part) for part in parts) + ")"
        case Not(part):
            return f"(not {lua(part)})"
        case Compare(left, op, right):
            return f"{_OPERATORS[op]}({_value(left)},{_value(right)})"
        case OneOf(value, options):
            keys = ",".join(f"[{_value(option)}]=true" for option in options)
            return f"(({{{keys}}})[{value.lua}]==true)"
        case TextTest(value, test, part):
            return f"{test}({value.lua},{quote(part)})"
        case Present(value):
            return _present(value)
    assert_never(expression)


def quote(text: str) -> str:
    """`text` as a Lua string literal of UTF-8 bytes."""
    body = "".join(chr(b) if b in _PLAIN else f"\\{b:03d}" for b in text.encode())
    return f'"{body}"'


def _value(value: Value) -> str:
    if isinstance(value, Name):
        return value.lua
    return quote(value) if isinstance(value, str) else str(value)


def _present(value: Name) -> str:
    if value.type is Type.FLAG:
        return value.lua
    return f'({value.lua}~="")' if value.type is Type.TEXT else f"({value.lua}~=false)"
