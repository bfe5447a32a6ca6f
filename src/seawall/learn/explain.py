"""A score in words: what each feature of a vector says, and how far it moved the score. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES, INDEX, Feature, Kind, from_text, to_text
from seawall.bots.model import Model
from seawall.errors import UsageError
from seawall.telemetry.bot_words import FIRST_HEADERS
from seawall.telemetry.bots import parse_verdict

_CASE: Final = re.compile(r"(?:^|[ ,:])(\d+)(?: ([^,]+(?:, [^\d,][^,]*)*))?(?=,|$)")
_ABSENT: Final = "-"
_NO_GAP: Final = 45
_FAMILIES: Final = frozenset({"tls-family", "agent-family"})
_FEATURES: Final = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in a score.

    Attributes:
        moved: log-odds, over 0 towards human.
        words: what the vector says of it.
    """

    feature: str
    code: int
    moved: float
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score and where it comes from; reasons with the largest first."""

    score: int
    margin: float
    vector: str
    reasons: tuple[Reason, ...]


def explain(model: Model, text: str) -> Explanation:
    """Explain the score of a vector, or of a whole field `bots` of an access record.

    Raises:
        UsageError: it holds no vector.
    """
    given = text.strip()
    verdict = parse_verdict(given)
    codes = verdict.codes if verdict else None if given == _ABSENT else _bare(given)
    if codes is None:
        raise UsageError(
            "bot-vector-malformed",
            "That is not a feature vector.",
            remedy="Give the whole field `bots` of an access record, or the vector in it, in "
            "single quotes. Or give - and send it on standard input.",
        )
    reasons = tuple(
        Reason(name, codes[INDEX[name]], moved, words(_FEATURES[name], codes[INDEX[name]]))
        for name, moved in model.reasons(codes).items()
        if moved != 0.0
    )
    return Explanation(model.score(codes), model.margin(codes), to_text(codes), reasons)


def _bare(text: str) -> tuple[int, ...] | None:
    """A vector by itself. Of a request id or a word, most letters are codes that no feature has."""
    codes = from_text(text)
    if codes is None or any(
        code > feature.most for feature, code in zip(FEATURES, codes, strict=False)
    ):
        return None
    return codes


def words(feature: Feature, code: int) -> str:
    """What a code of a feature says."""
    topic = _topic(feature)
    if feature.kind is Kind.FLAG:
        return f"{topic}: {'yes' if code else 'no'}"
    if code == 0:
        return f"{topic}: absent"
    if feature.name == "generation-gap":
        return f"claimed less seen browser generation: {code - _NO_GAP:+d}"
    return f"{topic}: {_value(feature, code)}"


def _value(feature: Feature, code: int) -> str:
    if feature.kind is Kind.SHARE:
        return f"{(code - 1) * 10} %"
    if feature.kind is Kind.BUCKET:
        least = math.ceil(2 ** ((code - 1) / 4))
        most = max(least, math.ceil(2 ** (code / 4)) - 1)
        return str(least) if least == most else f"{least} to {most}"
    if feature.name == "accept-language":
        return "any" if code == 1 else f"{code - 1} languages"
    if feature.name == "order-first":
        return FIRST_HEADERS.get(code, "another")
    if feature.name in _FAMILIES:
        return _family(code)
    return cases(feature).get(code, str(code))


def cases(feature: Feature) -> Mapping[int, str]:
    """The cases that a meaning lists, such as `1 none, 2 h1`."""
    if feature.kind is not Kind.CODE:
        return {}
    found = {int(code): text.strip() or "other" for code, text in _CASE.findall(feature.meaning)}
    return found if 1 in found else {}


def _topic(feature: Feature) -> str:
    """What the feature is about: its meaning up to the cases, or its name."""
    if not cases(feature):
        return feature.meaning
    head, colon, _ = feature.meaning.partition(": ")
    return head if colon and not head[0].isdigit() else feature.name.replace("-", " ")


def _family(code: int) -> str:
    try:
        return ClientFamily(code).name.lower().replace("_", " ")
    except ValueError:
        return str(code)
