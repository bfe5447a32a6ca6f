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
from seawall.bots.features import CODE_MAX, INDEX
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
    ("fetch-site", "fetch-mode", "fetch-dest", "fetch-coherence", "priority", "arrivals"), 0
)
_UNKNOWN: Final = {
    **dict.fromkeys(("tls-family", "tls-generation", "tls-grease", "generation-gap"), 0),
    "family-agreement": 2,
}
_NO_HINTS: Final = {"hints-brand": 2, "hints-platform": 0, "hints-mobile": 0}
_SPANS: Final = ("10s", "60s", "10m")
_ASSETS: Final = tuple(f"assets-{span}" for span in _SPANS)


@dataclass(frozen=True, slots=True)
class Stranger:
    """One way in which a client could have come.

    Attributes:
        changes: feature to the code that it would have shown.
        weight: how much a copy counts beside its original.
        parts: times as many parts has each page that the client loaded whole.
    """

    name: str
    changes: Mapping[str, int]
    weight: float
    parts: int = 1

    def codes(self, codes: Codes) -> Codes:
        """Vectors as this stranger would have shown them."""
        changed = codes.copy()
        for feature, code in self.changes.items():
            place = INDEX[feature]
            if feature in _ASSETS:  # a share of nothing stays absent
                changed[:, place] = np.where(codes[:, place] > 0, code, 0)
            else:
                changed[:, place] = code
        return _with_parts(changed, self.parts) if self.parts > 1 else changed


def _with_parts(codes: Codes, parts: int) -> Codes:
    """As on a site whose pages have so many times as many images and scripts.

    Who loads them asks more and for more, and more of it is what a page loads; who does not load
    them changes in nothing.
    """
    for span in _SPANS:
        place = INDEX[f"assets-{span}"]
        share = np.maximum(codes[:, place].astype(np.float64) - 1, 0) / 10
        times = 1 + (parts - 1) * share
        more = np.rint(4 * np.log2(times)).astype(np.int64)
        whole = 1 + 10 * parts * share / times
        codes[:, place] = np.where(codes[:, place] > 1, whole, codes[:, place])
        for name in ("requests", "paths"):
            own = INDEX[f"{name}-{span}"]
            codes[:, own] = np.minimum(codes[:, own] + more, CODE_MAX)
    return codes


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
        0.9,
    ),
    Stranger("a browser without fetch metadata", {**_NO_METADATA, **_NO_HINTS}, 0.3),
    Stranger("a site whose pages have ten times as many parts", {}, 0.9, parts=10),
    Stranger("a site whose images lie elsewhere", dict.fromkeys(_ASSETS, 1), 0.9),
    Stranger("a browser with its developer tools open", {"page-probe": 2}, 0.3),
)


def estranged(rows: Rows) -> Rows:
    """The rows again, as every stranger; each copy trusted as far as its kind is likely."""
    copies = [
        replace(rows, codes=stranger.codes(rows.codes), trust=rows.trust * stranger.weight)
        for stranger in ALL
    ]
    return reduce(both, copies)


def check(model: Model, test: Rows, point: int) -> Check:
    """Up to which score people of the test would be spared if they had come as strangers.

    Args:
        model: the new one.
        test: rows it was not trained on.
        point: the operating score; nobody asks for more.
    """
    people = test.codes[test.human]
    if not len(people):
        return Check(STRANGERS, passed=False, words="the test data has no people")
    spared = int(limits.LEARN_STRANGERS_SHARE_MAX * len(people))
    # The lowest score that more than the spared few have is the first that harms.
    harms = {
        each.name: int(np.sort(scoring.scores(model, each.codes(people)))[spared]) for each in ALL
    }
    worst = min(harms, key=lambda name: harms[name])
    safe = min(point, harms[worst] - 1)
    words = (
        f"up to score {safe} at most {limits.LEARN_STRANGERS_SHARE_MAX:.0%} of {len(people):,} "
        f"requests of people would be caught, whichever of {len(ALL)} kinds of strangers they were"
    )
    if safe < point:
        words += f"; above it {worst}"
    enough = safe >= limits.LEARN_STRANGERS_SCORE_MIN
    if not enough:
        words += f", where {limits.LEARN_STRANGERS_SCORE_MIN} is the least"
    return Check(STRANGERS, passed=enough, words=words, new=float(safe))
