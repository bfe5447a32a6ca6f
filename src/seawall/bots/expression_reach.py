"""Whether a condition can ever hold: what never does is a mistake of its author.

The whole condition is looked at for each value that one name can have, with nothing known of the
others: a part of it may then be true, false, or either. So a condition is only said never to hold
when that is sure; that two names exclude each other is not seen. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
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


def told_apart(conditions: Iterable[Expression], name: Name) -> tuple[int, ...]:
    """Values of a number `name`, one for all that no condition can tell apart; rising."""
    parts = [part for each in conditions for part in _parts_of(each, name)]
    if any(part.names() != {name.text} for part in parts):  # compared with another name
        return tuple(range(name.least, name.most + 1))
    first: dict[tuple[bool, ...], int] = {}
    for value in range(name.least, name.most + 1):
        truths = (True in _truths(part, name, value) for part in parts)
        first.setdefault(tuple(truths), value)
    return tuple(first.values())


def _parts_of(condition: Expression, name: Name) -> Iterator[Compare | OneOf]:
    """The comparisons of `name` in a condition, each once."""
    match condition:
        case Every(parts) | Some(parts):
            yield from dict.fromkeys(one for part in parts for one in _parts_of(part, name))
        case Not(part):
            yield from _parts_of(part, name)
        case Compare() | OneOf():
            if name.text in condition.names():
                yield condition
        case _:
            return


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
