"""Did the model learn what people are, or who the few people were that it was shown?

Some features tell which browser somebody uses, not whether it is one. Where all known people use
two browsers on one system, "another system" separates them from programs without an error, in the
test as well, and a first visitor with a third browser is taken for a program. So a model may use
such a feature only where people themselves show several codes of it.

Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from seawall.bots.features import IDENTITY_GROUP, INDEX
from seawall.bots.model import Model
from seawall.errors import UsageError
from seawall.learn.accept import VARIETY, Check
from seawall.learn.rows import Rows

IDENTITY: Final[Mapping[str, int]] = {
    "tls-ciphers": 3,
    "tls-extensions": 3,
    "tls-family": 3,
    "tls-generation": 3,
    "tls-grease": 2,
    "agent-family": 3,
    "agent-major": 3,
    "agent-os": 3,
    "agent-length": 3,
    "pseudo-order": 3,
    "headers": 3,
    "order-agent-accept": 2,
    "order-accept-encoding": 2,
    "order-language-encoding": 2,
    "order-hints-agent": 2,
    "order-fetch-accept": 2,
    "order-first": 3,
    "accept-language": 3,
    "accept-encoding": 2,
    "te": 2,
    "priority": 2,
    "upgrade-insecure": 2,
}
"""Features that tell one browser from another, and how many codes of each people must show."""
_CLIENTS_SHARE: Final = 0.02
"""A code that fewer of the people show does not count."""


def without(features: Sequence[str], left_out: Sequence[str]) -> tuple[str, ...]:
    """The features that are trained on when some are left out, by name or as `identity`.

    Raises:
        UsageError: there is no such feature, or none remains.
    """
    unknown = [name for name in left_out if name not in INDEX and name != IDENTITY_GROUP]
    if unknown:
        raise UsageError(
            "feature-unknown",
            f"There is no feature named {unknown[0][:60]!r}.",
            remedy=f"`seawall bots show` lists the features of a model; {IDENTITY_GROUP} stands "
            "for all that tell browsers apart.",
        )
    gone = set(left_out) | (set(IDENTITY) if IDENTITY_GROUP in left_out else set())
    remaining = tuple(name for name in features if name not in gone)
    if not remaining:
        raise UsageError("features-none", "No feature remains to train on.")
    return remaining


def check(model: Model, rows: Rows) -> Check:
    """Whether people show enough codes of every feature of identity that the model asks for."""
    people = rows.take(rows.human)
    narrow = []
    for name in sorted(_asked(model) & IDENTITY.keys()):
        shown = _codes_shown(people, name)
        if shown < IDENTITY[name]:
            narrow.append(f"{name} ({shown} of {IDENTITY[name]})")
    if not narrow:
        return Check(VARIETY, passed=True, words="people differ in all that tells them apart")
    words = (
        f"it asks for {', '.join(narrow)}, of which people show too few codes; others would be "
        f"taken for programs. Bring other people, or train --without {IDENTITY_GROUP}"
    )
    return Check(VARIETY, passed=False, words=words, new=float(len(narrow)))


def _asked(model: Model) -> set[str]:
    return {model.features[place] for tree in model.trees for place in tree.feature}


def _codes_shown(people: Rows, name: str) -> int:
    """Codes that at least one in fifty of the clients has shown."""
    clients = len(np.unique(people.client))
    pairs = np.unique(np.stack([people.codes[:, INDEX[name]], people.client]), axis=1)
    _, counts = np.unique(pairs[0], return_counts=True)
    return int((counts >= _CLIENTS_SHARE * clients).sum())
