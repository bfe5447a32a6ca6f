"""The language of bot rules: conditions over signals, checked when they are written.

`parse` (in `expression_parse`) makes an `Expression` of text; `evaluate` says whether it holds, and
`lua` writes the same as Lua for Envoy. What is absent is never a value: every comparison with it is
false, also `!=`. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES, INDEX
from seawall.bots.kinds import KINDS, kind_of
from seawall.errors import assert_never
from seawall.model import BOT_WINDOWS_S, BotCategory, RouteClass


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one request.

    Attributes:
        path: without the query.
        protocol: `HTTP/1.1`, `HTTP/2` or `HTTP/3`.
        score: 1 to 99; None when absent.
        codes: the feature vector; empty when it is absent.
        verified: name of the bot that the client is proven to be, or empty.
        impostor: name of the bot that the client is proven not to be, or empty.
        claims: name of the known bot that the client says it is, or empty.
        category: of the bot that the client names, true or not.
        cleared: level of its clearance, 0 without one.
        requests: of this client in each of `BOT_WINDOWS_S`, None where it is not known.
    """

    path: str = "/"
    method: str = "GET"
    host: str = ""
    route_class: str = "page"
    protocol: str = ""
    score: int | None = None
    codes: tuple[int, ...] = ()
    verified: str = ""
    impostor: str = ""
    claims: str = ""
    category: str = ""
    cleared: int = 0
    requests: tuple[int | None, int | None, int | None] = (None, None, None)

    @property
    def kind(self) -> str:
        """One of `seawall.bots.kinds.KINDS`."""
        return kind_of(self.path, self.method, self.route_class, self.codes)


class Type(StrEnum):
    """What a name stands for."""

    NUMBER = "number"
    CODE = "code"
    """A feature: a number of which 0 means absent."""
    TEXT = "text"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Name:
    """A name that a condition may use.

    Attributes:
        meaning: for people.
        lua: expression of its value in Lua; false where it is absent.
        words: what a text is compared with, and for a code the number that a word stands for.
        least: smallest number it is sensibly compared with.
        most: largest number.
    """

    text: str
    type: Type
    meaning: str
    lua: str
    words: tuple[tuple[str, int], ...] = ()
    least: int = 0
    most: int = 0


_FAMILIES: Final = tuple((f.name.lower().replace("_", "-"), f.value) for f in ClientFamily)
_PROTOCOLS: Final = ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")
_PURPOSES: Final = tuple(
    c.value for c in BotCategory if c not in (BotCategory.IMPOSTOR, BotCategory.UNVERIFIED)
)
WINDOW_NAMES: Final = ("10s", "60s", "10m")
"""`BOT_WINDOWS_S` as people write them."""
COUNT_MAX: Final = 1_000_000_000


def _words(words: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((word, 0) for word in words)


def _text(name: str, meaning: str, words: tuple[str, ...] = ()) -> Name:
    return Name(name, Type.TEXT, meaning, f'T(s,"{name}")', _words(words))


_OWN: Final = (
    Name("true", Type.FLAG, "always", "true"),
    Name("false", Type.FLAG, "never", "false"),
    Name("has_score", Type.FLAG, "there is a score", "(S(s)~=false)"),
    Name("score", Type.NUMBER, "1 automated to 99 human", "S(s)", least=1, most=99),
    Name("cleared", Type.NUMBER, "level of the clearance, 0 to 3", "L(s)", least=0, most=3),
    *(
        Name(
            f"requests_{short}",
            Type.NUMBER,
            f"requests of this client in the last {seconds} seconds, this one included",
            f'N(s,"r{seconds}")',
            most=COUNT_MAX,
        )
        for short, seconds in zip(WINDOW_NAMES, BOT_WINDOWS_S, strict=True)
    ),
    _text("path", "path without the query"),
    _text("method", "method, such as `GET`"),
    _text("host", "host asked for"),
    _text("route_class", "class of the route", tuple(c.value for c in RouteClass)),
    _text("protocol", "protocol of the request", _PROTOCOLS),
    _text("verified", "bot that the client is proven to be, or empty"),
    _text("impostor", "bot that the client is proven not to be, or empty"),
    _text("claims", "known bot that the client says it is, or empty"),
    _text("category", "category of the bot that the client says it is", _PURPOSES),
    Name("kind", Type.TEXT, "kind of the request", "K(s)", _words(KINDS)),
)
_OWN_NAMES: Final = frozenset(name.text for name in _OWN)
_FEATURE_NAMES: Final = tuple(
    Name(
        feature.name.replace("-", "_"),
        Type.CODE,
        feature.meaning,
        f"C(s,{INDEX[feature.name] + 1})",
        _FAMILIES if feature.name in ("agent-family", "tls-family") else (),
        least=1,
        most=90,
    )
    for feature in FEATURES
    if feature.name.replace("-", "_") not in _OWN_NAMES
)
NAMES: Final[Mapping[str, Name]] = {name.text: name for name in (*_OWN, *_FEATURE_NAMES)}
"""Every name; what a request has by its own name (`method`, `requests_10s`) hides its code."""

Value = Name | int | str
"""An operand: a name, or a literal."""


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`; `op` is a comparison of Python."""

    left: Value
    op: str
    right: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of `options`, all numbers or all texts."""

    value: Name
    options: tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextTest:
    """The text of `value` begins (`starts`), ends (`ends`) or holds (`holds`) `part`."""

    value: Name
    test: str
    part: str


@dataclass(frozen=True, slots=True)
class Present:
    """The value is there: a number that is known, a text that is not empty, a flag that is set."""

    value: Name


Expression = Every | Some | Not | Compare | OneOf | TextTest | Present
ALWAYS: Final = Present(NAMES["true"])


def evaluate(expression: Expression, facts: Facts) -> bool:
    """Whether `expression` holds for a request."""
    match expression:
        case Every(parts):
            return all(evaluate(part, facts) for part in parts)
        case Some(parts):
            return any(evaluate(part, facts) for part in parts)
        case Not(part):
            return not evaluate(part, facts)
        case Compare(left, op, right):
            return _compares(value_of(left, facts), op, value_of(right, facts))
        case OneOf(value, options):
            return value_of(value, facts) in options
        case TextTest(value, test, part):
            return _tests(str(value_of(value, facts)), test, part)
        case Present(value):
            return value_of(value, facts) not in (None, "", False)
    assert_never(expression)


def value_of(value: Value, facts: Facts) -> int | str | bool | None:
    """The value of an operand; None when it is absent."""
    if not isinstance(value, Name):
        return value
    match value.text:
        case "true":
            return True
        case "false":
            return False
        case "has_score":
            return _score(facts) is not None
        case "score":
            return _score(facts)
    if value.text.startswith("requests_"):
        return facts.requests[WINDOW_NAMES.index(value.text.removeprefix("requests_"))]
    if value.type is Type.CODE:
        index = INDEX[value.text.replace("_", "-")]
        return (facts.codes[index] if index < len(facts.codes) else 0) or None
    found: int | str = getattr(facts, value.text)
    return found


def _score(facts: Facts) -> int | None:
    """A verified bot has no score: it is known who it is."""
    return None if facts.verified else facts.score


def _compares(left: int | str | bool | None, op: str, right: int | str | bool | None) -> bool:
    if left is None or right is None:
        return False
    if isinstance(left, str) or isinstance(right, str):
        return (left == right) is (op == "==")
    return {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[op]


def _tests(text: str, test: str, part: str) -> bool:
    if test == "starts":
        return text.startswith(part)
    return text.endswith(part) if test == "ends" else part in text


def names_in(expression: Expression) -> frozenset[str]:
    """The names that `expression` uses."""
    match expression:
        case Every(parts) | Some(parts):
            return frozenset().union(*(names_in(part) for part in parts))
        case Not(part):
            return names_in(part)
        case Compare(left, _, right):
            return frozenset(v.text for v in (left, right) if isinstance(v, Name))
        case OneOf(value) | TextTest(value) | Present(value):
            return frozenset({value.text})
    assert_never(expression)
