"""Labelled rows, column by column: what is trained on and measured with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from seawall.learn.scoring import Codes, Reals

HUMAN: Final = "human"
TOOL: Final = "tool"
BOT: Final = "bot"
CLASSES: Final = (HUMAN, TOOL, BOT)
"""A tool is a program that says what it is: automated for the model, protected by policy."""

_FAMILY_SHARE_MAX: Final = 2.0
"""What a family may weigh, in median families of its side."""

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Requests with their labels; every column has the same length.

    Attributes:
        features: names of the features that may be trained on, as the database listed them.
        codes: whole vectors, in the order of `seawall.bots.features.FEATURES`.
        label: a class, as its place in `CLASSES`.
        family: a family of clients, as its place in `families`.
        families: names; a family of two classes is two families.
        client: a number for each client; equal numbers are one client.
        ordinal: which request of its client this is, from 1.
        time_s: when, Unix time.
        trust: how far the label is trusted, over 0 to 1.
    """

    features: tuple[str, ...]
    codes: Codes
    label: Places
    family: Places
    families: tuple[str, ...]
    client: Places
    ordinal: Places
    time_s: Reals
    trust: Reals

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def human(self) -> Flags:
        """Which rows are of people."""
        return self.of(HUMAN)

    def of(self, label: str) -> Flags:
        """Which rows are of a class."""
        found: Flags = self.label == CLASSES.index(label)
        return found

    def take(self, chosen: npt.NDArray[Any]) -> "Rows":
        """Some of the rows, by flags or by places."""
        return Rows(
            self.features,
            self.codes[chosen],
            self.label[chosen],
            self.family[chosen],
            self.families,
            self.client[chosen],
            self.ordinal[chosen],
            self.time_s[chosen],
            self.trust[chosen],
        )


def both(one: Rows, other: Rows) -> Rows:
    """Two sets of rows, with the same features and families, as one."""
    return Rows(
        one.features,
        np.concatenate([one.codes, other.codes]),
        np.concatenate([one.label, other.label]),
        np.concatenate([one.family, other.family]),
        one.families,
        np.concatenate([one.client, other.client]),
        np.concatenate([one.ordinal, other.ordinal]),
        np.concatenate([one.time_s, other.time_s]),
        np.concatenate([one.trust, other.trust]),
    )


def weights(rows: Rows) -> Reals:
    """How much each row counts: no family rules its class, and both sides count the same.

    A row begins with the trust in its label. A family whose sum is over twice that of the
    median family of its side is brought down to that. Then people and programs are made to weigh
    the same, so a score means "if half of all requests were of people", on any site.
    """
    found = rows.trust.copy()
    for side in (rows.human, ~rows.human):
        kinds, at = np.unique(rows.family[side], return_inverse=True)
        if not len(kinds):
            continue
        sums = np.bincount(at, weights=found[side])
        bound = _FAMILY_SHARE_MAX * float(np.median(sums))
        found[side] *= np.minimum(1.0, bound / sums)[at]
        found[side] *= len(rows) / 2 / found[side].sum()
    return found


def families_of(label: Sequence[str], family: Sequence[str]) -> tuple[tuple[str, ...], Places]:
    """The names of families, and the place of each row's: by class and name, sorted."""
    pairs = [
        name if kind == BOT else f"{name} ({kind})"
        for kind, name in zip(label, family, strict=True)
    ]
    names = sorted(set(pairs))
    places = {name: place for place, name in enumerate(names)}
    return tuple(names), np.array([places[pair] for pair in pairs], dtype=np.int64)
