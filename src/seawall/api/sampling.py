"""Whom of a fleet control asks what it has seen of late, and who told it. Pure.

A small fleet is asked as a whole. Of a large one a part is asked, of each set of groups in turn, so
that no kind of node is left out for another; the same question goes to the same nodes, so that a
dry run and what follows it agree.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

from seawall import limits
from seawall.api.asking import Round, Standing
from seawall.ids import NodeName
from seawall.telemetry.rehearsal import GARBLED, LATE, OLD, SILENT, NodesAsked
from seawall.telemetry.samples import Wanted

_MISSING: Final = {
    Standing.ASKED: LATE,
    Standing.SILENT: SILENT,
    Standing.OLD: OLD,
    Standing.GARBLED: GARBLED,
}
_UNASKED: Final = frozenset({Standing.SILENT, Standing.OLD})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a node answered: records, packed, as it sent them."""

    packed: bytes


@dataclass(frozen=True, slots=True)
class Sampled:
    """What came of asking.

    Attributes:
        samples: packed records by node, to be opened where they may do no harm.
        asked: who was asked, and who told nothing.
    """

    samples: Mapping[NodeName, bytes]
    asked: NodesAsked


class Sampling(Round):
    """One question to nodes for what they have seen.

    Args:
        wanted: of them.
        standings: of those chosen, and of all that cannot be asked.
        nodes: how many the fleet has.
        began_s: monotonic seconds.
    """

    def __init__(
        self, wanted: Wanted, standings: Mapping[NodeName, Standing], nodes: int, began_s: float
    ) -> None:
        super().__init__(standings, began_s + limits.SAMPLE_WAIT_S)
        self.wanted = wanted
        self._nodes = nodes
        self._samples: dict[NodeName, bytes] = {}
        self._ended = False

    def hand(self, node: NodeName) -> bool:
        """See `Round.hand`; one that was silent is asked only where there is room for it."""
        apart = self._standings.get(node) in _UNASKED
        full = self._asked >= limits.REHEARSAL_NODES_ASKED_MAX
        return not (apart and full) and super().hand(node)

    @property
    def _asked(self) -> int:
        return sum(each not in _UNASKED for each in self._standings.values())

    def take(self, node: NodeName, seen: Seen) -> None:
        """Keep what a node answered; what comes too late is dropped."""
        if not self._ended:
            self._standings[node] = Standing.TOLD
            self._samples[node] = seen.packed

    def end(self) -> Sampled:
        """What is known now; nothing is kept here any more."""
        self._ended, samples, self._samples = True, self._samples, {}
        missing = {
            word: tuple(n for n, found in self._standings.items() if found is standing)
            for standing, word in _MISSING.items()
        }
        return Sampled(
            samples,
            NodesAsked(
                nodes=self._nodes,
                asked=self._asked,
                answered=len(samples),
                missing={
                    word: names[: limits.RECORD_NODES_NAMED_MAX]
                    for word, names in missing.items()
                    if names
                },
                missing_count={word: len(names) for word, names in missing.items() if names},
            ),
        )


def spread(
    names: Sequence[NodeName], groups: Callable[[NodeName], Sequence[str]], most: int
) -> tuple[NodeName, ...]:
    """At most so many of `names`: of each set of groups in turn, and always the same ones."""
    kinds: dict[tuple[str, ...], list[NodeName]] = {}
    for name in sorted(names, key=_shuffled):
        kinds.setdefault(tuple(sorted(groups(name))), []).append(name)
    turns = zip_longest(*(kinds[kind] for kind in sorted(kinds)))
    return tuple(name for name in chain.from_iterable(turns) if name is not None)[:most]


def outcome(found: NodesAsked) -> str:
    """For the log: one line."""
    counts = [f"{count} {word}" for word, count in found.missing_count.items()]
    return ", ".join(
        (f"{found.answered} of {found.asked} nodes sent their recent requests", *counts)
    )


def _shuffled(name: NodeName) -> bytes:
    """Names are most often numbered by place; their digests are not."""
    return hashlib.sha256(name.encode()).digest()
