"""What a model may learn from and what it is judged by: by family and by time, never random rows.

Bots are split by family: a family is on one side only, so that the figures are for clients that
were never seen. A library and its spoofing variants share a TLS fingerprint, so they stay together.
People and tools are few families that every site knows: they are split by time, whole sessions
each.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from zoo.kinds import Class, Kind, Session

HELD_OUT_SHARE = 0.4
"""Of the families of each group of bots, and of the time for people and tools."""
_SUFFIXES = (" spoofing", " slow")
_GROUPS = {
    Kind.DECLARED: "library",
    Kind.SPOOF: "library",
    Kind.IMPERSONATOR: "impersonator",
    Kind.SLOW: "impersonator",
}


@dataclass(frozen=True)
class Split:
    """Sessions to learn from and sessions to be judged by, by their name.

    Attributes:
        held_out: families of bots that are only tested.
    """

    train: frozenset[str]
    test: frozenset[str]
    held_out: frozenset[str]


def split(sessions: Iterable[Session], seed: int = 1) -> Split:
    """Split; the same sessions and seed always give the same halves.

    Args:
        sessions: of a data set, those with records.
        seed: another one holds out other families.
    """
    known = list(sessions)
    bots = [s for s in known if s.label == Class.BOT]
    stems = {name for group in _groups(bots).values() for name in _last(group, seed)}
    held_out = frozenset(s.family for s in bots if stem(s.family) in stems)
    others = sorted(s.start_s for s in known if s.label != Class.BOT)
    later_s = others[int(len(others) * (1 - HELD_OUT_SHARE))] if others else 0.0
    test = frozenset(
        s.session
        for s in known
        if (s.family in held_out if s.label == Class.BOT else s.start_s >= later_s)
    )
    return Split(frozenset(s.session for s in known) - test, test, held_out)


def folds(sessions: Iterable[Session], count: int, seed: int = 1) -> list[Split]:
    """Every session is judged once: bots with their family, people and tools with their time.

    Args:
        sessions: of a data set, those with records.
        count: of folds, at least 2.
        seed: another one makes other folds.
    """
    known = list(sessions)
    bots = [s for s in known if s.label == Class.BOT]
    fold_of: dict[str, int] = {}
    for group in _groups(bots).values():
        fold_of |= {name: place % count for place, name in enumerate(_ordered(group, seed))}
    others = sorted((s for s in known if s.label != Class.BOT), key=lambda s: s.start_s)
    place_of = {s.session: place * count // len(others) for place, s in enumerate(others)}
    place_of |= {s.session: fold_of[stem(s.family)] for s in bots}
    every = frozenset(place_of)
    found = []
    for fold in range(count):
        test = frozenset(name for name, place in place_of.items() if place == fold)
        held_out = frozenset(s.family for s in bots if s.session in test)
        found.append(Split(every - test, test, held_out))
    return found


def stem(family: str) -> str:
    """The library behind a family."""
    for suffix in _SUFFIXES:
        family = family.removesuffix(suffix)
    return family


def _groups(bots: Iterable[Session]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for session in bots:
        group = _GROUPS.get(Kind(session.kind), session.kind)
        groups.setdefault(group, set()).add(stem(session.family))
    return groups


def _ordered(families: set[str], seed: int) -> list[str]:
    return sorted(families, key=lambda f: hashlib.sha256(f"{seed}/{f}".encode()).digest())


def _last(families: set[str], seed: int) -> list[str]:
    """The held-out ones of a group; at least one stays to learn from if there are two."""
    ordered = _ordered(families, seed)
    return ordered[: max(1, round(len(ordered) * HELD_OUT_SHARE))] if len(ordered) > 1 else []
