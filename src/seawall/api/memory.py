"""Memory back to the machine after a large piece of work.

Compiling 1,000 sites needs tens of MiB for half a second. Python gives freed blocks to the C
library, which keeps them unless asked: on a small machine that memory belongs to Envoy.
"""

import ctypes
import gc
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

_M_ARENA_MAX: Final = -8
"""`mallopt(3)`: how many heaps the C library keeps for threads; each holds its own leftovers."""


def give_back() -> None:
    """Collect garbage and return free memory; does nothing where the C library cannot."""
    gc.collect()
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_heaps(count: int) -> None:
    """Let all threads use `count` heaps; call before threads start."""
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, count)


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
