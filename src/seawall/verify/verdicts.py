"""Verdicts on claims, in a mapped table that Envoy reads: `verified.map`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.verify.mapping import Address, Layout, MappedFile, digest, packed
from seawall.verify.outcome import Outcome

LAYOUT: Final = Layout(
    b"SWVERD01", limits.VERIFY_VERDICT_BUCKETS, limits.VERIFY_VERDICT_WAYS, entry_words=10
)
_CODES: Final = {Outcome.VERIFIED: 1, Outcome.IMPOSTOR: 2, Outcome.UNKNOWN: 3}
_OUTCOMES: Final = {code: outcome for outcome, code in _CODES.items()}
_RANKS: Final = {Outcome.UNKNOWN: 2, Outcome.IMPOSTOR: 3, Outcome.VERIFIED: 4}
_TIME_MAX: Final = 0xFFFFFFFF
AGES_S_MAX: Final = {
    Outcome.VERIFIED: limits.VERIFY_VERDICT_TTL_S_MAX + limits.VERIFY_VERIFIED_STALE_S,
    Outcome.IMPOSTOR: limits.VERIFY_VERDICT_TTL_S_MAX + limits.VERIFY_IMPOSTOR_STALE_S,
    Outcome.UNKNOWN: 2 * limits.VERIFY_UNKNOWN_TTL_S,
}
"""How far ahead a verdict may end; one that ends later is from before the clock was set back."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one claim.

    Attributes:
        expires_s: Unix seconds from which it should be asked again.
        stale_s: Unix seconds from which it is no answer any more; not before `expires_s`.
    """

    outcome: Outcome
    expires_s: int
    stale_s: int


class VerdictTable:
    """The table as its one writer sees it.

    When a group is full, the entry that says least is displaced: first what is no answer any more,
    then unknown, then impostors, and a verified bot last. So a flood of impostors pushes out no
    verified bot.

    Args:
        path: of the file; see `MappedFile`.
        seed: 32 random bits: nobody outside can choose addresses that share a group.
    """

    def __init__(self, path: Path, *, seed: int) -> None:
        self._file = MappedFile(path, LAYOUT, seed=seed)

    def get(self, address: Address, bot: int, *, now_s: float) -> Verdict | None:
        """The verdict on a claim, also an expired one; None when there is no answer."""
        key = packed(address)
        for place in self._places(key, bot):
            read = self._read(place)
            if read is not None and read[1:] == (bot, key):
                return read[0] if _holds(read[0], now_s) else None
        return None

    def put(self, address: Address, bot: int, verdict: Verdict, *, now_s: float) -> None:
        """Write a verdict over the one before, a free entry, or one that says no more than it."""
        key = packed(address)
        places = self._places(key, bot)
        entries = [self._read(place) for place in places]
        for place, read in zip(places, entries, strict=True):
            if read is not None and read[1:] == (bot, key):
                self._write(place, key, bot, verdict)
                return
        worst = min(range(len(places)), key=lambda way: _worth(entries[way], now_s))
        if _worth(entries[worst], now_s)[0] <= _RANKS[verdict.outcome]:
            self._write(places[worst], key, bot, verdict)

    def close(self) -> None:
        """Unmap the file; it stays for readers."""
        self._file.close()

    def _places(self, key: tuple[int, int, int, int], bot: int) -> list[int]:
        group = digest(self._file.seed, *key, bot)
        return [self._file.entry(group, way) for way in range(LAYOUT.ways)]

    def _read(self, place: int) -> tuple[Verdict, int, tuple[int, ...]] | None:
        """Verdict, bot and address of an entry; None for an empty or broken one."""
        words = self._file.words[place : place + LAYOUT.entry_words].tolist()
        outcome = _OUTCOMES.get(words[4] >> 16)
        if outcome is None or words[0] & 1 or words[1] != _check(words):
            return None
        return Verdict(outcome, words[2], words[3]), words[4] & 0xFFFF, tuple(words[6:10])

    def _write(self, place: int, key: tuple[int, ...], bot: int, verdict: Verdict) -> None:
        words = self._file.words
        sequence = (words[place] | 1) & 0xFFFFFFFF
        words[place] = sequence
        entry = [
            (sequence + 1) & 0xFFFFFFFF,
            0,
            max(0, min(verdict.expires_s, _TIME_MAX)),
            max(0, min(verdict.stale_s, _TIME_MAX)),
            bot | _CODES[verdict.outcome] << 16,
            0,
            *key,
        ]
        entry[1] = _check(entry)
        for offset in range(LAYOUT.entry_words - 1, -1, -1):
            words[place + offset] = entry[offset]


def _check(words: list[int]) -> int:
    return digest(words[0], *words[2:10])


def _holds(verdict: Verdict, now_s: float) -> bool:
    return now_s < verdict.stale_s <= now_s + AGES_S_MAX[verdict.outcome]


def _worth(read: tuple[Verdict, int, tuple[int, ...]] | None, now_s: float) -> tuple[int, int]:
    """Larger for what should stay."""
    if read is None:
        return 0, 0
    verdict = read[0]
    if not _holds(verdict, now_s):
        return 1, verdict.stale_s
    return _RANKS[verdict.outcome], verdict.expires_s
