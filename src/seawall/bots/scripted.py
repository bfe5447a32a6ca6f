"""The models as they stand in the compiled Lua text: read back, and scored by the same arithmetic.

What Envoy will run is the text, not the file that it was made from. The gate judges the text: which
model is in it, that its golden vectors come out, and what it gives for recent requests. Reads only
what `seawall.bots.script` writes; anything else is None. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from seawall.bots.features import from_text
from seawall.bots.model import CUTS, Golden, score_of

_ENTRY: Final = r'\["[a-z]+"\]="(?:[^"\\]|\\[0-9]{3})*"'
_ENTRIES: Final = rf"\{{({_ENTRY}(?:,{_ENTRY})*)\}}"
_MODEL: Final = re.compile(rf'\["model"\]={_ENTRIES}')
_SHADOW: Final = re.compile(rf',\["shadow"\]={_ENTRIES}')
_PAIR: Final = re.compile(r'\["([a-z]+)"\]="((?:[^"\\]|\\[0-9]{3})*)"')
_ESCAPE: Final = re.compile(r"\\([0-9]{3})")
_CONFIG: Final = "\nlocal config = "
_TEXTS_REMEMBERED: Final = 4


@dataclass(frozen=True)
class ScriptedModel:
    """The trees of a compiled model in flat lists, as `model.lua` holds them.

    Attributes:
        id: first 8 hex digits of the digest of the model's file.
        name: for people; empty when the text does not tell it.
        roots: of each tree: a node, or `-1 - leaf`.
        feature: place in a vector, of each node.
    """

    id: str
    name: str
    base: float
    roots: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaf: tuple[float, ...]
    cuts: tuple[float, ...]
    golden: tuple[Golden, ...]

    @property
    def title(self) -> str:
        """For people: the name where it is known, and the id."""
        return f"{self.name} ({self.id})" if self.name else self.id

    def margin(self, codes: Sequence[int]) -> float:
        """Log-odds of human for a whole vector of codes."""
        total = self.base
        feature, threshold, left, right = self.feature, self.threshold, self.left, self.right
        for root in self.roots:
            node = root
            while node >= 0:
                small = codes[feature[node]] <= threshold[node]
                node = left[node] if small else right[node]
            total += self.leaf[-1 - node]
        return total

    def score(self, codes: Sequence[int]) -> int:
        """1 (automated) to 99 (human) for a whole vector of codes."""
        return score_of(self.margin(codes), self.cuts)

    def wrong_golden(self) -> str:
        """The first golden vector that does not come out, in words; empty when all do."""
        for number, golden in enumerate(self.golden):
            codes = from_text(golden.vector)
            if codes is None:
                return f"golden vector {number} is not a valid vector"
            if (found := self.score(codes)) != golden.score:
                return f"golden vector {number} scores {found}, not {golden.score}"
        return ""


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def scripted_model(text: str) -> ScriptedModel | None:
    """The model in a compiled filter; None when there is none, or it is not one that we write."""
    return _read(_MODEL, text)


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def scripted_shadow(text: str) -> ScriptedModel | None:
    """The shadow in a compiled filter, likewise."""
    return _read(_SHADOW, text)


def without_shadow(text: str) -> str:
    """A compiled filter as it were without its shadow."""
    begin = max(0, text.rfind(_CONFIG))
    return text[:begin] + _SHADOW.sub("", text[begin:], count=1)


def _read(wanted: re.Pattern[str], text: str) -> ScriptedModel | None:
    found = wanted.search(text, max(0, text.rfind(_CONFIG)))
    if found is None:
        return None
    values = {name: _unescaped(value) for name, value in _PAIR.findall(found[1])}
    try:
        return _model(values)
    except (KeyError, ValueError, IndexError):
        return None


def _model(values: Mapping[str, str]) -> ScriptedModel | None:
    places = _whole(values["places"])
    model = ScriptedModel(
        id=values["id"],
        name=values.get("name", ""),
        base=float(values["base"]),
        roots=_whole(values["roots"]),
        feature=tuple(places[index] for index in _whole(values["feature"])),
        threshold=_whole(values["threshold"]),
        left=_whole(values["left"]),
        right=_whole(values["right"]),
        leaf=tuple(float(word) for word in values["leaf"].split()),
        cuts=tuple(float(word) for word in values["cuts"].split()),
        golden=tuple(_golden(line) for line in values["golden"].splitlines()),
    )
    return model if _walks_end(model) and len(model.cuts) == CUTS else None


def _walks_end(model: ScriptedModel) -> bool:
    """Whether every walk stays within the lists and goes on, so that scoring always ends."""
    nodes, leaves = len(model.feature), len(model.leaf)
    lists = (model.threshold, model.left, model.right)
    return (
        all(len(each) == nodes for each in lists)
        and all(-leaves <= root < nodes for root in model.roots)
        and all(
            -leaves <= child < nodes and (child < 0 or child > node)
            for node in range(nodes)
            for child in (model.left[node], model.right[node])
        )
    )


def _golden(line: str) -> Golden:
    score, _, vector = line.partition(" ")
    return Golden(vector, int(score))


def _whole(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1])), text)
