"""Which rows are trained on, which tune, which test: by family of clients and by time.

Rows of one client are alike, and so are clients of one family: a random split tests what it has
seen. So whole families are held out, with their kin, and of the families that are trained on, the
clients that came last. What a model does with a family that it never saw is the honest figure, and
is told apart.

Pure: the seed chooses the families.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from seawall import limits
from seawall.errors import RefusedError
from seawall.learn.rows import CLASSES, HUMAN, Flags, Rows

_TEST_SHARE: Final = 0.2
_TUNE_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Flags over the rows; no row has two of them.

    Attributes:
        train: for growing trees.
        tune: for stopping in time and for calibration.
        unseen: test rows of families of which nothing was trained or tuned on.
        later: test rows of clients that came after those trained on, of the same families.
        notes: what could not be done as it should, for people.
    """

    train: Flags
    tune: Flags
    unseen: Flags
    later: Flags
    notes: tuple[str, ...]

    @property
    def test(self) -> Flags:
        """All that is measured on."""
        return self.unseen | self.later


def split(rows: Rows, seed: int) -> Split:
    """Divide the rows.

    Raises:
        RefusedError: a part would have too few rows of people or of programs.
    """
    parts = {name: np.zeros(len(rows), dtype=np.bool_) for name in ("train", "tune", "unseen")}
    later = np.zeros(len(rows), dtype=np.bool_)
    notes = []
    names = {place: _names(rows, place) for place in range(len(CLASSES))}
    programs = [name for place, own in names.items() if CLASSES[place] != HUMAN for name in own]
    settled: dict[str, str] = {}
    for place, label in enumerate(CLASSES):
        families = sorted({int(f) for f in rows.family[rows.label == place]})
        known = names[place] if label == HUMAN else programs
        held = _held_out(names[place], known, settled, seed)
        if families and not held:
            notes.append(
                f"{label}: {len(families)} families, of which none is held out "
                f"(from {limits.LEARN_CLASS_FAMILIES_MIN} on); tested on later clients only."
            )
        for family in families:
            own = rows.family == family
            part = held.get(rows.families[family], "")
            if part:
                parts[part] |= own
                continue
            first, second, last = _by_time(rows, own)
            parts["train"] |= first
            parts["tune"] |= second
            later |= last
    found = Split(parts["train"], parts["tune"], parts["unseen"], later, tuple(notes))
    short = list(_too_small(rows, found))
    if short:
        raise RefusedError(
            "bot-training-too-little",
            f"There is too little to learn from: {'; '.join(short)}.",
            remedy="Bring more labelled records: more clients, and at least "
            f"{limits.LEARN_FAMILY_CLIENTS_MIN} of each family.",
        )
    return found


def _names(rows: Rows, place: int) -> list[str]:
    return [rows.families[family] for family in np.unique(rows.family[rows.label == place])]


def _held_out(
    families: list[str], known: list[str], settled: dict[str, str], seed: int
) -> dict[str, str]:
    """Which families are held out, and for what; the order is one that no name can choose.

    Kin stay together: "requests spoofing" is the program "requests" in other clothes, also where
    one is a tool and the other a bot.

    Args:
        families: of one class.
        known: among which kin are looked for.
        settled: what became of kin in the classes before, empty for trained on; added to.
        seed: another one holds out other families.
    """
    kin: dict[str, list[str]] = {}
    for family in families:
        kin.setdefault(_forebear(family, known), []).append(family)
    parts = {name: settled[name] for name in kin if name in settled}
    if len(kin) >= limits.LEARN_CLASS_FAMILIES_MIN:
        free = [name for name in kin if name not in settled]
        free.sort(
            key=lambda name: hashlib.blake2b(f"{seed}/{name}".encode()).digest(), reverse=True
        )
        for part, share in (("unseen", _TEST_SHARE), ("tune", _TUNE_SHARE)):
            wanted = max(1, round(len(kin) * share)) - list(parts.values()).count(part)
            parts |= {free.pop(): part for _ in range(min(max(0, wanted), len(free)))}
    settled |= {name: parts.get(name, "") for name in kin}
    return {family: part for name, part in parts.items() if part for family in kin[name]}


def _forebear(family: str, families: list[str]) -> str:
    """The shortest family whose name, and a space, this one's begins with; or itself."""
    elders = (name for name in families if family.startswith(f"{_bare(name)} "))
    return min((*elders, family), key=len)


def _bare(family: str) -> str:
    """Without the class that follows the names of people and tools."""
    return family.rpartition(" (")[0] or family


def _by_time(rows: Rows, own: Flags) -> tuple[Flags, Flags, Flags]:
    """Training, tuning and test rows of one family: its clients in the order in which they came."""
    clients, at = np.unique(rows.client[own], return_inverse=True)
    nothing = np.zeros(len(rows), dtype=np.bool_)
    if len(clients) < limits.LEARN_FAMILY_CLIENTS_MIN:
        return own, nothing, nothing
    came = np.full(len(clients), np.inf)
    np.minimum.at(came, at, rows.time_s[own])
    rank = np.empty(len(clients), dtype=np.int64)
    rank[np.lexsort((clients, came))] = np.arange(len(clients))
    test = max(1, round(len(clients) * _TEST_SHARE))
    tune = max(1, round(len(clients) * _TUNE_SHARE))
    ranks = np.full(len(rows), -1)
    ranks[own] = rank[at]
    last, before = len(clients) - test, len(clients) - test - tune
    return own & (ranks < before), own & (ranks >= before) & (ranks < last), own & (ranks >= last)


def _too_small(rows: Rows, found: Split) -> Iterator[str]:
    for part, flags in (("training", found.train), ("tuning", found.tune), ("test", found.test)):
        for side, of in (("people", rows.human), ("programs", ~rows.human)):
            count = int((flags & of).sum())
            if count < limits.LEARN_PART_ROWS_MIN:
                yield (
                    f"{count} rows of {side} for {part}, and it takes {limits.LEARN_PART_ROWS_MIN}"
                )
