"""What a condition may ask of a request: the names of the rule language, and their values.

`Facts` is what is known of one request. What is absent is None and never a value. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall import limits
from seawall.bots.families import ClientFamily
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, Kind
from seawall.bots.kinds import KINDS, kind_of
from seawall.model import BOT_PURPOSES, BOT_WINDOWS_S, RouteClass


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one request.

    Attributes:
        path: without the query.
        host: in lower case and without port.
        protocol: `HTTP/1.1`, `HTTP/2` or `HTTP/3`.
        score: 1 to 99; None when absent.
        codes: the feature vector; empty when it is absent.
        verified: name of the bot that the client is proven to be, or empty.
        impostor: name of the bot that the client is proven not to be, or empty.
        claims: name of the known bot that the client says it is, or empty.
        category: of the bot that the client names, true or not.
        cleared: level of its clearance, 0 without one.
        private: it came by a socket of the node itself, as its own probes do.
        accept: header of the request; records do not hold it, so that it is empty there.
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
    accept: str = ""
    private: bool = False

    @property
    def kind(self) -> str:
        """One of `seawall.bots.kinds.KINDS`."""
        return kind_of(self.path, self.method, self.route_class, self.codes, self.accept)


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
        reach: the largest number that it ever has, where `most` allows more; 0 as `most`.
        scale: what its numbers stand for, where they are not what they count; one sentence.
    """

    text: str
    type: Type
    meaning: str
    lua: str
    words: tuple[tuple[str, int], ...] = ()
    least: int = 0
    most: int = 0
    reach: int = 0
    scale: str = ""


_FAMILIES: Final = tuple((f.name.lower().replace("_", "-"), f.value) for f in ClientFamily)
_PROTOCOLS: Final = ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")
_PURPOSES: Final = tuple(purpose.value for purpose in BOT_PURPOSES)
WINDOW_NAMES: Final = ("10s", "60s", "10m")
"""`BOT_WINDOWS_S` as people write them."""
_REQUESTS: Final = "requests_"


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
            f"{_REQUESTS}{short}",
            Type.NUMBER,
            f"requests of this client in the last {seconds} seconds, this one included",
            f'N(s,"r{seconds}")',
            most=limits.BOT_EXPRESSION_NUMBER_MAX,
        )
        for short, seconds in zip(WINDOW_NAMES, BOT_WINDOWS_S, strict=True)
    ),
    _text("path", "path without the query"),
    _text("method", "method, such as `GET`"),
    _text("host", "host asked for, in lower case and without port"),
    _text("route_class", "class of the route", tuple(c.value for c in RouteClass)),
    _text("protocol", "protocol of the request", _PROTOCOLS),
    _text("verified", "bot that the client is proven to be, or empty"),
    _text("impostor", "bot that the client is proven not to be, or empty"),
    _text("claims", "known bot that the client says it is, or empty"),
    _text("category", "category of the bot that the client says it is", _PURPOSES),
    Name("kind", Type.TEXT, "kind of the request", "K(s)", _words(KINDS)),
)
_SCALES: Final = {
    Kind.BUCKET: (
        ", by size",
        "A size n counts as 1 + 4 * log2(n): 9 is 4, 17 is 16, 33 is 256.",
    ),
    Kind.SHARE: (", in tenths", "Tenths count from 1: 1 is none, 6 is half, 11 is all."),
}
"""How a feature that is no plain number or case is written: words, and an example."""
_OWN_NAMES: Final = frozenset(name.text for name in _OWN)
_FEATURE_NAMES: Final = tuple(
    Name(
        feature.name.replace("-", "_"),
        Type.CODE,
        feature.meaning + _SCALES.get(feature.kind, ("",))[0],
        f"C(s,{INDEX[feature.name] + 1})",
        _FAMILIES if feature.name in ("agent-family", "tls-family") else (),
        least=1,
        most=CODE_MAX,
        reach=feature.most,
        scale=_SCALES.get(feature.kind, ("", ""))[1],
    )
    for feature in FEATURES
    if feature.name.replace("-", "_") not in _OWN_NAMES
)
NAMES: Final[Mapping[str, Name]] = {name.text: name for name in (*_OWN, *_FEATURE_NAMES)}
"""Every name; what a request has by its own name (`method`, `requests_10s`) hides its code."""


def value_of(name: Name, facts: Facts) -> int | str | bool | None:
    """The value of a name; None when it is absent."""
    if name.type is Type.CODE:
        index = INDEX[name.text.replace("_", "-")]
        return (facts.codes[index] if index < len(facts.codes) else 0) or None
    if name.text.startswith(_REQUESTS):
        return facts.requests[WINDOW_NAMES.index(name.text.removeprefix(_REQUESTS))]
    if name.type is Type.FLAG:
        return name.text == "true" or (name.text == "has_score" and _score(facts) is not None)
    if name.text == "score":
        return _score(facts)
    found: int | str = getattr(facts, name.text)
    return found


def _score(facts: Facts) -> int | None:
    """A verified bot has no score: it is known who it is."""
    return None if facts.verified else facts.score
