"""The two files through which Envoy's Lua filter and the bot service talk, byte by byte.

Both have a fixed size and are little-endian. Nobody ever shortens one: a file that is not of the
right kind is replaced by a new one under its name, and the old one is marked as retired. Python
maps them; Lua reads and writes with `pread` and `pwrite`, so that no file, however broken, can end
Envoy.

Header, 64 bytes: magic (8 bytes, the last two are the version), then 32-bit words: groups (a power
of two), ways, bytes of an entry, seed, retired (0 or 1); the rest is zero. Entries follow, group
by group.

`verified.map`, magic `SWVERD01`, written by Python only. Entry, ten 32-bit words:

    0 sequence   odd while the entry is being written
    1 check      `digest` of the words 2 to 9, seeded with word 0
    2 expires    Unix seconds from which to ask again
    3 stale      Unix seconds from which the entry is no answer any more
    4 claim      bot's number | outcome << 16 (0 none, 1 verified, 2 impostor, 3 unknown)
    5 zero
    6..9 address 16 bytes in network order; IPv4 as ::ffff:a.b.c.d

`claims.map`, magic `SWCLAM01`, written by Lua (any number of workers), emptied by Python. Entry,
eight words: 0 check (`digest` of the words 1 to 7, seed 0), 1 time (Unix seconds), 2 bot's number,
3 zero, 4..7 address. An entry of zeros is empty. A claim stands in the group of its network prefix
(/24, /48), so that a flood from one network displaces no other claim; the same claim always takes
the same place. A claim that is lost or torn is asked again by the client's next request.
"""

import ipaddress
import mmap
import os
import stat
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeAlias

from seawall.errors import UnreachableError, invariant

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

HEADER_BYTES: Final = 64
_HEADER: Final = struct.Struct("<8s5I")
_RETIRED_WORD: Final = 6
_MASK: Final = 0xFFFFFFFF
_ROUNDS: Final = (0x9E3779B9, 0x85EBCA6B)


@dataclass(frozen=True, slots=True)
class Layout:
    """The fixed shape of a file.

    Attributes:
        groups: a power of two.
        entry_words: 32-bit words of an entry.
    """

    magic: bytes
    groups: int
    ways: int
    entry_words: int

    @property
    def size_bytes(self) -> int:
        """Size of the whole file."""
        return HEADER_BYTES + self.groups * self.ways * self.entry_words * 4

    def header(self, seed: int) -> bytes:
        """The first 64 bytes."""
        packed = _HEADER.pack(self.magic, self.groups, self.ways, self.entry_words * 4, seed, 0)
        return packed.ljust(HEADER_BYTES, b"\0")


def digest(seed: int, *words: int) -> int:
    """Mix 32-bit words to one; cheap in LuaJIT, good against accidents, not against a forger."""
    value = seed
    for word in (*words, *_ROUNDS):
        value ^= word
        value = ((value << 13) | (value >> 19)) & _MASK
        value = (value * 5 + 0xE6546B64) & _MASK
    return value ^ (value >> 16)


def packed(address: Address) -> tuple[int, int, int, int]:
    """The address as it stands in an entry: four words of 16 bytes, IPv4 mapped into IPv6."""
    raw = address.packed
    if len(raw) == 4:  # noqa: PLR2004 - bytes of an IPv4 address
        raw = b"\0" * 10 + b"\xff\xff" + raw
    one, two, three, four = struct.unpack("<4I", raw)
    return one, two, three, four


def unpacked(words: tuple[int, ...]) -> Address:
    """The address of an entry."""
    address = ipaddress.IPv6Address(struct.pack("<4I", *words))
    return address.ipv4_mapped or address


def prefix(address: Address) -> bytes:
    """What a flood is counted by: /24 of IPv4, /48 of IPv6, as 16 bytes."""
    raw = struct.pack("<4I", *packed(address))
    kept = 15 if raw[:12] == b"\0" * 10 + b"\xff\xff" else 6
    return raw[:kept].ljust(16, b"\0")


class MappedFile:
    """A file of one layout, mapped; made when missing, replaced when it is of another kind.

    Args:
        path: where; its folder must exist.
        layout: what it must look like.
        seed: of a file that is made now; an existing one keeps its own.

    Raises:
        UnreachableError: it can be neither opened nor made.
    """

    def __init__(self, path: Path, layout: Layout, *, seed: int) -> None:
        invariant(sys.byteorder == "little", "mapped files need a little-endian machine")
        invariant(layout.groups & (layout.groups - 1) == 0, "groups are a power of two")
        self.layout = layout
        try:
            descriptor = _existing(path, layout)
            if descriptor is None:
                descriptor = _made(path, layout, seed & _MASK)
            try:
                self._map = mmap.mmap(descriptor, layout.size_bytes)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise UnreachableError(
                "bot-map-unreachable",
                f"The file {path.name} for bots cannot be opened: {error}.",
                remedy="Check the disk and the permissions of the node's directory.",
            ) from error
        self._view = memoryview(self._map)
        self.words = self._view.cast("I")
        self.seed = self.words[5]

    def entry(self, group: int, way: int) -> int:
        """Index in `words` of an entry's first word."""
        place = (group & (self.layout.groups - 1)) * self.layout.ways + way
        return HEADER_BYTES // 4 + place * self.layout.entry_words

    def content(self) -> bytes:
        """All entries, as they are at this moment."""
        return self._map[HEADER_BYTES:]

    def close(self) -> None:
        """Unmap; the file stays."""
        self.words.release()
        self._view.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _existing(path: Path, layout: Layout) -> int | None:
    """A descriptor of the file when it is sound; otherwise it is retired, and None."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return None
    head = os.pread(descriptor, HEADER_BYTES, 0)
    sound = status.st_size == layout.size_bytes and len(head) == HEADER_BYTES
    if sound and head == layout.header(_HEADER.unpack_from(head)[4]):
        _allocate(descriptor, layout)
        return descriptor
    if head[:2] == b"SW":
        os.pwrite(descriptor, b"\1", _RETIRED_WORD * 4)
    os.close(descriptor)
    return None


def _made(path: Path, layout: Layout, seed: int) -> int:
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        _allocate(descriptor, layout)
        os.pwrite(descriptor, layout.header(seed), 0)
        temporary.replace(path)
    except OSError:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return descriptor


def _allocate(descriptor: int, layout: Layout) -> None:
    """Take the blocks now: writing to a mapped hole on a full disk would end this process."""
    os.posix_fallocate(descriptor, 0, layout.size_bytes)
