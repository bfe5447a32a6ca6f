"""People whom nobody showed to the trainer: what if the same person came with another browser?

Records hold the people who came. Next month's browser has a handshake that no table knows, a site
over plain HTTP sees no handshake at all, and where a site's images lie elsewhere nobody loads them
here. A model that has seen none of these takes every such person for a program: it learned who was
there, not what a person is. So each training row stands beside copies of itself that differ in
just that, people and programs alike, and a model is accepted only when people who came so would
hardly have been caught. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

import numpy as np

from seawall import limits
from seawall.bots.features import INDEX
from seawall.bots.model import Model
from seawall.learn import scoring
from seawall.learn.accept import STRANGERS, Check
from seawall.learn.rows import Rows, both
from seawall.learn.scoring import Codes

_NO_HANDSHAKE: Final = dict.fromkeys(
    (
        *("tls-version", "tls-sni", "tls-ciphers", "tls-extensions", "tls-alpn", "tls-family"),
        *("tls-generation", "tls-known", "tls-grease", "family-agreement", "generation-gap"),
    ),
    0,
)
_NO_METADATA: Final = dict.fromkeys(
    ("fetch-site", "fetch-mode", "fetch-dest", "fetch-coherence", "priority"), 0
)
_UNKNOWN: Final = {
    **dict.fromkeys(("tls-family", "tls-generation", "tls-grease", "generation-gap"), 0),
    "family-agreement": 2,
}
_NO_HINTS: Final = {"hints-brand": 2, "hints-platform": 0, "hints-mobile": 0}
_ASSETS: Final = ("assets-10s", "assets-60s", "assets-10m")


@dataclass(frozen=True, slots=True)
class Stranger:
    """One way in which a client could have come.

    Attributes:
        changes: feature to the code that it would have shown.
        weight: how much a copy counts beside its original.
    """

    name: str
    changes: Mapping[str, int]
    weight: float

    def codes(self, codes: Codes) -> Codes:
        """Vectors as this stranger would have shown them."""
        changed = codes.copy()
        for feature, code in self.changes.items():
            place = INDEX[feature]
            if feature in _ASSETS:  # a share of nothing stays absent
                changed[:, place] = np.where(codes[:, place] > 0, code, 0)
            else:
                changed[:, place] = code
        return changed


ALL: Final = (
    Stranger("a browser that no table knows", {**_UNKNOWN, "tls-known": 1}, 0.5),
    Stranger("a browser newer than the table", {**_UNKNOWN, "tls-known": 2}, 0.5),
    Stranger("a handshake that a proxy ended", _NO_HANDSHAKE, 0.3),
    Stranger(
        "plain HTTP",
        {
            **_NO_HANDSHAKE,
            **_NO_METADATA,
            **_NO_HINTS,
            "protocol": 1,
            "pseudo-order": 0,
            "te": 0,
            "accept-encoding": 3,
            "connection": 1,
        },
        0.5,
    ),
    Stranger("a browser without fetch metadata", {**_NO_METADATA, **_NO_HINTS}, 0.3),
    Stranger("a site whose images lie elsewhere", dict.fromkeys(_ASSETS, 1), 0.3),
)


def estranged(rows: Rows) -> Rows:
    """The rows again, as every stranger; each copy trusted as far as its kind is likely."""
    copies = [
        replace(rows, codes=stranger.codes(rows.codes), trust=rows.trust * stranger.weight)
        for stranger in ALL
    ]
    return reduce(both, copies)


def check(model: Model, test: Rows, point: int) -> Check:
    """Whether people of the test would be caught if they had come as strangers.

    Args:
        model: the new one.
        test: rows it was not trained on.
        point: scores up to this are caught.
    """
    people = test.codes[test.human]
    if not len(people):
        return Check(STRANGERS, passed=False, words="there are no people in the test")
    told = []
    for stranger in ALL:
        caught = int((scoring.scores(model, stranger.codes(people)) <= point).sum())
        if caught > limits.LEARN_STRANGERS_SHARE_MAX * len(people):
            told.append(f"{stranger.name}: {caught} of {len(people):,} requests")
    if told:
        return Check(STRANGERS, passed=False, words="; ".join(told), new=float(len(told)))
    words = f"none of {len(ALL)} kinds of people that nobody showed would be caught"
    return Check(STRANGERS, passed=True, words=words)
