"""Memory of processes that live for months: little of it kept, and freed memory given back.

Reading or sending a release makes megabytes of short-lived objects; the C allocator would keep
their pages until the next release, and on a small machine they belong to Envoy. Elsewhere than on
glibc nothing here does anything.
"""

import asyncio
import ctypes
import gc
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from seawall.clock import Clock

_M_ARENA_MAX: Final = -8
_M_MMAP_THRESHOLD: Final = -3
_HEAPS: Final = 2
"""Each thread would get its own otherwise, with its own leftovers."""
_SOON_S: Final = 0.2
_APART_SIZE_BYTES: Final = 128 * 1024
"""Larger blocks stand apart, so that freeing one frees its pages. glibc begins with this size but
raises it to that of the largest block it has seen freed (`mallopt(3)`): to megabytes, here."""


def settle() -> None:
    """Look for no garbage in what was imported: it lives to the end.

    Call when everything is imported. `give_back` looks through all other objects: with the 80,000
    of control's libraries it took 40 ms after each release, in which nobody was answered.
    """
    gc.collect()
    gc.freeze()


def keep_small() -> None:
    """Let the C library keep little; call before threads start (`mallopt(3)`)."""
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS)
        mallopt(_M_MMAP_THRESHOLD, _APART_SIZE_BYTES)


def give_back() -> None:
    """Collect garbage and return free heap pages; takes some milliseconds (`malloc_trim(3)`)."""
    gc.collect()
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def give_back_soon(clock: Clock) -> None:
    """The same beside everything else, and not while somebody waits for what the work was for."""
    await clock.sleep(_SOON_S)
    await asyncio.to_thread(give_back)


def resident_bytes() -> int:
    """Memory of this process in RAM; 0 where the kernel does not say (`proc_pid_statm(5)`)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)
