"""From text to a condition: Python's own parser, then a short list of what may stand in it.

Nothing is ever executed. What does not fit is a `Fault` with its column and what to write instead.
"""

import ast
import difflib
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from seawall import limits
from seawall.bots.expression import (
    ALWAYS,
    Compare,
    Every,
    Expression,
    Not,
    OneOf,
    Present,
    Some,
    TextTest,
    Value,
)
from seawall.bots.expression_names import NAMES, Name, Type

_ABSENT: Final = "absent"
_OPERATORS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_METHODS: Final = {"startswith": "starts", "endswith": "ends"}
_REFUSED: Final = re.compile(r"[^\x20-\x7e]|[\\#]")
_SPACES: Final = str.maketrans("\n\r\t", "   ")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a condition.

    Attributes:
        column: of the mistake in the text, from 1.
        what: one sentence.
        remedy: what to write instead.
    """

    column: int
    what: str
    remedy: str


class _FaultyError(Exception):
    def __init__(self, column: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.fault = Fault(column, what, remedy)


def parse(text: str) -> Expression | Fault:  # noqa: PLR0911 - one for each fault
    """The condition that `text` writes; an empty one always holds."""
    if len(text) > limits.BOT_EXPRESSION_LENGTH_CHARS_MAX:
        bound = f"{limits.BOT_EXPRESSION_LENGTH_CHARS_MAX:,}"
        what = f"The condition has {len(text):,} characters; at most {bound} are allowed."
        return Fault(1, what, "Make several rules of it.")
    flat = text.translate(_SPACES)
    if not flat.strip():
        return ALWAYS
    if found := _REFUSED.search(flat):
        return _strange(found)
    start = len(flat) - len(flat.lstrip(" "))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how numbers are written
            tree = ast.parse(flat[start:], mode="eval").body
        return _Reader(start).condition(tree, 0)
    except _FaultyError as error:
        return error.fault
    except SyntaxError as error:
        column = min(max((error.offset or 1) + start, 1), len(flat) + 1)
        return Fault(column, "This is not a condition.", _hint(flat))
    except (ValueError, RecursionError, MemoryError):
        return Fault(1, "The condition cannot be read.", "Write it shorter, in plain characters.")


def _strange(found: re.Match[str]) -> Fault:
    """A character that no condition has; `#` would swallow what YAML folded onto its line."""
    letter = found[0]
    remedy = "Leave it out; no path or name has it."
    if letter.isprintable() and not letter.isascii():
        remedy = f"Write it as requests do: `{quote(letter)}`."
    shown = letter if letter.isprintable() else f"U+{ord(letter):04X}"
    return Fault(found.start() + 1, f"`{shown}` is not allowed in a condition.", remedy)


def _hint(text: str) -> str:
    if "&&" in text or "||" in text:
        return "Write `and` and `or`."
    if "!" in text.replace("!=", ""):
        return "Write `not`."
    return 'Write it as `score <= 10 and path.startswith("/login")`.'


class _Reader:
    """Reads one syntax tree, and counts its parts."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._parts = 0

    def condition(  # noqa: PLR0911 - one for each form
        self, node: ast.expr, depth: int
    ) -> Expression:
        """What may be true or false."""
        self._count(node, depth)
        match node:
            case ast.BoolOp(ast.And(), values):
                return Every(tuple(self.condition(value, depth + 1) for value in values))
            case ast.BoolOp(_, values):
                return Some(tuple(self.condition(value, depth + 1) for value in values))
            case ast.UnaryOp(ast.Not(), operand):
                return Not(self.condition(operand, depth + 1))
            case ast.Compare(left, ops, comparators):
                return self._comparison(node, left, ops, comparators)
            case ast.Call():
                return self._call(node)
            case ast.Name():
                return self._bare(node)
            case ast.Constant(bool(value)):
                return Present(NAMES[str(value).lower()])
            case _:
                remedy = 'Write it as `score <= 10` or `path == "/"`.'
                raise self._no(node, "This is not a condition.", remedy)

    def _comparison(
        self,
        node: ast.expr,
        left: ast.expr,
        ops: list[ast.cmpop],
        comparators: list[ast.expr],
    ) -> Expression:
        special = next((op for op in ops if type(op) not in _OPERATORS), None)
        if special is not None:
            if len(ops) > 1:
                raise self._no(
                    node, "`in` and `is` cannot be chained.", "Join two conditions by `and`."
                )
            return self._special(special, left, comparators[0])
        operands = [left, *comparators]
        pairs = [
            self._pair(one, _OPERATORS[type(op)], other)
            for one, op, other in zip(operands, ops, operands[1:], strict=False)
        ]
        return pairs[0] if len(pairs) == 1 else Every(tuple(pairs))

    def _special(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Expression:
        match op:
            case ast.Is() | ast.IsNot():
                present = self._absence(left, right)
                return Not(present) if isinstance(op, ast.Is) else present
            case _:
                found = self._membership(left, right)
                return Not(found) if isinstance(op, ast.NotIn) else found

    def _absence(self, left: ast.expr, right: ast.expr) -> Present:
        if not isinstance(right, ast.Name) or right.id != _ABSENT:
            what = "Only `absent` may follow `is`."
            remedy = f"Write `{self._name(left).text} is absent`, or use `==`."
            raise self._no(right, what, remedy)
        name = self._name(left)
        if name.type is Type.FLAG or name.text == "cleared":
            raise self._no(left, f"`{name.text}` is never absent.", f"Write `not {name.text}`.")
        return Present(name)

    def _membership(self, left: ast.expr, right: ast.expr) -> Expression:
        """`value in [..]`, or `"text" in path`."""
        if isinstance(right, ast.Name):
            name = self._text_name(right)
            return TextTest(name, "holds", self._part(left))
        if not isinstance(right, ast.List | ast.Tuple):
            raise self._no(right, "A list must follow `in`.", 'Write `method in ["GET", "HEAD"]`.')
        name = self._name(left)
        if not right.elts:
            raise self._no(right, "The list is empty.", "Write what the value may be.")
        options = [self._literal(element) for element in right.elts]
        fitted = [
            self._fitted(name, option, element)
            for option, element in zip(options, right.elts, strict=True)
        ]
        numbers = tuple(option for option in fitted if isinstance(option, int))
        texts = tuple(option for option in fitted if isinstance(option, str))
        return OneOf(name, numbers or texts)

    def _call(self, node: ast.Call) -> Expression:
        function = node.func
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
            raise self._no(node, "There are no functions here.", 'Write `path.startswith("/a")`.')
        name = self._text_name(function.value)
        if function.attr == "contains":
            raise self._no(node, "There is no `contains`.", f'Write `"text" in {name.text}`.')
        if function.attr not in _METHODS:
            near = _near(function.attr, _METHODS) or "Use `startswith`, `endswith` or `in`."
            raise self._no(node, f"`{function.attr[:40]}` is not known here.", near)
        if len(node.args) != 1 or node.keywords:
            raise self._no(
                node, f"`{function.attr}` takes one text.", 'Write `path.startswith("/a")`.'
            )
        return TextTest(name, _METHODS[function.attr], self._part(node.args[0]))

    def _bare(self, node: ast.Name) -> Expression:
        name = self._name(node)
        if name.text == "cleared":
            return Compare(name, ">", 0)
        if name.type is Type.NUMBER:
            remedy = f"Compare it: `{name.text} <= 10`, or write `{name.text} is not absent`."
            raise self._no(node, f"`{name.text}` is a number and no condition.", remedy)
        return Present(name)

    def _pair(self, left: ast.expr, op: str, right: ast.expr) -> Expression:
        self._no_absence(left, op, right)
        self._no_absence(right, op, left)
        one, other = self._operand(left), self._operand(right)
        if isinstance(one, Name) and not isinstance(other, Name):
            other = self._fitted(one, other, right)
        elif isinstance(other, Name) and not isinstance(one, Name):
            one = self._fitted(other, one, left)
        elif not isinstance(one, Name) or not isinstance(other, Name):
            raise self._no(left, "Two fixed values are compared.", "Write a name on one side.")
        else:
            self._same_type(one, other, right)
        is_text = isinstance(one, str) or (isinstance(one, Name) and one.type is Type.TEXT)
        if is_text and op not in ("==", "!="):
            raise self._no(left, f"Texts cannot be compared by `{op}`.", "Use `==` or `!=`.")
        return Compare(one, op, other)

    def _no_absence(self, node: ast.expr, op: str, other: ast.expr) -> None:
        """Refuse `absent` as a side of a comparison."""
        if isinstance(node, ast.Name) and node.id == _ABSENT:
            words = "is absent" if op == "==" else "is not absent"
            remedy = f"Write `{self._absence(other, node).value.text} {words}`."
            raise self._no(
                node, f"`absent` is not a value, so `{op}` cannot compare with it.", remedy
            )

    def _operand(self, node: ast.expr) -> Value:
        return self._name(node) if isinstance(node, ast.Name) else self._literal(node)

    def _same_type(self, one: Name, other: Name, node: ast.expr) -> None:
        for name in (one, other):
            if name.type is Type.FLAG:
                raise self._flag(name, node)
        if (one.type is Type.TEXT) != (other.type is Type.TEXT):
            what = f"`{one.text}` and `{other.text}` cannot be compared."
            raise self._no(node, what, "Compare numbers with numbers, texts with texts.")

    def _flag(self, name: Name, node: ast.expr) -> _FaultyError:
        what = f"`{name.text}` is true or false."
        return self._no(node, what, f"Write `{name.text}` or `not {name.text}`.")

    def _fitted(self, name: Name, literal: int | str, node: ast.expr) -> int | str:
        """`literal` as what `name` is compared with."""
        if name.type is Type.FLAG:
            raise self._flag(name, node)
        words = dict(name.words)
        if isinstance(literal, str):
            if words and literal not in words:
                what = f"`{name.text}` is never `{literal[:40]}`."
                raise self._no(node, what, _near(literal, words) or _known(words))
            if name.type is Type.TEXT:
                return literal
            if words:
                return words[literal]
            raise self._no(node, f"`{name.text}` is a number.", "Compare it with a number.")
        if name.type is Type.TEXT:
            raise self._no(node, f"`{name.text}` is text.", f'Write it in quotes: `"{literal}"`.')
        if not name.least <= literal <= name.most:
            what = f"`{name.text}` is {name.least:,} to {name.most:,}, and never {literal:,}."
            remedy = f"Write `{name.text} is absent`." if literal == 0 else "Compare within that."
            raise self._no(node, what, remedy)
        return literal

    def _name(self, node: ast.expr) -> Name:
        if not isinstance(node, ast.Name):
            raise self._no(
                node, "Here a name is needed.", 'Write it as `score <= 10` or `path == "/"`.'
            )
        known = NAMES.get(node.id)
        if known is None:
            near = _near(node.id.lower(), NAMES) or "docs/bot-policy.md lists all names."
            near = "Write `score is absent`." if node.id == _ABSENT else near
            raise self._no(node, f"`{node.id[:40]}` is not known here.", near)
        return known

    def _text_name(self, node: ast.Name) -> Name:
        name = self._name(node)
        if name.type is not Type.TEXT:
            raise self._no(node, f"`{name.text}` is not text.", "Compare it with a number.")
        return name

    def _literal(self, node: ast.expr) -> int | str:
        self._count(node, 0)
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str):
            return self._checked(value, node)
        if isinstance(value, bool) or not isinstance(value, int):
            remedy = 'Write a whole number such as `10`, or a text such as `"GET"`.'
            raise self._no(node, "Here a number or a text is needed.", remedy)
        if not 0 <= value <= limits.BOT_EXPRESSION_NUMBER_MAX:
            bound = f"At most {limits.BOT_EXPRESSION_NUMBER_MAX:,} is allowed."
            raise self._no(node, "The number is too large.", bound)
        return value

    def _part(self, node: ast.expr) -> str:
        value = self._literal(node)
        if not isinstance(value, str) or not value:
            raise self._no(
                node, "Here a text is needed that is not empty.", 'Write it as `"/login"`.'
            )
        return value

    def _checked(self, value: str, node: ast.expr) -> str:
        if len(value) > limits.BOT_EXPRESSION_TEXT_LENGTH_CHARS_MAX:
            bound = f"At most {limits.BOT_EXPRESSION_TEXT_LENGTH_CHARS_MAX} characters are allowed."
            raise self._no(node, "The text is too long.", bound)
        return value

    def _count(self, node: ast.expr, depth: int) -> None:
        self._parts += 1
        if depth > limits.BOT_EXPRESSION_DEPTH_MAX:
            raise self._no(node, "The condition is nested too deeply.", "Make several rules of it.")
        if self._parts > limits.BOT_EXPRESSION_NODES_MAX:
            raise self._no(node, "The condition has too many parts.", "Make several rules of it.")

    def _no(self, node: ast.expr, what: str, remedy: str) -> _FaultyError:
        return _FaultyError(self._start + node.col_offset + 1, what, remedy)


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word[:64], list(known), n=1, cutoff=0.6)
    return f"Did you mean `{near[0]}`?" if near else ""


def _known(words: Iterable[str]) -> str:
    return "Known are " + ", ".join(f"`{word}`" for word in words) + "."
