"""Gives freed memory back to the machine, for processes that live for months.

Reading a release makes megabytes of short-lived objects; the C allocator keeps their pages, which
would count as resident until the next release. Elsewhere than on glibc this does nothing.
"""

import ctypes
import gc
from contextlib import suppress


def give_back() -> None:
    """Collect garbage and return free heap pages; takes some milliseconds (`malloc_trim(3)`)."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
