"""Whether a condition can ever hold: what never does is a mistake of its author.

The whole condition is looked at for each value that one name can have, with nothing known of the
others: a part of it may then be true, false, or either. So a condition is only said never to hold
when that is sure; that two names exclude each other is not seen. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from seawall.bots.expression import (
    Compare,
    Every,
    Expression,
    Not,
    OneOf,
    Present,
    Some,
    TextTest,
    Value,
    compared,
    tested,
)
from seawall.bots.expression_names import NAMES, Name, Type
from seawall.bots.kinds import EXEMPT_ROBOTS, exempt

_EITHER: Final = frozenset({True, False})
_ABSENT: Final = None
_TEXT: Final = "\0"
"""Stands for every text that the condition does not write out."""
_NO_PATH: Final = re.compile(r"[?#]")
_PORT: Final = re.compile(r":[0-9]+\Z")
_FLAGS: Final[Mapping[str, tuple[bool, ...]]] = {"true": (True,), "false": (False,)}
Candidate = int | str | bool | None


def never_by(condition: Expression) -> Name | None:
    """The name for whose sake `condition` never holds; None where it may hold."""
    for text in sorted(condition.names()):
        name = NAMES[text]
        if not any(True in _truths(condition, name, one) for one in _values(name, condition)):
            return name
    return None


def turning_points(condition: Expression, name: Name) -> frozenset[int]:
    """Values of a number `name` of which one stands for each that `condition` can tell apart."""
    found = {name.least, name.most}
    for literal in _literals(condition, name):
        found |= {int(literal) + step for step in (-1, 0, 1)}
    if _by_names(condition, name):
        found.update(range(name.least, name.most + 1))
    return frozenset(value for value in found if name.least <= value <= name.most)


def _by_names(condition: Expression, name: Name) -> bool:
    """Whether `name` is compared with another one."""
    match condition:
        case Every(parts) | Some(parts):
            return any(_by_names(part, name) for part in parts)
        case Not(part):
            return _by_names(part, name)
        case Compare(left, _, right):
            return name in (left, right) and isinstance(left, Name) and isinstance(right, Name)
        case _:
            return False


def _values(name: Name, condition: Expression) -> Iterator[Candidate]:
    """All that the name can be, as far as this condition can tell it apart."""
    literals = set(_literals(condition, name))
    if name.type is Type.FLAG:
        yield from _FLAGS.get(name.text, (True, False))
    elif name.type is Type.TEXT:
        yield from ("", *(word for word, _ in name.words if not _is_exempt_kind(name, word)))
        if not name.words:
            yield _TEXT
            yield from (one for one in literals if _may_be(name, str(one)))
    elif name.text.startswith("requests_"):
        numbers = {int(one) + step for one in literals for step in (-1, 0, 1)}
        yield from (_ABSENT, *(number for number in numbers | {1} if number >= 1))
    else:
        yield from (_ABSENT, *range(name.least, (name.reach or name.most) + 1))


def _is_exempt_kind(name: Name, word: str) -> bool:
    return name.text == "kind" and EXEMPT_ROBOTS.endswith(f":{word}")


def _may_be(name: Name, text: str, test: str = "equals") -> bool:
    """Whether a text that `name` can have equals, begins with, ends with or holds this one."""
    whole = test == "equals"
    match name.text:
        case "path":
            begins = text[:1] in ("/", "*") or not (whole or test == "starts")
            all_of_it = exempt(text) and exempt(text) != EXEMPT_ROBOTS
            let_through = exempt(text) if whole else all_of_it and test == "starts"
            return begins and not let_through and not _NO_PATH.search(text)
        case "host":
            port = _PORT.search(text) if whole or test == "ends" else None
            return text == text.lower() and port is None
        case "method":
            return text == text.upper()
        case _:
            return True


def _literals(condition: Expression, name: Name) -> Iterator[int | str]:
    match condition:
        case Every(parts) | Some(parts):
            for part in parts:
                yield from _literals(part, name)
        case Not(part):
            yield from _literals(part, name)
        case Compare(left, _, right):
            if name in (left, right):
                yield from (one for one in (left, right) if not isinstance(one, Name))
        case OneOf(value, options) if value == name:
            yield from options
        case _:
            return


def _truths(  # noqa: C901, PLR0911 - one for each form
    part: Expression, name: Name, value: Candidate
) -> frozenset[bool]:
    """What `part` may be when `name` is `value`, and nothing is known of other names."""
    match part:
        case Every(parts):
            each = [_truths(one, name, value) for one in parts]
            return _joined(all(True in one for one in each), any(False in one for one in each))
        case Some(parts):
            each = [_truths(one, name, value) for one in parts]
            return _joined(any(True in one for one in each), all(False in one for one in each))
        case Not(one):
            return frozenset(not truth for truth in _truths(one, name, value))
        case Compare(left, op, right):
            if part.names() != {name.text} or left == right:
                return _EITHER
            sides = [value if one == name else one for one in (left, right)]
            return frozenset({compared(_plain(sides[0]), op, _plain(sides[1]))})
        case _ if part.value != name:
            return _EITHER
        case OneOf(_, options):
            return frozenset({value in options})
        case TextTest(_, test, text):
            if value == _TEXT:
                return _EITHER if _may_be(name, text, test) else frozenset({False})
            return frozenset({tested(str(value), test, text)})
        case Present():
            return frozenset({value is not None and value is not False and value != ""})


def _plain(value: Value | Candidate) -> int | str | bool | None:
    return None if isinstance(value, Name) else value


def _joined(true: bool, false: bool) -> frozenset[bool]:
    return frozenset(truth for truth, may in ((True, true), (False, false)) if may)
