"""Claims that Envoy saw and could not decide, on a mapped board: `claims.map`."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.verify.mapping import Address, Layout, MappedFile, digest, packed, prefix, unpacked

LAYOUT: Final = Layout(
    b"SWCLAM01", limits.VERIFY_CLAIM_GROUPS, limits.VERIFY_CLAIM_WAYS, entry_words=8
)
_EMPTY: Final = bytes(LAYOUT.size_bytes)
_ENTRY: Final = struct.Struct("<8I")


@dataclass(frozen=True, slots=True)
class Claim:
    """A client at `address` says that it is the bot of this number.

    Attributes:
        at_s: Unix seconds when a worker of Envoy saw it.
    """

    address: Address
    bot: int
    at_s: int


class ClaimsBoard:
    """The board as its one reader sees it.

    Args:
        path: of the file; see `MappedFile`.
    """

    def __init__(self, path: Path) -> None:
        # No seed: whoever makes the file first, Lua or Python, writes the same bytes.
        self._file = MappedFile(path, LAYOUT, seed=0)
        self.broken = 0
        """Entries that were torn or made no sense, since the start."""

    def take(self) -> list[Claim]:
        """All claims on the board, which is empty then."""
        content = self._file.content()
        if content == _EMPTY[: len(content)]:
            return []
        claims = []
        for number, entry in enumerate(_ENTRY.iter_unpack(content)):
            if not any(entry):
                continue
            start = self._file.entry(0, 0) + number * LAYOUT.entry_words
            for offset in range(LAYOUT.entry_words):
                self._file.words[start + offset] = 0
            check, at_s, bot, _, *address = entry
            if check != digest(0, *entry[1:]) or not 0 < bot < 1 << 16:
                self.broken += 1
                continue
            claims.append(Claim(unpacked(tuple(address)), bot, at_s))
        return claims

    def put(self, claim: Claim) -> None:
        """Write a claim as Lua does."""
        words = packed(claim.address)
        entry = [0, claim.at_s, claim.bot, 0, *words]
        entry[0] = digest(0, *entry[1:])
        group = digest(0, *struct.unpack("<4I", prefix(claim.address)))
        way = digest(0, *words, claim.bot) % LAYOUT.ways
        start = self._file.entry(group, way)
        for offset, word in enumerate(entry):
            self._file.words[start + offset] = word

    def close(self) -> None:
        """Unmap the file; it stays for writers."""
        self._file.close()
